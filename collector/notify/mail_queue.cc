#include "collector/notify/mail_queue.h"

#include <fmt/format.h>

#include <algorithm>

namespace linkpilot::collector {

namespace {

std::string spoken(const std::string& who, const SmtpReply& reply) {
  return clean_line(fmt::format("{}: {} {}", who, reply.code, reply.text));
}

}  // namespace

void MailQueue::set_settings(const MailSettings& settings) {
  settings_ = settings;
  // What kept mail from leaving may just have been mended.
  server_not_before_ = MonoTime{};
  server_attempts_ = 0;
  for (Waiting& each : waiting_) each.not_before = MonoTime{};
}

std::vector<OutgoingMail> MailQueue::add(OutgoingMail mail, Now) {
  std::vector<OutgoingMail> dropped;
  waiting_.push_back({std::move(mail), {}, 0});
  while (waiting_.size() > std::max<std::size_t>(1, settings_.spool_max)) {
    dropped.push_back(std::move(waiting_.front().mail));
    waiting_.pop_front();
    ++counters_.dropped_full;
  }
  return dropped;
}

Duration MailQueue::pause_after(std::uint32_t attempts) const {
  Duration pause = settings_.retry_min;
  for (std::uint32_t i = 1; i < attempts && pause < settings_.retry_max; ++i) pause *= 2;
  return std::min(pause, settings_.retry_max);
}

bool MailQueue::waits_for_thread(std::size_t index) const {
  const std::string& thread = waiting_[index].mail.thread;
  if (thread.empty()) return false;
  for (std::size_t i = 0; i < index; ++i) {
    if (waiting_[i].mail.thread == thread) return true;
  }
  return false;
}

const OutgoingMail* MailQueue::due(Now now) {
  if (now.mono < server_not_before_) return nullptr;
  for (std::size_t i = 0; i < waiting_.size(); ++i) {
    Waiting& each = waiting_[i];
    if (now.mono < each.not_before || waits_for_thread(i)) continue;
    return &each.mail;
  }
  return nullptr;
}

std::optional<MonoTime> MailQueue::next_due() const {
  std::optional<MonoTime> next;
  for (std::size_t i = 0; i < waiting_.size(); ++i) {
    if (waits_for_thread(i)) continue;
    const MonoTime due = std::max(waiting_[i].not_before, server_not_before_);
    if (!next || due < *next) next = due;
  }
  return next;
}

MailSettled MailQueue::settle(std::uint64_t id, const SmtpReport& report, Now now) {
  MailSettled settled;
  const auto found = std::find_if(waiting_.begin(), waiting_.end(),
                                  [id](const Waiting& each) { return each.mail.id == id; });
  if (found == waiting_.end()) {
    settled.done = true;
    return settled;
  }
  OutgoingMail& mail = found->mail;
  std::vector<std::string> later;
  for (std::size_t i = 0; i < mail.recipients.size(); ++i) {
    const std::string& who = mail.recipients[i];
    const SmtpReply reply = i < report.recipients.size() ? report.recipients[i] : SmtpReply{};
    if (reply.final_no()) {
      settled.refused.push_back(spoken(who, reply));
    } else if (reply.good() && report.message.good()) {
      settled.handed.push_back(who);
    } else if (reply.good() && report.message.final_no()) {
      settled.refused.push_back(spoken(who, report.message));
    } else {
      if (reply.code != 0 && !reply.good()) settled.trouble = spoken(who, reply);
      later.push_back(who);
    }
  }
  counters_.recipients_refused += settled.refused.size();
  if (!settled.handed.empty()) ++counters_.handed;
  const bool talked = !report.recipients.empty();
  if (talked) {
    server_attempts_ = 0;
    server_not_before_ = MonoTime{};
    server_trouble_.clear();
  }
  mail.recipients = std::move(later);
  settled.done = mail.recipients.empty();
  if (!settled.done) {
    if (settled.trouble.empty()) {
      settled.trouble = report.error.empty() ? spoken("the message", report.message) : report.error;
    }
    if (talked) {
      ++counters_.put_off;
      found->not_before = now.mono + pause_after(++found->attempts);
    } else {
      ++counters_.server_failures;
      server_not_before_ = now.mono + pause_after(++server_attempts_);
      server_trouble_ = settled.trouble;
    }
    if (now.wall - mail.created >= settings_.give_up_after) {
      ++counters_.dropped_old;
      settled.done = true;
    }
  }
  settled.mail = mail;
  if (settled.done) waiting_.erase(found);
  return settled;
}

}  // namespace linkpilot::collector
