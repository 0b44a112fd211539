#include "tools/lab/lab_run.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/signalfd.h>

#include <cstdio>
#include <memory>

#include "tools/lab/control_codec.h"
#include "tools/lab/control_socket.h"
#include "tools/lab/emulator.h"
#include "tools/lab/lab_status.h"
#include "tools/lab/ledger_file.h"
#include "tools/lab/machine_load.h"
#include "tools/lab/namespaces.h"
#include "tools/lab/topology_file.h"

namespace linkpilot::lab {
namespace {

constexpr auto kPeriod = std::chrono::seconds(1);

UnixNanos system_wall_now() { return SystemClock().now().wall; }

// Blocks the ending signals in this thread and those it starts; they arrive as a readable
// descriptor.
UniqueFd watch_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGHUP);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return UniqueFd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
}

// What is up while a run lasts; destroyed in the opposite order.
class Session {
 public:
  Session(Topology topology, const RunOptions& options, std::vector<NodeDevice> devices,
          std::unique_ptr<LedgerFile> ledger)
      : topology_(std::move(topology)),
        devices_(std::move(devices)),
        namespaces_(names_of(devices_)),
        ledger_(std::move(ledger)),
        wan_(topology_, {.seed = options.seed}, *ledger_),
        meter_(namespaces_) {
    around_.prefix = options.prefix;
    around_.ledger = options.ledger;
    around_.seed = options.seed;
    around_.started = system_wall_now();
    around_.device_drops.resize(topology_.nodes.size());
    std::vector<int> tuns;
    for (const NodeDevice& device : devices_) tuns.push_back(device.tun.get());
    // Page faults would be lateness. Locked as touched: the stacks of all threads need not be.
    locked_ = ::mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0;
    emulator_ = std::make_unique<Emulator>(
        wan_, std::move(tuns), *ledger_, door_,
        Emulator::Options{.real_time = options.real_time,
                          .spin = std::chrono::microseconds(options.spin_us)});
  }

  [[nodiscard]] std::string ready_line() {
    bool real_time = false;
    (void)door_.run_on_owner([&] { real_time = emulator_->health().real_time; });
    return ready_text(topology_, around_, namespaces_, real_time);
  }

  [[nodiscard]] std::string answer(std::string_view line) {
    Result<ControlRequest> request = parse_control(line);
    if (!request) return error_text(request.error(), system_wall_now());
    return std::visit([this](const auto& r) { return handle(r); }, *request);
  }

  // Once a second: what the kernel dropped before the emulator could see it.
  void note_device_drops() {
    around_.load = meter_.measure(SystemClock().now().mono);
    for (std::size_t i = 0; i < devices_.size(); ++i) {
      const Result<std::uint64_t> total = devices_[i].netlink.transmit_dropped();
      if (!total || *total == around_.device_drops[i]) continue;
      LedgerRecord record;
      record.fate = Fate::device_drops;
      record.arrival_ns = system_wall_now().ns;
      record.source = static_cast<NodeIndex>(i);
      record.destination = kNoNode;
      record.values = {*total - around_.device_drops[i], *total};
      around_.device_drops[i] = *total;
      (void)door_.run_on_owner([&] { ledger_->record(record); });
    }
  }

 private:
  static std::vector<std::string> names_of(const std::vector<NodeDevice>& devices) {
    std::vector<std::string> names;
    for (const NodeDevice& device : devices) names.push_back(device.network_namespace);
    return names;
  }

  std::string handle(const FaultRequest& request) {
    Result<Fault> fault = fail(ErrorCode::unavailable, "the emulator is stopping");
    UnixNanos time;
    (void)door_.run_on_owner([&] {
      time = system_wall_now();
      fault = wan_.set_fault(request, time);
    });
    return fault ? fault_text(*fault, time) : error_text(fault.error(), time);
  }

  std::string handle(const HealRequest& request) {
    Result<std::vector<Fault>> healed = fail(ErrorCode::unavailable, "the emulator is stopping");
    UnixNanos time;
    (void)door_.run_on_owner([&] {
      time = system_wall_now();
      healed = wan_.heal(request, time);
    });
    return healed ? healed_text(*healed, time) : error_text(healed.error(), time);
  }

  std::string handle(const StatusRequest& request) {
    LabSnapshot snapshot;
    (void)door_.run_on_owner([&] {
      snapshot = {system_wall_now(), emulator_->health(), wan_.counters(), wan_.in_flight(),
                  wan_.faults().active()};
      if (request.reset) emulator_->reset_lateness();
    });
    around_.ledger_records = ledger_->written();
    around_.ledger_lost = ledger_->lost();
    around_.ledger_failed = ledger_->write_failed();
    return status_text(topology_, snapshot, around_);
  }

  std::string handle(const LinksRequest&) {
    SettingsInForce settings;
    std::vector<PairCounters> counters;
    (void)door_.run_on_owner([&] {
      settings = wan_.settings();
      counters = wan_.pair_counters();
    });
    return links_text(topology_, system_wall_now(), settings, counters);
  }

  std::string handle(const FlushRequest&) {
    if (ledger_->flush()) return fmt::format(R"({{"ok":true,"time_ns":{}}})", system_wall_now().ns);
    return error_text({ErrorCode::timeout, "the ledger file did not take all records"},
                      system_wall_now());
  }

  Topology topology_;
  std::vector<NodeDevice> devices_;
  std::vector<std::string> namespaces_;
  std::unique_ptr<LedgerFile> ledger_;
  Wan wan_;
  LoadMeter meter_;
  ThreadDoor door_;
  LabSurroundings around_;
  bool locked_ = false;
  std::unique_ptr<Emulator> emulator_;
};

// Removes the run's namespaces when the session in it is gone.
class NamespaceRemoval {
 public:
  explicit NamespaceRemoval(const RunLock& lock) : lock_(lock) {}
  ~NamespaceRemoval() { lock_.remove_namespaces(); }
  NamespaceRemoval(const NamespaceRemoval&) = delete;
  NamespaceRemoval& operator=(const NamespaceRemoval&) = delete;

 private:
  const RunLock& lock_;
};

}  // namespace

Status run_lab(const RunOptions& options) {
  Result<Topology> topology = read_topology(options.topology);
  if (!topology) return fail(topology.error());
  const UniqueFd signals = watch_signals();
  Result<RunLock> lock = RunLock::take(options.prefix);
  if (!lock) return fail(lock.error());
  if (lock->leftovers() > 0) {
    fmt::print(stderr, "linkpilot-lab: removed {} namespaces that an earlier run of \"{}\" left\n",
               lock->leftovers(), options.prefix);
  }
  Result<ControlServer> control = ControlServer::listen(options.control);
  if (!control) return fail(control.error());
  Result<std::unique_ptr<LedgerFile>> ledger =
      LedgerFile::create(options.ledger, *topology, options.seed, system_wall_now());
  if (!ledger) return fail(ledger.error());
  Result<std::vector<NodeDevice>> devices = make_devices(*lock, *topology);
  if (!devices) return fail(devices.error());
  const NamespaceRemoval removal(*lock);
  Session session(*std::move(topology), options, *std::move(devices), *std::move(ledger));
  fmt::print("{}\n", session.ready_line());
  std::fflush(stdout);

  const auto answer = [&session](std::string_view line) { return session.answer(line); };
  SystemClock clock;
  MonoTime next = clock.now().mono + kPeriod;
  while (true) {
    const Duration wait = std::max(next - clock.now().mono, Duration{});
    if (control->serve(wait, signals.get(), answer)) break;
    if (clock.now().mono < next) continue;
    session.note_device_drops();
    next = clock.now().mono + kPeriod;
  }
  return {};
}

Result<std::size_t> clean_lab(const std::string& prefix) {
  Result<RunLock> lock = RunLock::take(prefix);
  if (!lock) return fail(lock.error());
  return lock->leftovers();
}

}  // namespace linkpilot::lab
