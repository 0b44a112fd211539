#include "tools/lab/machine_load.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>

namespace linkpilot::lab {
namespace {

std::optional<std::uint64_t> inode_of(const std::string& path) {
  struct stat entry{};
  if (::stat(path.c_str(), &entry) != 0) return std::nullopt;
  return entry.st_ino;
}

// user + system jiffies of a process: fields 14 and 15, counted after the last ')' of the name.
std::optional<std::uint64_t> process_jiffies(int pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  std::size_t at = line.rfind(')');
  if (at == std::string::npos) return std::nullopt;
  std::uint64_t user = 0;
  std::uint64_t system = 0;
  for (int field = 3; field <= 15; ++field) {
    at = line.find(' ', at + 1);
    if (at == std::string::npos) return std::nullopt;
    if (field < 14) continue;
    const char* begin = line.data() + at + 1;
    std::from_chars(begin, line.data() + line.size(), field == 14 ? user : system);
  }
  return user + system;
}

}  // namespace

LoadMeter::LoadMeter(const std::vector<std::string>& namespaces) {
  for (const std::string& name : namespaces) {
    if (const auto inode = inode_of("/run/netns/" + name)) namespace_inodes_.push_back(*inode);
  }
  before_ = read();
  when_ = SystemClock().now().mono;
}

LoadMeter::Jiffies LoadMeter::read() {
  Jiffies jiffies;
  std::ifstream file("/proc/stat");
  std::string cpu;
  std::uint64_t user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, softirq = 0;
  file >> cpu >> user >> nice >> system >> idle >> wait >> irq >> softirq >> jiffies.steal;
  jiffies.busy = user + nice + system + irq + softirq;
  jiffies.own = process_jiffies(::getpid()).value_or(0);
  std::map<int, std::uint64_t> seen;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename().string();
    int pid = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), pid).ec != std::errc()) continue;
    const auto inode = inode_of("/proc/" + name + "/ns/net");
    if (!inode || std::ranges::find(namespace_inodes_, *inode) == namespace_inodes_.end()) continue;
    if (const auto used = process_jiffies(pid)) {
      const auto old = node_processes_.find(pid);
      const std::uint64_t base = old == node_processes_.end() ? 0 : old->second;
      nodes_total_ += *used > base ? *used - base : 0;
      seen[pid] = *used;
    }
  }
  node_processes_ = std::move(seen);
  jiffies.nodes = nodes_total_;
  return jiffies;
}

MachineLoad LoadMeter::measure(MonoTime now) {
  const Jiffies after = read();
  const double seconds = std::max(static_cast<double>((now - when_).count()) * 1e-9, 1e-3);
  const auto percent = [seconds](std::uint64_t from, std::uint64_t to) {
    return to > from ? static_cast<double>(to - from) / seconds
                     : 0.0;  // a jiffy is 1 % of a second
  };
  MachineLoad load;
  load.cores = static_cast<int>(std::thread::hardware_concurrency());
  load.own_percent = percent(before_.own, after.own);
  load.nodes_percent = percent(before_.nodes, after.nodes);
  load.steal_percent = percent(before_.steal, after.steal);
  load.foreign_percent =
      std::max(0.0, percent(before_.busy, after.busy) - load.own_percent - load.nodes_percent);
  before_ = after;
  when_ = now;
  return load;
}

}  // namespace linkpilot::lab
