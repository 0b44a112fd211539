#include "collector/notify/notifier.h"

#include <fmt/format.h>

#include <algorithm>
#include <asio/post.hpp>

#include "collector/notify/fault_mail.h"

namespace linkpilot::collector {

namespace {

constexpr Duration kTellTroubleAgain = std::chrono::minutes(10);

}  // namespace

Notifier::Notifier(asio::io_context& loop, MailSettings settings, Store& store, EventLog& events,
                   std::vector<OutgoingMail> spooled)
    : loop_(loop),
      settings_(settings),
      store_(store),
      events_(events),
      mailer_(std::move(settings), [this](MailSettled settled) {
        asio::post(loop_, [this, settled = std::move(settled)] { on_settled(settled); });
      }) {
  for (OutgoingMail& mail : spooled) {
    next_id_ = std::max(next_id_, mail.id + 1);
    hand_to_mailer(std::move(mail));
  }
}

Notifier::~Notifier() { stop(); }

void Notifier::start() { mailer_.start(); }

void Notifier::stop() { mailer_.stop(); }

void Notifier::tell_event(EventLevel level, std::string_view name, std::string detail) {
  events_.add({0, clock_.now().wall, level, std::string(name), "", "", std::move(detail)});
}

void Notifier::tell(const FaultChange& change, Now now) {
  std::optional<OutgoingMail> mail;
  if (settings_.enabled()) {
    mail = write_fault_mail(change, settings_);
    mail->id = next_id_++;
  }
  const std::uint64_t ticket = store_.put_fault(change.fault, mail);
  if (!mail) return;
  held_.push_back({ticket, now.mono, *std::move(mail)});
  if (held_.size() > settings_.spool_max) {  // the store has not worked for a long time
    OutgoingMail oldest = std::move(held_.front().mail);
    held_.pop_front();
    hand_to_mailer(std::move(oldest));
  }
}

void Notifier::hand_to_mailer(OutgoingMail mail) {
  for (const OutgoingMail& dropped : mailer_.add(std::move(mail))) {
    store_.drop_mail(dropped.id);
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
  while (!held_.empty() && now.mono - held_.front().since >= kStorePatience) {
    OutgoingMail mail = std::move(held_.front().mail);
    held_.pop_front();
    hand_to_mailer(std::move(mail));
  }
}

void Notifier::reconfigure(const MailSettings& settings) {
  if (settings == settings_) return;
  settings_ = settings;
  mailer_.set_settings(settings);
}

void Notifier::on_settled(const MailSettled& settled) {
  if (settled.mail.id == 0) return;  // dropped for room meanwhile
  const OutgoingMail& mail = settled.mail;
  if (settled.done) {
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
    tell_event(EventLevel::error, "mail_dropped",
               fmt::format("given up after {}: {}: {}", format_duration(settings_.give_up_after),
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
