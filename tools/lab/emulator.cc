#include "tools/lab/emulator.h"

#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/assert.h"

namespace linkpilot::lab {
namespace {

constexpr int kPacketsPerReadiness = 64;
constexpr int kRealTimePriority = 10;
constexpr auto kSpinWindow = std::chrono::milliseconds(100);
constexpr auto kSecond = std::chrono::seconds(1);
constexpr std::uint64_t kPacketsToJudge = 50;
constexpr auto kIdleWait = std::chrono::milliseconds(100);
// Closer than this a system call would end after the deadline.
constexpr auto kPureSpin = std::chrono::microseconds(4);

std::int64_t read_clock(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}

MonoTime mono_now() { return {read_clock(CLOCK_MONOTONIC)}; }
UnixNanos wall_now() { return {read_clock(CLOCK_REALTIME)}; }
Duration thread_cpu() { return Duration(read_clock(CLOCK_THREAD_CPUTIME_ID)); }

}  // namespace

Emulator::Emulator(Wan& wan, std::vector<int> devices, LedgerFile& ledger, ThreadDoor& door,
                   const Options& options)
    : wan_(wan),
      devices_(std::move(devices)),
      ledger_(ledger),
      door_(door),
      options_(options),
      thread_([this] { run(); }) {}

Emulator::~Emulator() {
  stop_.store(true, std::memory_order_release);
  (void)door_.run_on_owner([] {});  // wakes it
  thread_.join();
}

void Emulator::reset_lateness() {
  health_.late.clear();
  health_.late_max = {};
  health_.seconds = health_.seconds_noisy = health_.seconds_overloaded = 0;
}

void Emulator::become_real_time() {
  ::prctl(PR_SET_TIMERSLACK, 1);  // the default of 50 us is 40 us of lateness
  if (!options_.real_time) return;
  sched_param parameters{};
  parameters.sched_priority = kRealTimePriority;
  health_.real_time = ::pthread_setschedparam(::pthread_self(), SCHED_FIFO, &parameters) == 0;
}

void Emulator::run() {
  become_real_time();
  const UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  const auto watch = [&](int fd, std::uint32_t number) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u32 = number;
    LP_ASSERT(::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) == 0);
  };
  for (std::size_t i = 0; i < devices_.size(); ++i) {
    watch(devices_[i], static_cast<std::uint32_t>(i));
  }
  watch(door_.wake_fd(), static_cast<std::uint32_t>(devices_.size()));
  spin_window_.start = second_window_.start = mono_now();
  while (!stop_.load(std::memory_order_acquire)) {
    deliver_due();
    wait(epoll.get());
    const MonoTime now = mono_now();
    if (now - spin_window_.start >= kSpinWindow) judge_spin(now);
    if (now - second_window_.start >= kSecond) judge_second({now, wall_now()});
  }
  door_.close();  // whoever still waits must not wait for ever
}

void Emulator::wait(int epoll) {
  const std::optional<MonoTime> due = wan_.next_due();
  const MonoTime now = mono_now();
  Duration timeout = due ? std::min<Duration>(*due - now, kIdleWait) : Duration(kIdleWait);
  if (may_spin_ && due) {
    if (timeout <= kPureSpin) {
      while (mono_now() < *due) {
      }
      return;
    }
    timeout -= options_.spin;
  }
  timeout = std::max(timeout, Duration{});
  const timespec limit{.tv_sec = timeout.count() / 1'000'000'000,
                       .tv_nsec = timeout.count() % 1'000'000'000};
  std::array<epoll_event, kNodesMax + 1> events;
  const int ready =
      ::epoll_pwait2(epoll, events.data(), static_cast<int>(events.size()), &limit, nullptr);
  for (int i = 0; i < ready; ++i) {
    const std::uint32_t number = events[static_cast<std::size_t>(i)].data.u32;
    if (number == devices_.size()) {
      door_.serve();
    } else {
      read_device(static_cast<NodeIndex>(number));
    }
  }
}

void Emulator::read_device(NodeIndex node) {
  std::array<std::uint8_t, kPacketBytesMax> bytes;
  for (int i = 0; i < kPacketsPerReadiness; ++i) {
    const ssize_t size = ::read(devices_[node], bytes.data(), bytes.size());
    if (size <= 0) return;
    // The ledger's clock first: a pause between the two then makes the packet late, in the ledger
    // as on the wire. The other way round it would seem to have been early.
    const UnixNanos wall = wall_now();
    const Now now{mono_now(), wall};
    wan_.on_packet(node, std::span(bytes).first(static_cast<std::size_t>(size)), now);
    const auto due = wan_.next_due();
    if (due && *due <= now.mono) deliver_due();
  }
}

void Emulator::deliver_due() {
  MonoTime now = mono_now();
  while (const auto due = wan_.take_due(now)) {
    const UnixNanos written = wall_now();
    now = mono_now();
    const ssize_t size = ::write(devices_[due->to], due->bytes.data(), due->bytes.size());
    const bool whole = size == static_cast<ssize_t>(due->bytes.size());
    const Duration late = std::max(now - due->due, Duration{});
    late_second_.add(late);
    health_.late_max = std::max(health_.late_max, late);
    wan_.settle(*due, written, whole ? Wan::WriteResult::written : Wan::WriteResult::refused);
    now = mono_now();
  }
}

void Emulator::judge_spin(MonoTime now) {
  const double seconds = static_cast<double>((now - spin_window_.start).count()) * 1e-9;
  const std::uint64_t packets = wan_.counters().read;
  const Duration cpu = thread_cpu();
  const double rate = static_cast<double>(packets - spin_window_.packets) / seconds;
  const double share = static_cast<double>((cpu - spin_window_.cpu).count()) * 1e-9 / seconds;
  may_spin_ =
      options_.spin.count() > 0 && rate <= kSpinPacketsPerSecondMax && share <= kCoreShareMax;
  health_.spinning = may_spin_;
  spin_window_ = {now, packets, cpu};
}

void Emulator::judge_second(Now now) {
  const double seconds = static_cast<double>((now.mono - second_window_.start).count()) * 1e-9;
  const std::uint64_t packets = wan_.counters().read;
  const Duration cpu = thread_cpu();
  health_.packets_per_s = static_cast<double>(packets - second_window_.packets) / seconds;
  health_.core_share = static_cast<double>((cpu - second_window_.cpu).count()) * 1e-9 / seconds;
  const Duration p99 = late_second_.quantile(0.99).value_or(Duration{});
  const Duration p90 = late_second_.quantile(0.9).value_or(Duration{});
  const bool many =
      late_second_.count() >= kPacketsToJudge;  // one stall of an idle lab is no verdict
  const std::uint64_t dropped = wan_.counters().by_fate[static_cast<std::size_t>(Fate::overloaded)];
  const std::uint64_t lost = ledger_.lost();
  health_.overloaded = dropped > overloaded_drops_seen_ || lost > lost_records_seen_ ||
                       (many && p90 > kOverloadedLateness) || ledger_.write_failed();
  health_.noisy = health_.overloaded || (many && p99 > kNoisyLateness) || seconds > 1.5;
  overloaded_drops_seen_ = dropped;
  lost_records_seen_ = lost;
  ++health_.seconds;
  health_.seconds_noisy += health_.noisy ? 1 : 0;
  health_.seconds_overloaded += health_.overloaded ? 1 : 0;

  LedgerRecord record;
  record.arrival_ns = now.wall.ns;
  record.fate = Fate::health;
  record.source = kNoNode;
  record.destination = kNoNode;
  record.values = {static_cast<std::uint64_t>(p99.count()),
                   (packets - second_window_.packets) << 8 |
                       std::uint64_t{health_.noisy ? kHealthNoisy : std::uint8_t{0}} |
                       std::uint64_t{health_.overloaded ? kHealthOverloaded : std::uint8_t{0}}};
  ledger_.record(record);
  health_.late.merge(late_second_);
  late_second_.clear();
  second_window_ = {now.mono, packets, cpu};
}

}  // namespace linkpilot::lab
