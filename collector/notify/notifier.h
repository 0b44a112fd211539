// Notifier: from "people should hear of this fault" to a mail that survives a crash. A fault and
// its mail go to the store in one transaction; the mail is handed to the mailer once it is durable
// (or after kStorePatience when the store does not work: better twice than never), and leaves the
// store when the server has it. So a collector that is killed at any moment sends each event at
// least once, with the same Message-ID, and never makes up a second fault for the same trouble.
//
// For the loop's thread; `test` and `figures` for any.
#pragma once

#include <asio/io_context.hpp>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "collector/faults/fault.h"
#include "collector/notify/mailer.h"
#include "collector/store/event_log.h"
#include "collector/store/store.h"

namespace linkpilot::collector {

class Notifier {
 public:
  static constexpr Duration kStorePatience = std::chrono::seconds(2);

  // `spooled`: mails that an earlier run did not hand over.
  Notifier(asio::io_context& loop, MailSettings settings, Store& store, EventLog& events,
           std::vector<OutgoingMail> spooled);
  ~Notifier();

  void start();
  void stop();
  void tell(const FaultChange& change, Now now);
  void on_commit(const Commit& commit);
  void on_timer(Now now);
  void reconfigure(const MailSettings& settings);

  [[nodiscard]] MailFigures figures() const { return mailer_.figures(); }
  [[nodiscard]] Result<MailTest> test(const std::optional<Mailbox>& to) { return mailer_.test(to); }

 private:
  struct Held {
    std::uint64_t ticket = 0;
    MonoTime since;
    OutgoingMail mail;
  };
  void hand_to_mailer(OutgoingMail mail);
  void on_settled(const MailSettled& settled);
  void tell_event(EventLevel level, std::string_view name, std::string detail);

  asio::io_context& loop_;
  MailSettings settings_;
  Store& store_;
  EventLog& events_;
  std::uint64_t next_id_ = 1;
  std::deque<Held> held_;  // for their commit, at most spool_max
  std::string trouble_told_;
  MonoTime trouble_told_at_;
  SystemClock clock_;
  Mailer mailer_;
};

}  // namespace linkpilot::collector
