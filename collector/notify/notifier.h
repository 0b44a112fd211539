// Notifier: from "people should hear of this fault" to mails, alerts and deliveries that survive a
// crash. A fault, what is to be told of it and the mails go to the store in one transaction; a mail
// is handed to the mailer once it is durable (or after kStorePatience when the store does not work:
// better twice than never), and leaves the store when the server has it. So a collector that is
// killed at any moment sends each mail at least once, with the same Message-ID, and never makes up
// a second thread for the same trouble.
//
// For the loop's thread; `test` and the figures for any.
#pragma once

#include <asio/io_context.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "collector/faults/fault.h"
#include "collector/notify/announcer.h"
#include "collector/notify/fault_mail.h"
#include "collector/notify/mailer.h"
#include "collector/notify/poster.h"
#include "collector/store/event_log.h"
#include "collector/store/store.h"

namespace linkpilot::collector {

struct NotifySettings {
  MailSettings mail;
  AlertSettings alerts;
  HookSettings hook;
  friend bool operator==(const NotifySettings&, const NotifySettings&) = default;
};

// What the notifier asks of those who know the fleet; all are called on the loop's thread, and not
// before `start`. Any may be missing.
struct NotifierHooks {
  std::function<FaultBackground(const Fault&)> background;
  std::function<std::vector<Fault>()> faults;  // open ones and those that were over lately
  std::function<FleetState()> fleet;
};

// What an earlier run left.
struct NotifierPast {
  std::vector<OutgoingMail> mails;
  std::vector<NoticeRow> rows;
  std::vector<Fault> faults;  // open ones and the newest that are over
};

class Notifier {
 public:
  static constexpr Duration kStorePatience = std::chrono::seconds(2);

  Notifier(asio::io_context& loop, const NotifySettings& settings, Store& store, EventLog& events,
           NotifierHooks hooks, NotifierPast past);
  ~Notifier();

  void start();
  void stop();
  // Keeps the fault, and tells whom it concerns.
  void tell(const Notice& notice, Now now);
  void tell(const FaultChange& change, Now now);
  void on_commit(const Commit& commit);
  void on_timer(Now now);
  void reconfigure(const NotifySettings& settings);

  // Nothing is on its way into a mail or out of the collector.
  [[nodiscard]] bool idle() const;
  [[nodiscard]] MailFigures figures() const;
  [[nodiscard]] SinkFigures sink_figures() const { return poster_.figures(); }
  [[nodiscard]] Result<MailTest> test(const std::optional<Mailbox>& to) { return mailer_.test(to); }

 private:
  struct Held {
    std::uint64_t ticket = 0;
    MonoTime since;
    OutgoingMail mail;
  };
  void restore(NotifierPast past);
  void note_open_faults();
  [[nodiscard]] FaultBackground background_of(const Fault& fault) const;
  // Writes what is due, with `note`, in one transaction.
  void commit(FaultNote note, Now now);
  void post(const Notice& notice, const FaultBackground& background, FaultNote& note, Now now);
  void keep_calendar(Now now);
  void hand_to_mailer(OutgoingMail mail);
  void on_mail_settled(const MailSettled& settled);
  void on_delivery_settled(const HookSettled& settled);
  void tell_event(EventLevel level, std::string_view name, std::string detail);

  asio::io_context& loop_;
  NotifySettings settings_;
  Store& store_;
  EventLog& events_;
  NotifierHooks hooks_;
  Announcer announcer_;
  std::uint64_t next_id_ = 1;
  std::deque<Held> held_;  // for their commit, at most spool_max
  UnixNanos summary_at_;   // the last one
  UnixNanos heartbeat_at_;
  bool heartbeat_waits_ = false;  // one is still in the spool
  std::string trouble_told_;
  MonoTime trouble_told_at_;
  std::string hook_trouble_told_;
  SystemClock clock_;
  Mailer mailer_;
  Poster poster_;
};

}  // namespace linkpilot::collector
