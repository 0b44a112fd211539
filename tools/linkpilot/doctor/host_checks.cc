#include <fmt/format.h>

#include <algorithm>

#include "tools/linkpilot/doctor/checks.h"

namespace linkpilot::cli {

std::string_view to_string(Health health) {
  switch (health) {
    case Health::ok:
      return "ok";
    case Health::warn:
      return "warn";
    case Health::bad:
      return "bad";
  }
  return "?";
}

Health Examination::worst() const {
  Health worst = Health::ok;
  for (const Finding& finding : findings) worst = std::max(worst, finding.health);
  return worst;
}

namespace {

constexpr Duration kClockErrorMax = std::chrono::milliseconds(100);
// The agent asks for this much (prober/stamp/stamp_socket.h); less loses packets in bursts.
constexpr std::uint64_t kReceiveBuffer = std::uint64_t{4} << 20;
constexpr std::uint64_t kInodesMin = 1'000;
constexpr Duration kMetricsAgeMax = std::chrono::seconds(60);
constexpr double kDropShare = 1e-5;

double milliseconds(Duration duration) { return static_cast<double>(duration.count()) * 1e-6; }

void check_clock(const HostFacts& facts, Examination& out) {
  if (!facts.clock) return;
  if (!facts.clock->synchronised) {
    out.add(
        Health::bad, "clock.sync", "the kernel says that the clock is not synchronised",
        "one-way delays of this node are not used; reports and tables carry a wrong time, and a "
        "clock more than 30 s off has its samples refused",
        "apt-get install chrony; chronyc makestep; chronyc tracking");
    return;
  }
  const std::string found =
      fmt::format("synchronised, error at most {:.1f} ms, estimated {:.3f} ms",
                  milliseconds(facts.clock->error_max), milliseconds(facts.clock->error_estimate));
  if (facts.clock->error_max > kClockErrorMax) {
    out.add(Health::warn, "clock.sync", found,
            "one-way delays are used only as far as the error allows",
            "chronyc sources -v; name nearer servers in /etc/chrony/chrony.conf");
  } else {
    out.add(Health::ok, "clock.sync", found);
  }
}

void check_buffers(const HostFacts& facts, Examination& out) {
  if (!facts.rmem_max) return;
  const std::string found = fmt::format("net.core.rmem_max is {}", *facts.rmem_max);
  if (*facts.rmem_max >= kReceiveBuffer) {
    out.add(Health::ok, "kernel.rmem_max", found);
  } else {
    out.add(
        Health::warn, "kernel.rmem_max", found,
        fmt::format("the agent's sockets get less than the {} they ask for, unless it has "
                    "CAP_NET_ADMIN: bursts of probes are lost here and look like loss",
                    kReceiveBuffer),
        fmt::format("echo net.core.rmem_max={} > /etc/sysctl.d/60-linkpilot.conf; sysctl --system",
                    kReceiveBuffer));
  }
  if (!facts.udp_buffer_errors || !facts.udp_received) return;
  const double share = static_cast<double>(*facts.udp_buffer_errors) /
                       std::max(1.0, static_cast<double>(*facts.udp_received));
  const std::string drops = fmt::format("{} of {} UDP packets since boot found a full buffer",
                                        *facts.udp_buffer_errors, *facts.udp_received);
  if (share <= kDropShare) {
    out.add(Health::ok, "kernel.udp_drops", drops);
  } else {
    out.add(
        Health::warn, "kernel.udp_drops", drops,
        "if they were the agent's (linkpilot_agent_receive_queue_drops_total tells), they count "
        "as loss that is not there",
        "ss -uamn | grep -B1 ' d[1-9]'   # which sockets; then raise net.core.rmem_max");
  }
}

void check_stamps(const PortFacts& port, const std::string& name, Examination& out) {
  if (!port.receive_stamped) return;
  if (*port.receive_stamped && port.transmit_stamped.value_or(false)) {
    if (port.driver_stamps.value_or(true)) {
      out.add(Health::ok, "port.timestamps", fmt::format("{}: the kernel stamps packets", name));
    } else {
      out.add(
          Health::warn, "port.timestamps",
          fmt::format("{}: the driver of {} gives no transmit timestamps", name,
                      port.interface_name),
          "round trips hold the time a probe waits in this host, some tens of microseconds",
          fmt::format("ethtool -T {}   # a newer driver, or live with it", port.interface_name));
    }
    return;
  }
  out.add(Health::warn, "port.timestamps",
          fmt::format("{}: the kernel gives no {} timestamps", name,
                      *port.receive_stamped ? "transmit" : "receive"),
          "round trips hold the time until the agent reads its socket, up to its tick of 5 ms",
          "uname -r   # Linux 4.13 or later; containers: gVisor and the like cannot");
}

void check_port(const PortFacts& port, const HostFacts& facts, Examination& out) {
  const std::string name = fmt::format("udp {} port {}", port.address, port.port);
  switch (port.use) {
    case PortUse::in_use:
      out.add(Health::ok, "port.open", name + " is bound");
      break;
    case PortUse::free:
      out.add(Health::warn, "port.open", name + " is free: no agent listens",
              "peers measure nothing towards this node", "systemctl start linkpilot-agent");
      break;
    case PortUse::not_ours:
      out.add(Health::bad, "port.open", name + ": no interface has this address",
              "the agent cannot start", "ip -brief address   # then mend [[ports]] listen");
      return;
    case PortUse::no_right:
      out.add(Health::ok, "port.open",
              fmt::format("{} is below {}: only root or CAP_NET_BIND_SERVICE may bind it, so "
                          "whether it is free was not tried",
                          name, facts.unprivileged_port_start.value_or(1024)));
      break;
    case PortUse::unknown:
      out.add(Health::warn, "port.open", name + ": " + port.reason);
      break;
  }
  check_stamps(port, name, out);
  if (port.interface_name.empty()) return;
  const double lost = static_cast<double>(port.rx_dropped + port.rx_errors);
  const std::string drops =
      fmt::format("{}: {} packets dropped, {} with errors, of {}", port.interface_name,
                  port.rx_dropped, port.rx_errors, port.rx_packets);
  if (lost <= kDropShare * static_cast<double>(port.rx_packets) + 10) {
    out.add(Health::ok, "nic.drops", drops);
  } else {
    out.add(
        Health::warn, "nic.drops", drops, "packets are lost in this host; media loses them as well",
        fmt::format("ethtool -S {0} | grep -i drop; ethtool -g {0}   # larger rings: ethtool -G",
                    port.interface_name));
  }
}

void check_file(const FileFacts& file, Examination& out) {
  if (!file.error.empty()) return;  // among the unseen
  if (!file.exists) {
    out.add(Health::bad, "file.present", fmt::format("{} is not there: {}", file.what, file.path),
            "the program does not start without it",
            file.secret ? "see linkpilot keys new --help, or restore a backup"
                        : "copy it from the collector");
  } else if (file.secret && (file.mode & 077U) != 0) {
    out.add(Health::bad, "file.mode",
            fmt::format("{} can be read by others: {} has mode {:04o}", file.what, file.path,
                        file.mode),
            "whoever reads it can act in its name; the program refuses it",
            "chmod 600 " + file.path);
  } else {
    out.add(Health::ok, "file.present", fmt::format("{}: {}", file.what, file.path));
  }
}

void check_disk(const DiskFacts& disk, Examination& out) {
  if (!disk.error.empty()) return;
  const std::string found =
      fmt::format("{} ({}): {} MiB free, {} MiB may still be wanted", disk.what, disk.path,
                  disk.free_octets >> 20, disk.wanted >> 20);
  if (disk.free_octets < std::min<std::uint64_t>(disk.wanted, std::uint64_t{16} << 20)) {
    out.add(Health::bad, "disk.room", found, "reports are about to be refused by the disk",
            "df -h " + disk.path + "   # free some, or lower size_max");
  } else if (disk.free_octets < disk.wanted) {
    out.add(Health::warn, "disk.room", found,
            "the disk is full before size_max is reached: older data is not deleted in time",
            "df -h " + disk.path + "   # free some, or lower size_max");
  } else {
    out.add(Health::ok, "disk.room", found);
  }
  if (disk.counts_inodes && disk.free_inodes < kInodesMin) {
    out.add(Health::bad, "disk.inodes",
            fmt::format("{}: {} inodes are free", disk.path, disk.free_inodes),
            "no new file can be made: spool segments, tables", "df -i " + disk.path);
  }
}

double value(const MetricValues& metrics, const std::string& name) {
  const auto found = metrics.find(name);
  return found == metrics.end() ? 0 : found->second;
}

// A counter or state of metrics.prom that ought to be zero.
struct AgentSign {
  const char* metric;
  Health health;
  const char* check;
  const char* what;
  const char* meaning;
  const char* fix;
};
constexpr AgentSign kAgentSigns[] = {
    {"linkpilot_agent_table_state{state=\"expired\"}", Health::bad, "agent.table",
     "the route table is past its hard expiry", "look-ups answer with direct paths only",
     "linkpilot status   # on the collector's host: why no table comes"},
    {"linkpilot_agent_table_state{state=\"stale\"}", Health::warn, "agent.table",
     "the route table is past its soft expiry", "it serves on, and expires when the hard one comes",
     "linkpilot status   # on the collector's host"},
    {"linkpilot_agent_plan_state{state=\"stale\"}", Health::warn, "agent.plan",
     "the collector was not heard for the plan's lifetime", "only first hops are probed",
     "linkpilot status   # on the collector's host"},
    {"linkpilot_agent_spool_dropped_reports_total", Health::warn, "agent.spool",
     "reports were dropped", "a part of the history is lost",
     "raise [spool] size_max, or look at why the collector does not acknowledge"},
    {"linkpilot_agent_spool_failures_total", Health::warn, "agent.spool_disk",
     "writes to the spool failed", "reports were kept in memory meanwhile",
     "dmesg | tail; df -h /var/lib/linkpilot"},
    {"linkpilot_agent_timestamps_missing_total", Health::warn, "agent.timestamps",
     "packets came without a kernel timestamp", "their round trips hold the agent's own delay",
     "linkpilot doctor   # see port.timestamps"},
    {"linkpilot_agent_receive_queue_drops_total", Health::warn, "agent.receive_queue",
     "the kernel dropped packets because the agent's buffer was full",
     "they count as loss that is not there", "sysctl -w net.core.rmem_max=4194304, then a restart"},
    {"linkpilot_agent_links_capped", Health::warn, "agent.ceilings",
     "links are measured slower than asked", "their trouble is found later",
     "raise probes_per_second_max or interval_min of [probing] in agent.toml"},
    {"linkpilot_agent_clock_steps_total", Health::warn, "agent.clock_steps",
     "the wall clock was stepped while the agent ran", "one-way delays around it were wrong",
     "chronyc tracking; let chrony slew: makestep 1 3"}};

void check_agent(const HostConfigs& configs, const HostFacts& facts, Examination& out) {
  if (!facts.agent_metrics) {
    out.add(Health::warn, "agent.figures", "no figures: " + facts.agent_metrics_error,
            "the agent never ran here, or another user's files cannot be read",
            "systemctl status linkpilot-agent; journalctl -u linkpilot-agent -n 50");
    return;
  }
  const MetricValues& metrics = *facts.agent_metrics;
  const auto age =
      std::chrono::duration_cast<std::chrono::seconds>(facts.agent_metrics_age).count();
  if (facts.agent_metrics_age > kMetricsAgeMax) {
    out.add(Health::bad, "agent.running",
            fmt::format("metrics.prom was last written {} s ago", age),
            "the agent does not run, or hangs, or its disk refuses",
            "systemctl status linkpilot-agent; journalctl -u linkpilot-agent -n 50");
    return;
  }
  out.add(Health::ok, "agent.running", fmt::format("it wrote metrics.prom {} s ago", age));
  if (value(metrics, "linkpilot_agent_online") == 0) {
    out.add(
        Health::bad, "agent.online", "the agent is not connected to a collector",
        "reports wait in the spool; the last table serves until it expires",
        fmt::format("nc -vz COLLECTOR PORT   # of [collector] connect = \"{}\"; linkpilot agent "
                    "refused on its host",
                    configs.agent->collectors.empty() ? "" : configs.agent->collectors.front()));
  } else {
    out.add(Health::ok, "agent.online", "connected to a collector");
  }
  if (value(metrics, "linkpilot_agent_spool_disk_ok") == 0) {
    out.add(Health::bad, "agent.spool_disk", "the disk refuses the spool",
            "reports are kept in 1 MiB of memory only", "df -h /var/lib/linkpilot; dmesg | tail");
  }
  for (const AgentSign& sign : kAgentSigns) {
    const double seen = value(metrics, sign.metric);
    if (seen > 0) {
      out.add(sign.health, sign.check, fmt::format("{} ({:.0f})", sign.what, seen), sign.meaning,
              sign.fix);
    }
  }
  out.add(Health::ok, "agent.table_age",
          fmt::format("the route table is {:.0f} s old, {:.0f} reports wait in the spool",
                      value(metrics, "linkpilot_agent_table_age_seconds"),
                      value(metrics, "linkpilot_agent_spool_reports")));
}

// "tcp://192.0.2.1:7100" as address and port; port 0: none is named.
std::pair<std::string, std::uint16_t> endpoint_parts(const std::string& text) {
  const std::size_t scheme = text.find("://");
  const std::string rest = scheme == std::string::npos ? text : text.substr(scheme + 3);
  const std::size_t colon = rest.rfind(':');
  if (colon == std::string::npos) return {rest, 0};
  const auto port = whole_number(rest.substr(colon + 1)).value_or(0);
  return {rest.substr(0, colon), static_cast<std::uint16_t>(port <= 0xffff ? port : 0)};
}

// The same of a URL, whose scheme knows a port.
std::pair<std::string, std::uint16_t> url_parts(const std::string& url) {
  const std::size_t begin = url.find("://");
  if (begin == std::string::npos) return {url, 0};
  const std::string authority = url.substr(begin + 3, url.find('/', begin + 3) - begin - 3);
  auto [address, port] = endpoint_parts(authority);
  if (port == 0) port = url.starts_with("https:") ? 443 : 80;
  return {address, port};
}

}  // namespace

std::vector<OpenPort> open_ports(const HostConfigs& configs) {
  std::vector<OpenPort> ports;
  if (configs.agent) {
    for (const Port& port : configs.agent->self.ports) {
      ports.push_back({"in", "udp", port.listen.to_string(), port.stamp_port, "every other node",
                       "probes (STAMP) of peers"});
      ports.push_back({"out", "udp", "any", port.stamp_port, "every other node",
                       "probes to peers; the port is theirs"});
    }
    for (const std::string& collector : configs.agent->collectors) {
      const auto [address, port] = endpoint_parts(collector);
      ports.push_back({"out", "tcp", address, port, "the collector", "reports, plans, tables"});
    }
  }
  if (configs.collector) {
    for (const std::string& listen :
         {configs.collector->listen.agents, configs.collector->listen.agents_next}) {
      if (listen.empty()) continue;
      const auto [address, port] = endpoint_parts(listen);
      ports.push_back(
          {"in", "tcp", address, port, "every agent", "reports, plans, tables (CURVE)"});
    }
    if (!configs.collector->listen.http.empty()) {
      const auto [address, port] = endpoint_parts(configs.collector->listen.http);
      ports.push_back({"in", "tcp", address, port, "operators, Prometheus",
                       "HTTP API and /metrics; reading needs no token: keep it closed outside"});
    }
    if (!configs.collector->mail.server.empty()) {
      const auto [address, port] = endpoint_parts(configs.collector->mail.server);
      ports.push_back({"out", "tcp", address, port, "the mail server", "faults by mail"});
    }
    if (!configs.collector->alerts.url.empty()) {
      const auto [address, port] = url_parts(configs.collector->alerts.url);
      ports.push_back({"out", "tcp", address, port, "the Alertmanager", "faults as alerts"});
    }
    if (!configs.collector->webhook.url.empty()) {
      const auto [address, port] = url_parts(configs.collector->webhook.url);
      ports.push_back({"out", "tcp", address, port, "the webhook", "faults as JSON"});
    }
  }
  return ports;
}

Examination examine_host(const HostConfigs& configs, const HostFacts& facts) {
  Examination out;
  out.unseen = facts.unseen;
  if (!configs.agent_problem.empty()) {
    out.add(Health::bad, "config.agent", configs.agent_problem, "the agent does not start with it",
            "linkpilot config check " + configs.agent_file);
  }
  if (!configs.collector_problem.empty()) {
    out.add(Health::bad, "config.collector", configs.collector_problem,
            "the collector does not start with it",
            "linkpilot config check " + configs.collector_file);
  }
  if (!configs.agent && !configs.collector && out.findings.empty()) {
    out.add(Health::warn, "config.found",
            fmt::format("neither {} nor {} is here", configs.agent_file, configs.collector_file),
            "only what concerns the kernel was looked at",
            "linkpilot doctor --agent-config FILE --collector-config FILE");
  }
  check_clock(facts, out);
  check_buffers(facts, out);
  for (const PortFacts& port : facts.stamp_ports) check_port(port, facts, out);
  for (const FileFacts& file : facts.files) check_file(file, out);
  for (const DiskFacts& disk : facts.disks) check_disk(disk, out);
  if (configs.agent) check_agent(configs, facts, out);
  out.ports = open_ports(configs);
  return out;
}

}  // namespace linkpilot::cli
