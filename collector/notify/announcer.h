// Announcer: which faults are told in which mail, and when. Pure: time comes in, mails to be
// written come out, and what must survive a restart comes out as rows.
//
// - Faults that open within `group_wait` and concern the same people are told in one mail and are
//   one thread from then on. A fault is in one thread for as long as it lasts.
// - What happens to a thread's faults is gathered for `group_interval`; that all of them are over,
//   and that nobody takes care, is told at once. An open one is told again after `repeat_interval`.
// - A smaller fault that a wider open one explains waits (muted); if it outlives that, it is told.
// - At most `rate_per_hour` mails in any hour, half of them at once. What is over the rate waits,
// and
//   is then told in one digest for each circle of people: late, never lost.
//
// Bounds: kFaultsMax faults; further ones are counted and not told.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/time.h"
#include "collector/notify/mail_settings.h"
#include "collector/notify/notice.h"
#include "collector/notify/notice_thread.h"
#include "collector/notify/outgoing_mail.h"

namespace linkpilot::collector {

// One mail to be written.
struct Announcement {
  std::string thread;        // "fault.5f3a9c12ab01", "digest.5f3a9c12ab01.1795271400"
  std::uint32_t number = 1;  // of the mail in its thread
  std::string stem;          // of the subject
  bool digest = false;
  std::vector<Notice> notices;  // what is new, at least one; critical ones first
  std::vector<Fault> others;    // of the thread, told before, still open
  std::uint32_t muted = 0;      // smaller faults that the first one explains
  std::vector<Mailbox> to;
};

struct AnnouncerCounters {
  std::uint64_t muted = 0;  // faults that a wider one explained
  std::uint64_t digests = 0;
  std::uint64_t limited = 0;   // notices that had to wait for the rate
  std::uint64_t unheard = 0;   // faults that concern nobody
  std::uint64_t overflow = 0;  // faults beyond kFaultsMax
};

class Announcer {
 public:
  static constexpr std::size_t kFaultsMax = 4'096;

  explicit Announcer(const MailSettings& settings);
  void set_settings(const MailSettings& settings) { settings_ = settings; }
  // What an earlier run left: its rows, and the faults that they may name.
  void restore(const std::vector<NoticeRow>& rows, const std::vector<Fault>& faults, Now now);

  // `to`: whom it concerns now; nobody: only a fault that was told before is told further.
  void tell(const Notice& notice, const std::vector<Mailbox>& to, Now now);
  [[nodiscard]] std::vector<Announcement> due(Now now);
  // What changed since the last call.
  [[nodiscard]] std::vector<NoticeRow> take_rows();

  [[nodiscard]] const AnnouncerCounters& counters() const { return counters_; }
  [[nodiscard]] std::size_t faults() const { return where_.size(); }
  [[nodiscard]] std::size_t waiting() const;  // notices not told yet

 private:
  using Threads = std::map<std::string, NoticeThread>;

  void open(const Notice& notice, const std::vector<Mailbox>& to, Now now);
  void note(const std::string& name, NoticeThread& thread, const Notice& notice,
            const std::vector<Mailbox>& to, Now now);
  [[nodiscard]] bool is_muted(const Fault& fault, const std::vector<Mailbox>& to) const;
  void mute(const Notice& notice, const std::vector<Mailbox>& to);
  void unmute(Now now);
  void mute_late();
  void repeat(Now now);
  [[nodiscard]] bool is_due(const NoticeThread& thread, Now now) const;
  [[nodiscard]] Announcement announce(const std::string& gathered, Now now);
  [[nodiscard]] Announcement digest(const std::vector<std::string>& names, Now now);
  // Takes what is pending out of the thread; those that are over leave it.
  void take_pending(const std::string& name, Now now, std::vector<Notice>& into);
  void close_if_empty(const std::string& name);
  void refill(MonoTime now);

  MailSettings settings_;
  Threads threads_;
  std::map<std::string, std::string> where_;  // thread of a fault
  struct Muted {
    Notice notice;
    std::vector<Mailbox> to;
  };
  std::map<std::string, Muted> muted_;  // by fault
  std::set<std::string> changed_;       // threads whose row must be written
  std::vector<NoticeRow> rows_;         // others
  double tokens_ = 0;                   // mails that may be written now
  MonoTime refilled_;
  bool limited_ = false;
  AnnouncerCounters counters_;
};

}  // namespace linkpilot::collector
