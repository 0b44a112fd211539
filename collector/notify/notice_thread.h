// One thread of mails and the faults that it tells of, and its form in the store. Values.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "collector/notify/mime.h"
#include "collector/notify/notice.h"

namespace linkpilot::collector {

struct ThreadMember {
  Fault fault;
  bool told = false;
  std::optional<NoticeReason> pending;
};

struct NoticeThread {
  std::uint32_t mails = 0;  // written so far
  MonoTime told;            // the last one
  UnixNanos told_at;        // the same by the wall clock
  MonoTime pending_since;
  bool urgent = false;  // something that waits for no interval
  std::string stem;     // of the subject, the same in all its mails
  std::vector<Mailbox> to;
  std::vector<std::string> order;  // of the members, as they came
  std::map<std::string, ThreadMember> members;

  [[nodiscard]] std::size_t pending() const;
  [[nodiscard]] bool over() const;  // all of its faults are
  void add_people(const std::vector<Mailbox>& people);
  void remove(const std::string& fault);
};

// A row of the store: everything but the faults, which the store keeps anyway.
struct StoredThread {
  struct Member {
    std::string fault;
    bool told = false;
    std::optional<NoticeReason> pending;
  };
  std::uint32_t mails = 0;
  UnixNanos told_at;
  std::string stem;
  std::vector<Mailbox> to;
  std::vector<Member> members;
};

inline constexpr std::size_t kThreadTextMax = std::size_t{1} << 20;

[[nodiscard]] std::string encode_thread(const NoticeThread& thread);
// Bounded and checked: addresses that are none are left out.
[[nodiscard]] Result<StoredThread> decode_thread(std::string_view text);

}  // namespace linkpilot::collector
