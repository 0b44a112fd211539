#include "collector/notify/poster.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/runtime/files.h"
#include "collector/notify/http_post_socket.h"

namespace linkpilot::collector {

namespace {

constexpr std::size_t kSecretOctetsMax = 4'096;
constexpr std::int64_t kNanosASecond = 1'000'000'000;

Result<std::string> load_secret(const std::string& path) {
  const Result<std::vector<std::uint8_t>> bytes = read_file(path, kSecretOctetsMax);
  if (!bytes) return fail(bytes.error().in("[webhook] secret_file"));
  std::string secret(bytes->begin(), bytes->end());
  while (!secret.empty() && (secret.back() == '\n' || secret.back() == '\r')) secret.pop_back();
  if (secret.empty()) {
    return fail(ErrorCode::invalid_argument, "[webhook] secret_file: the file is empty");
  }
  return secret;
}

HttpOutcome attempt_delivery(const HookSettings& settings, const HookDelivery& delivery,
                             UnixNanos now, const std::atomic<bool>& stop) {
  // Read each time: a new secret takes effect without a word.
  const Result<std::string> secret = load_secret(settings.secret_file);
  if (!secret) return {0, secret.error().message};
  const std::int64_t timestamp = now.ns / kNanosASecond;
  HttpPost post;
  post.url = settings.url;
  post.ca_file = settings.ca_file;
  post.timeout = settings.timeout;
  post.body = delivery.body;
  post.headers = {"Content-Type: application/json", "User-Agent: linkpilot-collector",
                  fmt::format("X-LinkPilot-Delivery: {}", delivery.id),
                  fmt::format("X-LinkPilot-Timestamp: {}", timestamp),
                  "X-LinkPilot-Signature: " + sign_delivery(*secret, timestamp, delivery.body)};
  return http_post(post, stop);
}

}  // namespace

bool is_sink_url(std::string_view text) {
  const std::size_t begin = text.starts_with("https://") ? 8 : text.starts_with("http://") ? 7 : 0;
  return begin != 0 && text.size() > begin && text.size() <= 1'024 && text[begin] != '/' &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return c > ' ' && c < 0x7F && c != '"' && c != '\'' && c != '<' && c != '>' && c != '\\';
         });
}

Poster::Poster(AlertSettings alerts, HookSettings hook, OnSettled on_settled)
    : on_settled_(std::move(on_settled)),
      alert_settings_(std::move(alerts)),
      hook_settings_(std::move(hook)),
      board_(alert_settings_),
      hooks_(hook_settings_) {}

Poster::~Poster() { stop(); }

void Poster::start() {
  thread_ = std::thread([this] { run(); });
}

void Poster::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stop_ = true;
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Poster::note(const Fault& fault, const FaultBackground& background,
                  const std::string& runbook) {
  {
    const std::lock_guard lock(mutex_);
    board_.note(fault, background, runbook, SystemClock().now().mono);
  }
  wake_.notify_all();
}

std::vector<std::string> Poster::deliver(HookDelivery delivery) {
  std::vector<std::string> dropped;
  {
    const std::lock_guard lock(mutex_);
    dropped = hooks_.add(std::move(delivery));
  }
  wake_.notify_all();
  return dropped;
}

void Poster::set_settings(const AlertSettings& alerts, const HookSettings& hook) {
  {
    const std::lock_guard lock(mutex_);
    alert_settings_ = alerts;
    hook_settings_ = hook;
    board_.set_settings(alerts);
    hooks_.set_settings(hook);
  }
  wake_.notify_all();
}

SinkFigures Poster::figures() const {
  const std::lock_guard lock(mutex_);
  return {!alert_settings_.url.empty(),
          board_.size(),
          board_.waiting(),
          board_.counters(),
          alert_trouble_,
          !hook_settings_.url.empty(),
          hooks_.size(),
          hooks_.counters()};
}

void Poster::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const bool posted = post_alerts(lock);
    if (stopping_) return;
    if (post_delivery(lock) || posted) continue;
    std::optional<MonoTime> next = board_.next_due();
    const std::optional<MonoTime> hook = hooks_.next_due();
    if (hook && (!next || *hook < *next)) next = hook;
    if (!next) {
      wake_.wait(lock);
      continue;
    }
    wake_.wait_for(
        lock, std::clamp<Duration>(*next - SystemClock().now().mono, std::chrono::milliseconds(10),
                                   std::chrono::seconds(60)));
  }
}

bool Poster::post_alerts(std::unique_lock<std::mutex>& lock) {
  const std::optional<AlertPush> push = board_.due(SystemClock().now());
  if (!push) return false;
  HttpPost post;
  post.url = alert_settings_.url;
  while (post.url.ends_with('/')) post.url.pop_back();
  post.url += "/api/v2/alerts";
  post.ca_file = alert_settings_.ca_file;
  post.timeout = alert_settings_.timeout;
  post.headers = {"Content-Type: application/json", "User-Agent: linkpilot-collector"};
  post.body = push->body;
  lock.unlock();
  const HttpOutcome outcome = http_post(post, stop_);
  lock.lock();
  if (stopping_) return true;
  board_.settle(*push, outcome.status, SystemClock().now().mono);
  const bool taken = outcome.status >= 200 && outcome.status < 300;
  alert_trouble_ = taken                 ? ""
                   : outcome.status == 0 ? outcome.error
                                         : fmt::format("it answers {}", outcome.status);
  return true;
}

bool Poster::post_delivery(std::unique_lock<std::mutex>& lock) {
  const Now now = SystemClock().now();
  const HookDelivery* due = hooks_.due(now);
  if (due == nullptr) return false;
  const HookDelivery delivery = *due;
  const HookSettings settings = hook_settings_;
  lock.unlock();
  const HttpOutcome outcome = attempt_delivery(settings, delivery, now.wall, stop_);
  lock.lock();
  // What was broken off by `stop` is no verdict on the receiver.
  if (stopping_ && outcome.status == 0) return true;
  HookSettled settled =
      hooks_.settle(delivery.id, outcome.status, outcome.error, SystemClock().now());
  lock.unlock();
  on_settled_(std::move(settled));
  lock.lock();
  return true;
}

}  // namespace linkpilot::collector
