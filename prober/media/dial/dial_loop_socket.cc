#include "prober/media/dial/dial_loop_socket.h"

#include <fmt/format.h>
#include <sys/epoll.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "base/assert.h"
#include "prober/media/dial/certificate_socket.h"

namespace linkpilot::prober {
namespace {

constexpr int kEventsPerTurn = 256;

std::uint32_t epoll_mask(Interest interest) {
  return (interest.read ? std::uint32_t{EPOLLIN} | EPOLLRDHUP : 0U) |
         (interest.write ? std::uint32_t{EPOLLOUT} : 0U);
}

// Quarter octaves from 8 us: the exponent and two bits of the mantissa.
std::size_t lag_bucket(Duration lag) {
  const auto us = static_cast<std::uint64_t>(std::max<std::int64_t>(lag.count() / 1000, 0)) | 8U;
  const auto exponent = static_cast<unsigned>(std::bit_width(us)) - 1U;
  const std::size_t bucket = (exponent - 3U) * 4U + ((us >> (exponent - 2U)) & 3U);
  return std::min<std::size_t>(bucket, std::tuple_size_v<decltype(LagCounts::counts)> - 1);
}

Duration lag_bucket_end(std::size_t bucket) {
  const auto next = static_cast<std::uint64_t>(bucket) + 1;
  return std::chrono::microseconds(((next & 3U) + 4U) << (next >> 2U) << 1U);
}

}  // namespace

void LagCounts::add(Duration lag) { ++counts[lag_bucket(lag)]; }

Duration LagCounts::quantile(double q, const LagCounts& before) const {
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) total += counts[i] - before.counts[i];
  if (total == 0) return {};
  const auto wanted = static_cast<std::uint64_t>(q * static_cast<double>(total - 1)) + 1;
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    seen += counts[i] - before.counts[i];
    if (seen >= wanted) return lag_bucket_end(i);
  }
  return lag_bucket_end(counts.size() - 1);
}

ProbeHealth health_between(const LagCounts& before, const LagCounts& after) {
  ProbeHealth health{.loop_lag_p99 = after.quantile(0.99, before),
                     .loop_lag_max = after.quantile(1.0, before)};
  health.overloaded = health.loop_lag_p99 > DialLoop::kOverloadedLag;
  return health;
}

Result<std::unique_ptr<DialLoop>> DialLoop::create() {
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) {
    return fail(ErrorCode::unavailable,
                fmt::format("cannot make an epoll descriptor: {}", std::strerror(errno)));
  }
  return std::unique_ptr<DialLoop>(new DialLoop(std::move(epoll)));
}

DialLoop::DialLoop(UniqueFd epoll)
    : epoll_(std::move(epoll)),
      buffer_(kBufferOctets),
      trust_(std::make_unique<TrustedContexts>()) {}

DialLoop::~DialLoop() { LP_ASSERT(timers_.empty() && watched_.empty()); }

std::optional<MonoTime> DialLoop::next_wakeup() const {
  if (timers_.empty() && watched_.empty()) return std::nullopt;
  return timers_.empty() ? next_beat_ : std::min(next_beat_, timers_.begin()->first);
}

int DialLoop::wait_ms(Duration wait_max) {
  Duration wait = wait_max;
  if (const auto wakeup = next_wakeup()) wait = std::min(wait, *wakeup - now().mono);
  if (wait <= Duration(0)) return 0;
  // Rounded up: waking early would turn the loop idly until the timer's millisecond is over.
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(wait).count();
  return static_cast<int>(std::min<std::int64_t>(ms, 60'000));
}

// The heartbeat says how late a timer or a descriptor would have been served. A loop that was not
// turned for longer than a beat (its owner had other work) is late by that, too.
void DialLoop::beat() {
  const MonoTime mono = now().mono;
  if (next_beat_ == MonoTime{}) next_beat_ = mono + kHeartbeat;
  if (mono < next_beat_) return;
  lag_.add(mono - next_beat_);
  next_beat_ = mono + kHeartbeat;
}

void DialLoop::turn(Duration wait_max) {
  std::array<epoll_event, kEventsPerTurn> events{};
  if (watched_.empty() && timers_.empty()) next_beat_ = {};
  beat();
  const int count = ::epoll_wait(epoll_.get(), events.data(), kEventsPerTurn, wait_ms(wait_max));
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    const auto found = watched_.find(event.data.u64);
    if (found == watched_.end()) continue;  // removed by a handler of this turn
    const auto handler = found->second.handler;
    const bool broken = (event.events & (EPOLLERR | EPOLLHUP)) != 0;
    (*handler)({.read = broken || (event.events & (EPOLLIN | EPOLLRDHUP)) != 0,
                .write = broken || (event.events & EPOLLOUT) != 0});
  }
  fire_timers();
  beat();
}

void DialLoop::fire_timers() {
  // Those that were due when this began, so that a timer set to "now" by a handler waits its turn.
  const MonoTime due = now().mono;
  while (!timers_.empty() && timers_.begin()->first <= due) {
    LoopTimer* timer = timers_.begin()->second;
    timers_.erase(timers_.begin());
    timer->at_.reset();
    timer->handler_();
  }
}

std::uint64_t DialLoop::add(int fd, Interest interest, ReadyHandler handler) {
  const std::uint64_t id = next_id_++;
  epoll_event event{};
  event.events = epoll_mask(interest);
  event.data.u64 = id;
  LP_ASSERT(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0);
  watched_.emplace(
      id, Watched{.fd = fd, .handler = std::make_shared<ReadyHandler>(std::move(handler))});
  return id;
}

void DialLoop::change(std::uint64_t id, Interest interest) {
  epoll_event event{};
  event.events = epoll_mask(interest);
  event.data.u64 = id;
  LP_ASSERT(::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, watched_.at(id).fd, &event) == 0);
}

void DialLoop::remove(std::uint64_t id) {
  const auto found = watched_.find(id);
  if (found == watched_.end()) return;
  // A library may have closed the descriptor already, which took it off.
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, found->second.fd, nullptr);
  watched_.erase(found);
}

void DialLoop::schedule(LoopTimer* timer, std::optional<MonoTime> before,
                        std::optional<MonoTime> at) {
  if (before) timers_.erase({*before, timer});
  if (at) timers_.insert({*at, timer});
}

FdWatch::FdWatch(DialLoop& loop, int fd, Interest interest, ReadyHandler handler)
    : loop_(&loop), id_(loop.add(fd, interest, std::move(handler))), interest_(interest) {}

FdWatch& FdWatch::operator=(FdWatch&& other) noexcept {
  if (this == &other) return *this;
  reset();
  loop_ = std::exchange(other.loop_, nullptr);
  id_ = other.id_;
  interest_ = other.interest_;
  return *this;
}

void FdWatch::want(Interest interest) {
  if (loop_ == nullptr || interest == interest_) return;
  interest_ = interest;
  loop_->change(id_, interest);
}

void FdWatch::reset() {
  if (loop_ == nullptr) return;
  loop_->remove(id_);
  loop_ = nullptr;
}

void LoopTimer::set(MonoTime at) {
  if (at_ == at) return;
  loop_.schedule(this, at_, at);
  at_ = at;
}

void LoopTimer::cancel() {
  if (!at_) return;
  loop_.schedule(this, at_, std::nullopt);
  at_.reset();
}

}  // namespace linkpilot::prober
