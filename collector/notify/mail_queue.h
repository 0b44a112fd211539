// MailQueue: which mail is tried when, and what an attempt leads to. Pure: time comes in.
//
// - In order; a mail waits for earlier ones of its thread, so that nobody reads the end first.
// - A server that cannot be talked to is left alone for a growing while; a mail it puts off
//   (4xx: greylisting) waits by itself.
// - A recipient refused for good (5xx) loses this mail; the others do not.
// - Bounded: the oldest mail goes, and is counted, when there are `spool_max`.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "collector/notify/mail_settings.h"
#include "collector/notify/outgoing_mail.h"

namespace linkpilot::collector {

struct MailCounters {
  std::uint64_t handed = 0;              // to the server, for at least one recipient each
  std::uint64_t recipients_refused = 0;  // for good
  std::uint64_t put_off = 0;             // attempts that ended in "later"
  std::uint64_t server_failures = 0;     // attempts that did not come to the recipients
  std::uint64_t dropped_full = 0;        // mails the spool had no room for
  std::uint64_t dropped_old = 0;         // given up
};

// What became of a mail by one attempt.
struct MailSettled {
  OutgoingMail mail;  // `recipients`: those still to be tried
  std::vector<std::string> handed;
  std::vector<std::string> refused;  // "ops@example.net: 550 no such user"
  std::string trouble;               // why it is tried again, or was given up
  bool done = false;                 // out of the queue
};

class MailQueue {
 public:
  explicit MailQueue(const MailSettings& settings) : settings_(settings) {}
  void set_settings(const MailSettings& settings);

  // Returns the mails that had to go to make room.
  std::vector<OutgoingMail> add(OutgoingMail mail, Now now);
  // The mail to try now; the same one until it is settled.
  [[nodiscard]] const OutgoingMail* due(Now now);
  // When to ask again; nullopt: nothing waits.
  [[nodiscard]] std::optional<MonoTime> next_due() const;
  // Of the mail that `due` gave.
  MailSettled settle(std::uint64_t id, const SmtpReport& report, Now now);

  [[nodiscard]] std::size_t size() const { return waiting_.size(); }
  [[nodiscard]] const MailCounters& counters() const { return counters_; }
  [[nodiscard]] const std::string& server_trouble() const { return server_trouble_; }

 private:
  struct Waiting {
    OutgoingMail mail;
    MonoTime not_before;
    std::uint32_t attempts = 0;
  };
  [[nodiscard]] Duration pause_after(std::uint32_t attempts) const;
  [[nodiscard]] bool waits_for_thread(std::size_t index) const;

  MailSettings settings_;
  std::deque<Waiting> waiting_;  // by id
  MonoTime server_not_before_;
  std::uint32_t server_attempts_ = 0;
  std::string server_trouble_;
  MailCounters counters_;
};

}  // namespace linkpilot::collector
