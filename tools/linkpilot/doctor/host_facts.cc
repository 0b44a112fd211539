#include "tools/linkpilot/doctor/host_facts.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/runtime/files.h"
#include "tools/linkpilot/doctor/port_facts.h"

namespace linkpilot::cli {

namespace {

constexpr std::size_t kTextMax = std::size_t{4} << 20;

std::optional<std::string> text_of(const std::string& path) {
  const auto bytes = read_file(path, kTextMax);
  if (!bytes) return std::nullopt;
  return std::string(bytes->begin(), bytes->end());
}

std::optional<std::uint64_t> number_of(const std::string& path) {
  const std::optional<std::string> text = text_of(path);
  return text ? whole_number(*text) : std::nullopt;
}

// Reading it needs no right; only setting does.
std::optional<ClockFacts> read_clock() {
  struct timex clock{};
  const int state = ::adjtimex(&clock);
  if (state < 0) return std::nullopt;
  ClockFacts facts;
  facts.synchronised = state != TIME_ERROR && (clock.status & STA_UNSYNC) == 0;
  facts.error_max = std::chrono::microseconds(clock.maxerror);
  facts.error_estimate = std::chrono::microseconds(clock.esterror);
  return facts;
}

FileFacts look_at(const std::string& path, std::string what, bool secret) {
  FileFacts facts{path, std::move(what), secret, false, 0, ""};
  struct stat found{};
  if (::stat(path.c_str(), &found) == 0) {
    facts.exists = true;
    facts.mode = found.st_mode & 07777;
  } else if (errno != ENOENT) {
    facts.error = std::strerror(errno);
  }
  return facts;
}

std::uint64_t octets_beneath(const std::string& path) {
  std::uint64_t octets = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator at(path, error), end; !error && at != end;
       at.increment(error)) {
    struct stat found{};
    if (::stat(at->path().c_str(), &found) == 0 && S_ISREG(found.st_mode)) {
      octets += static_cast<std::uint64_t>(found.st_blocks) * 512;
    }
  }
  return octets;
}

DiskFacts look_at_disk(const std::string& path, std::string what, std::uint64_t bound,
                       std::uint64_t used) {
  DiskFacts facts;
  facts.path = path;
  facts.what = std::move(what);
  facts.wanted = bound > used ? bound - used : 0;
  struct statvfs disk{};
  if (::statvfs(path.c_str(), &disk) != 0) {
    facts.error = std::strerror(errno);
    return facts;
  }
  facts.free_octets = std::uint64_t{disk.f_bavail} * disk.f_frsize;
  facts.free_inodes = disk.f_favail;
  facts.counts_inodes = disk.f_files > 0;
  return facts;
}

void read_agent(const agent::AgentConfig& config, HostFacts& facts) {
  facts.files.push_back(look_at(config.key_file, "the agent's secret key", true));
  for (const std::string& file : config.collector_key_files) {
    if (file.find('/') == std::string::npos) continue;  // the key itself
    facts.files.push_back(look_at(file, "the collector's public key", false));
  }
  for (const std::string& file : config.signer_files) {
    if (file.find('/') == std::string::npos) continue;
    facts.files.push_back(look_at(file, "the public key that tables are signed with", false));
  }
  facts.disks.push_back(look_at_disk(config.state_directory, "the agent's state directory",
                                     config.spool.size_max.value,
                                     octets_beneath(config.state_directory + "/spool")));
  for (const Port& port : config.self.ports) facts.stamp_ports.push_back(look_at_port(port));
  const std::string page = config.state_directory + "/metrics.prom";
  struct stat found{};
  if (const auto text = text_of(page); text && ::stat(page.c_str(), &found) == 0) {
    facts.agent_metrics = parse_metrics(*text);
    const UnixNanos written{std::int64_t{found.st_mtim.tv_sec} * 1'000'000'000 +
                            found.st_mtim.tv_nsec};
    facts.agent_metrics_age = SystemClock().now().wall - written;
  } else {
    facts.agent_metrics_error = page + ": " + std::strerror(errno);
  }
}

void read_collector(const collector::CollectorConfig& config, HostFacts& facts) {
  facts.files.push_back(look_at(config.keys.curve_file, "the collector's secret key", true));
  facts.files.push_back(look_at(config.keys.signing_file, "the key that signs tables", true));
  if (config.probing.authenticate) {
    facts.files.push_back(look_at(config.keys.probing_file, "the probing secret", true));
  }
  if (!config.api.token_file.empty()) {
    facts.files.push_back(look_at(config.api.token_file, "the API token", true));
  }
  if (!config.mail.password_file.empty()) {
    facts.files.push_back(look_at(config.mail.password_file, "the mail password", true));
  }
  if (!config.webhook.secret_file.empty()) {
    facts.files.push_back(look_at(config.webhook.secret_file, "the webhook's secret", true));
  }
  facts.files.push_back(look_at(config.keys.enrolled_directory, "the enrolled directory", false));
  const std::string folder = std::filesystem::path(config.store.path).parent_path().string();
  facts.disks.push_back(look_at_disk(folder, "the collector's store", config.store.size_max.value,
                                     octets_beneath(config.store.path + "-reports")));
}

}  // namespace

HostConfigs read_configs(const std::string& agent_file, bool agent_needed,
                         const std::string& collector_file, bool collector_needed) {
  HostConfigs out;
  out.agent_file = agent_file;
  out.collector_file = collector_file;
  if (agent_needed || ::access(agent_file.c_str(), F_OK) == 0) {
    Result<agent::AgentConfig> config = agent::load_agent_config(agent_file);
    if (config) {
      out.agent = *std::move(config);
    } else {
      out.agent_problem = config.error().message;
    }
  }
  if (collector_needed || ::access(collector_file.c_str(), F_OK) == 0) {
    Result<collector::CollectorConfig> config = collector::load_config(collector_file);
    if (config) {
      out.collector = *std::move(config);
    } else {
      out.collector_problem = config.error().message;
    }
  }
  return out;
}

HostFacts read_host(const HostConfigs& configs) {
  HostFacts facts;
  struct utsname kernel{};
  if (::uname(&kernel) == 0) {
    facts.kernel = fmt::format("{} {} {}", kernel.sysname, kernel.release, kernel.machine);
  }
  facts.clock = read_clock();
  facts.rmem_max = number_of("/proc/sys/net/core/rmem_max");
  facts.wmem_max = number_of("/proc/sys/net/core/wmem_max");
  facts.unprivileged_port_start = number_of("/proc/sys/net/ipv4/ip_unprivileged_port_start");
  if (const std::optional<std::string> snmp = text_of("/proc/net/snmp")) {
    facts.udp_received = snmp_counter(*snmp, "Udp", "InDatagrams");
    facts.udp_buffer_errors = snmp_counter(*snmp, "Udp", "RcvbufErrors");
  }
  if (configs.agent) read_agent(*configs.agent, facts);
  if (configs.collector) read_collector(*configs.collector, facts);
  const auto unseen = [&](std::string what) { facts.unseen.push_back(std::move(what)); };
  for (const FileFacts& file : facts.files) {
    if (!file.error.empty()) unseen(fmt::format("{} ({}): {}", file.what, file.path, file.error));
  }
  for (const DiskFacts& disk : facts.disks) {
    if (!disk.error.empty()) unseen(fmt::format("{} ({}): {}", disk.what, disk.path, disk.error));
  }
  if (!facts.clock) unseen("the state of the clock (adjtimex)");
  if (!facts.rmem_max) unseen("/proc/sys/net/core/rmem_max");
  return facts;
}

}  // namespace linkpilot::cli
