#include "collector/notify/notifier.h"

#include <fmt/format.h>

#include <algorithm>
#include <asio/post.hpp>
#include <charconv>

#include "collector/notify/fault_page.h"
#include "collector/notify/recipients.h"

namespace linkpilot::collector {

namespace {

constexpr Duration kTellTroubleAgain = std::chrono::minutes(10);
constexpr const char* kCalendarKey = "calendar";

NoticeReason reason_of(FaultEvent event) {
  switch (event) {
    case FaultEvent::opened:
      return NoticeReason::opened;
    case FaultEvent::updated:
      return NoticeReason::updated;
    case FaultEvent::resolved:
      return NoticeReason::resolved;
  }
  return NoticeReason::updated;
}

// "SUMMARY HEARTBEAT", nanoseconds; what is none is zero: never yet.
std::pair<UnixNanos, UnixNanos> read_calendar(const std::string& text) {
  std::pair<UnixNanos, UnixNanos> out;
  const char* const end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, out.first.ns);
  if (first.ec == std::errc() && first.ptr != end) {
    (void)std::from_chars(first.ptr + 1, end, out.second.ns);
  }
  return out;
}

}  // namespace

Notifier::Notifier(asio::io_context& loop, const NotifySettings& settings, Store& store,
                   EventLog& events, NotifierHooks hooks, NotifierPast past)
    : loop_(loop),
      settings_(settings),
      store_(store),
      events_(events),
      hooks_(std::move(hooks)),
      announcer_(settings.mail),
      mailer_(settings.mail,
              [this](MailSettled settled) {
                asio::post(loop_,
                           [this, settled = std::move(settled)] { on_mail_settled(settled); });
              }),
      poster_(settings.alerts, settings.hook, [this](HookSettled settled) {
        asio::post(loop_, [this, settled = std::move(settled)] { on_delivery_settled(settled); });
      }) {
  restore(std::move(past));
}

void Notifier::restore(NotifierPast past) {
  const Now now = clock_.now();
  announcer_.restore(past.rows, past.faults, now);
  for (const NoticeRow& row : past.rows) {
    if (row.key == kCalendarKey) {
      std::tie(summary_at_, heartbeat_at_) = read_calendar(row.body);
    } else if (Result<HookDelivery> delivery = delivery_of(row)) {
      (void)poster_.deliver(*std::move(delivery));
    }
  }
  for (OutgoingMail& mail : past.mails) {
    next_id_ = std::max(next_id_, mail.id + 1);
    heartbeat_waits_ = heartbeat_waits_ || mail.thread == kHeartbeatThread;
    hand_to_mailer(std::move(mail));
  }
}

// An Alertmanager that is new to them hears of all that is open.
void Notifier::note_open_faults() {
  if (!hooks_.faults) return;
  for (const Fault& fault : hooks_.faults()) {
    if (!fault.open()) continue;
    poster_.note(fault, background_of(fault), runbook_url(settings_.mail.runbook_base, fault));
  }
}

Notifier::~Notifier() { stop(); }

void Notifier::start() {
  note_open_faults();
  mailer_.start();
  poster_.start();
}

void Notifier::stop() {
  mailer_.stop();
  poster_.stop();
}

void Notifier::tell_event(EventLevel level, std::string_view name, std::string detail) {
  events_.add({0, clock_.now().wall, level, std::string(name), "", "", std::move(detail)});
}

FaultBackground Notifier::background_of(const Fault& fault) const {
  return hooks_.background ? hooks_.background(fault) : FaultBackground{};
}

void Notifier::tell(const FaultChange& change, Now now) {
  tell(Notice{reason_of(change.event), change.fault}, now);
}

void Notifier::tell(const Notice& notice, Now now) {
  const FaultBackground background = background_of(notice.fault);
  FaultNote note;
  note.fault = notice.fault;
  if (settings_.mail.enabled()) {
    announcer_.tell(notice, recipients_of(settings_.mail, notice.fault, background), now);
  }
  post(notice, background, note, now);
  commit(std::move(note), now);
}

void Notifier::post(const Notice& notice, const FaultBackground& background, FaultNote& note,
                    Now now) {
  poster_.note(notice.fault, background, runbook_url(settings_.mail.runbook_base, notice.fault));
  if (settings_.hook.url.empty()) return;
  HookDelivery delivery = make_delivery(notice, now.wall);
  note.notices.push_back(row_of(delivery));
  for (const std::string& dropped : poster_.deliver(std::move(delivery))) {
    note.notices.push_back({fmt::format("{}{}", kHookKey, dropped), ""});
    tell_event(EventLevel::error, "delivery_dropped", "the queue is full; lost: " + dropped);
  }
}

void Notifier::commit(FaultNote note, Now now) {
  std::vector<OutgoingMail> mails;
  if (settings_.mail.enabled()) {
    for (const Announcement& announcement : announcer_.due(now)) {
      mails.push_back(write_announcement(announcement,
                                         background_of(announcement.notices.front().fault),
                                         settings_.mail, now.wall));
    }
  }
  std::vector<NoticeRow> rows = announcer_.take_rows();
  std::move(rows.begin(), rows.end(), std::back_inserter(note.notices));
  std::move(mails.begin(), mails.end(), std::back_inserter(note.mails));
  if (!note.fault && note.mails.empty() && note.notices.empty()) return;
  for (OutgoingMail& mail : note.mails) mail.id = next_id_++;
  std::vector<OutgoingMail> held = note.mails;
  const std::uint64_t ticket = store_.put_fault(std::move(note));
  for (OutgoingMail& mail : held) {
    held_.push_back({ticket, now.mono, std::move(mail)});
    if (held_.size() > settings_.mail.spool_max) {  // the store has not worked for a long time
      OutgoingMail oldest = std::move(held_.front().mail);
      held_.pop_front();
      hand_to_mailer(std::move(oldest));
    }
  }
}

// The daily summary and the heartbeat: when they are due, once, whatever restarts come between.
void Notifier::keep_calendar(Now now) {
  const MailSettings& mail = settings_.mail;
  if (!mail.enabled()) return;
  FaultNote note;
  const auto fleet = [this] { return hooks_.fleet ? hooks_.fleet() : FleetState{}; };
  const auto faults = [this] { return hooks_.faults ? hooks_.faults() : std::vector<Fault>{}; };
  if (mail.summary_at >= 0 && !mail.to.empty()) {
    const bool first = summary_at_.ns == 0;
    if (first) {
      summary_at_ = now.wall;
    } else if (now.wall >= mail.zone.next_daily(summary_at_, mail.summary_at)) {
      const MailCounters counters = mailer_.figures().counters;
      note.mails.push_back(write_summary(faults(), fleet(), counters.handed,
                                         counters.dropped_full + counters.dropped_old, mail,
                                         now.wall));
      summary_at_ = now.wall;
    }
    if (first || !note.mails.empty()) note.notices.push_back({kCalendarKey, ""});
  }
  const bool beats = mail.heartbeat_interval > Duration{} && !mail.heartbeat_to.empty();
  if (beats && !heartbeat_waits_ && now.wall - heartbeat_at_ >= mail.heartbeat_interval) {
    const std::vector<Fault> all = faults();
    const auto open =
        std::count_if(all.begin(), all.end(), [](const Fault& fault) { return fault.open(); });
    note.mails.push_back(write_heartbeat(fleet(), static_cast<std::size_t>(open), mail, now.wall));
    note.notices.push_back({kCalendarKey, ""});
    heartbeat_at_ = now.wall;
    heartbeat_waits_ = true;
  }
  if (note.notices.empty()) return;
  note.notices = {{kCalendarKey, fmt::format("{} {}", summary_at_.ns, heartbeat_at_.ns)}};
  commit(std::move(note), now);
}

void Notifier::hand_to_mailer(OutgoingMail mail) {
  for (const OutgoingMail& dropped : mailer_.add(std::move(mail))) {
    store_.drop_mail(dropped.id);
    if (dropped.thread == kHeartbeatThread) heartbeat_waits_ = false;
    tell_event(EventLevel::error, "mail_dropped",
               fmt::format("the spool is full; lost: {}", dropped.subject));
  }
}

void Notifier::on_commit(const Commit& commit) {
  while (!held_.empty() && held_.front().ticket <= commit.faults_ticket) {
    OutgoingMail mail = std::move(held_.front().mail);
    held_.pop_front();
    hand_to_mailer(std::move(mail));
  }
}

void Notifier::on_timer(Now now) {
  keep_calendar(now);
  commit({}, now);
  while (!held_.empty() && now.mono - held_.front().since >= kStorePatience) {
    OutgoingMail mail = std::move(held_.front().mail);
    held_.pop_front();
    hand_to_mailer(std::move(mail));
  }
}

void Notifier::reconfigure(const NotifySettings& settings) {
  if (settings == settings_) return;
  const bool sinks = !(settings.alerts == settings_.alerts && settings.hook == settings_.hook);
  settings_ = settings;
  mailer_.set_settings(settings.mail);
  announcer_.set_settings(settings.mail);
  if (!sinks) return;
  poster_.set_settings(settings.alerts, settings.hook);
  note_open_faults();
}

bool Notifier::idle() const {
  const SinkFigures sinks = poster_.figures();
  return held_.empty() && announcer_.waiting() == 0 && mailer_.figures().waiting == 0 &&
         sinks.hook_waiting == 0;
}

MailFigures Notifier::figures() const {
  MailFigures figures = mailer_.figures();
  figures.announcer = announcer_.counters();
  figures.untold = announcer_.waiting();
  return figures;
}

void Notifier::on_delivery_settled(const HookSettled& settled) {
  if (settled.done) {
    store_.put_fault({std::nullopt, {}, {{fmt::format("{}{}", kHookKey, settled.id), ""}}});
  }
  if (settled.trouble.empty()) {
    hook_trouble_told_.clear();
    return;
  }
  if (settled.done) {
    tell_event(EventLevel::error, "delivery_dropped",
               fmt::format("{}: {}", settled.id, settled.trouble));
  } else if (settled.trouble != hook_trouble_told_) {
    hook_trouble_told_ = settled.trouble;
    tell_event(EventLevel::warn, "delivery_delayed",
               fmt::format("{}: {}", settled.id, settled.trouble));
  }
}

void Notifier::on_mail_settled(const MailSettled& settled) {
  if (settled.mail.id == 0) return;  // dropped for room meanwhile
  const OutgoingMail& mail = settled.mail;
  if (settled.done) {
    if (mail.thread == kHeartbeatThread) heartbeat_waits_ = false;
    store_.drop_mail(mail.id);
  } else if (!settled.handed.empty() || !settled.refused.empty()) {
    store_.put_mail(mail);  // fewer recipients are left
  }
  if (!settled.handed.empty()) {
    tell_event(EventLevel::info, "mail_handed",
               fmt::format("{} to {}", mail.subject, fmt::join(settled.handed, ", ")));
    trouble_told_.clear();
  }
  for (const std::string& refused : settled.refused) {
    tell_event(EventLevel::warn, "mail_refused", fmt::format("{}: {}", mail.subject, refused));
  }
  if (settled.trouble.empty()) return;
  if (settled.done) {
    tell_event(
        EventLevel::error, "mail_dropped",
        fmt::format("given up after {}: {}: {}", format_duration(settings_.mail.give_up_after),
                    mail.subject, settled.trouble));
    return;
  }
  const MonoTime now = clock_.now().mono;
  if (settled.trouble == trouble_told_ && now - trouble_told_at_ < kTellTroubleAgain) return;
  trouble_told_ = settled.trouble;
  trouble_told_at_ = now;
  tell_event(EventLevel::warn, "mail_delayed",
             fmt::format("{}: {}", mail.subject, settled.trouble));
}

}  // namespace linkpilot::collector
