#include "collector/notify/mailer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/runtime/curve_keys.h"
#include "base/runtime/files.h"
#include "collector/notify/fault_mail.h"
#include "collector/notify/smtp_socket.h"

namespace linkpilot::collector {

namespace {

constexpr std::size_t kPasswordBytesMax = 1'024;
constexpr std::size_t kNonceOctets = 8;
constexpr Duration kTestSlack = std::chrono::seconds(5);

Result<std::string> load_password(const MailSettings& settings) {
  if (settings.user.empty()) return std::string();
  const Result<std::vector<std::uint8_t>> bytes =
      read_file(settings.password_file, kPasswordBytesMax);
  if (!bytes) return fail(bytes.error().in("[mail] password_file"));
  std::string password(bytes->begin(), bytes->end());
  while (!password.empty() && (password.back() == '\n' || password.back() == '\r')) {
    password.pop_back();
  }
  return password;
}

SmtpReport attempt(const MailSettings& settings, const OutgoingMail& mail,
                   const std::atomic<bool>& stop) {
  // Read each time: a new password takes effect without a word.
  const Result<std::string> password = load_password(settings);
  if (password) return smtp_send(settings, *password, mail, stop);
  SmtpReport report;
  report.error = password.error().message;
  return report;
}

std::string nonce() {
  std::string text;
  for (const std::uint8_t octet : random_bytes(kNonceOctets)) text += fmt::format("{:02x}", octet);
  return text;
}

MailTest outcome_of(const OutgoingMail& mail, const SmtpReport& report) {
  MailTest test;
  test.message_id = mail.message_id;
  test.error = report.error;
  for (std::size_t i = 0; i < std::min(mail.recipients.size(), report.recipients.size()); ++i) {
    const SmtpReply& said = report.recipients[i].good() ? report.message : report.recipients[i];
    if (said.good()) {
      test.handed.push_back(mail.recipients[i]);
    } else if (said.code != 0) {
      test.refused.push_back(fmt::format("{}: {} {}", mail.recipients[i], said.code, said.text));
    }
  }
  return test;
}

}  // namespace

Mailer::Mailer(MailSettings settings, OnSettled on_settled)
    : on_settled_(std::move(on_settled)), settings_(std::move(settings)), queue_(settings_) {}

Mailer::~Mailer() { stop(); }

void Mailer::start() {
  thread_ = std::thread([this] { run(); });
}

void Mailer::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stop_ = true;
  wake_.notify_all();
  tested_.notify_all();
  if (thread_.joinable()) thread_.join();
}

std::vector<OutgoingMail> Mailer::add(OutgoingMail mail) {
  std::vector<OutgoingMail> dropped;
  {
    const std::lock_guard lock(mutex_);
    dropped = queue_.add(std::move(mail), SystemClock().now());
  }
  wake_.notify_all();
  return dropped;
}

void Mailer::set_settings(const MailSettings& settings) {
  {
    const std::lock_guard lock(mutex_);
    settings_ = settings;
    queue_.set_settings(settings);
  }
  wake_.notify_all();
}

MailFigures Mailer::figures() const {
  const std::lock_guard lock(mutex_);
  return {settings_.enabled(),
          queue_.size(),
          settings_.spool_max,
          queue_.server_trouble(),
          queue_.counters(),
          0,
          {}};
}

Result<MailTest> Mailer::test(const std::optional<Mailbox>& to) {
  std::unique_lock lock(mutex_);
  if (settings_.server.empty()) {
    return fail(ErrorCode::unavailable, "no mail is configured; set [mail] server and to");
  }
  if (!to && settings_.to.empty() && settings_.rules.empty()) {
    return fail(ErrorCode::unavailable, "nobody gets mail; set [mail] to, or name a recipient");
  }
  if (stopping_) return fail(ErrorCode::unavailable, "the collector is stopping");
  if (tests_.size() >= kTestsMax) {
    return fail(ErrorCode::limit_exceeded,
                "other tests are waiting already; try again in a moment");
  }
  auto test = std::make_shared<Test>();
  test->mail = write_test_mail(settings_, to, nonce(), SystemClock().now().wall);
  tests_.push_back(test);
  const Duration patience = 2 * settings_.timeout + kTestSlack;  // another one may be under way
  wake_.notify_all();
  tested_.wait_for(lock, patience, [&] { return test->outcome || stopping_; });
  if (test->outcome) return *test->outcome;
  std::erase(tests_, test);
  return fail(ErrorCode::timeout,
              "the mail server keeps the mailer busy; see linkpilot event tail");
}

void Mailer::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (!tests_.empty()) {
      try_test(lock);
      continue;
    }
    if (settings_.enabled()) {
      const Now now = SystemClock().now();
      if (queue_.due(now) != nullptr) {
        try_one(lock);
        continue;
      }
      if (const std::optional<MonoTime> next = queue_.next_due()) {
        // At least a little: `due` may have counted differently by a rounding.
        const Duration pause = std::clamp<Duration>(*next - now.mono, std::chrono::milliseconds(10),
                                                    std::chrono::seconds(60));
        wake_.wait_for(lock, pause);
        continue;
      }
    }
    wake_.wait(lock);
  }
}

void Mailer::try_one(std::unique_lock<std::mutex>& lock) {
  const OutgoingMail mail = *queue_.due(SystemClock().now());
  const MailSettings settings = settings_;
  lock.unlock();
  const SmtpReport report = attempt(settings, mail, stop_);
  lock.lock();
  // What was broken off by `stop` is no verdict on the server.
  if (stopping_ && !report.message.good()) return;
  MailSettled settled = queue_.settle(mail.id, report, SystemClock().now());
  lock.unlock();
  on_settled_(std::move(settled));
  lock.lock();
}

void Mailer::try_test(std::unique_lock<std::mutex>& lock) {
  const std::shared_ptr<Test> test = tests_.front();
  tests_.pop_front();
  const MailSettings settings = settings_;
  lock.unlock();
  const SmtpReport report = attempt(settings, test->mail, stop_);
  lock.lock();
  test->outcome = outcome_of(test->mail, report);
  tested_.notify_all();
}

}  // namespace linkpilot::collector
