#include "agent/report/load_reader.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

#include "base/runtime/files.h"

namespace linkpilot::agent {

namespace {

// Takes the next word of `text`; empty at its end.
std::string_view next_word(std::string_view& text) {
  const std::size_t start = text.find_first_not_of(" \t\n");
  if (start == std::string_view::npos) return text = {};
  text.remove_prefix(start);
  const std::string_view word = text.substr(0, text.find_first_of(" \t\n"));
  text.remove_prefix(word.size());
  return word;
}

std::uint64_t number(std::string_view word) {
  std::uint64_t value = 0;
  std::from_chars(word.data(), word.data() + word.size(), value);
  return value;
}

std::string_view next_line(std::string_view& text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(text.size(), line.size() + 1));
  return line;
}

// /proc files have no size: read what comes, up to a bound. Not read_file(): no allocation each
// second beyond this buffer, and a missing file is no error here.
std::string_view read_proc(const char* path, std::array<char, 32'768>& buffer) {
  const UniqueFd fd(::open(path, O_RDONLY | O_CLOEXEC));
  if (!fd) return {};
  std::size_t size = 0;
  while (size < buffer.size()) {
    const ssize_t count = ::read(fd.get(), buffer.data() + size, buffer.size() - size);
    if (count <= 0) break;
    size += static_cast<std::size_t>(count);
  }
  return {buffer.data(), size};
}

std::uint32_t permille(double part, double whole) {
  return whole <= 0 ? 0 : static_cast<std::uint32_t>(std::max(0.0, part) / whole * 1000.0 + 0.5);
}

std::uint64_t since(std::uint64_t before, std::uint64_t after) {
  return after >= before ? after - before : 0;  // an interface may vanish
}

}  // namespace

// proc(5): "cpu user nice system idle iowait irq softirq steal guest guest_nice"; guest is in user.
void parse_proc_stat(std::string_view text, LoadCounters& counters) {
  std::string_view line = next_line(text);
  if (next_word(line) != "cpu") return;
  std::array<std::uint64_t, 8> ticks{};
  for (std::uint64_t& tick : ticks) tick = number(next_word(line));
  std::uint64_t all = 0;
  for (const std::uint64_t tick : ticks) all += tick;
  counters.cpu_all_ticks = all;
  counters.cpu_busy_ticks = all - ticks[3] - ticks[4];
}

void parse_proc_net_dev(std::string_view text, LoadCounters& counters) {
  counters.octets_in = counters.octets_out = 0;
  while (!text.empty()) {
    std::string_view line = next_line(text);
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    std::string_view name = line.substr(0, colon);
    name.remove_prefix(std::min(name.size(), name.find_first_not_of(' ')));
    if (name == "lo") continue;
    line.remove_prefix(colon + 1);
    counters.octets_in += number(next_word(line));
    for (int skipped = 0; skipped < 7; ++skipped) (void)next_word(line);
    counters.octets_out += number(next_word(line));
  }
}

void parse_proc_sockstat(std::string_view text, LoadCounters& counters) {
  while (!text.empty()) {
    std::string_view line = next_line(text);
    if (next_word(line) != "TCP:" || next_word(line) != "inuse") continue;
    counters.connections = static_cast<std::uint32_t>(number(next_word(line)));
  }
}

void parse_proc_statm(std::string_view text, std::uint64_t page_bytes, LoadCounters& counters) {
  (void)next_word(text);
  counters.own_rss_bytes = number(next_word(text)) * page_bytes;
}

NodeLoad load_between(const LoadCounters& before, const LoadCounters& after, Duration elapsed) {
  NodeLoad load;
  const double seconds = static_cast<double>(elapsed.count()) / 1e9;
  load.cpu_permille =
      permille(static_cast<double>(since(before.cpu_busy_ticks, after.cpu_busy_ticks)),
               static_cast<double>(since(before.cpu_all_ticks, after.cpu_all_ticks)));
  const auto rate = [&](std::uint64_t a, std::uint64_t b) {
    return BitsPerSecond{
        seconds <= 0 ? 0
                     : static_cast<std::uint64_t>(static_cast<double>(since(a, b)) * 8 / seconds)};
  };
  load.inbound = rate(before.octets_in, after.octets_in);
  load.outbound = rate(before.octets_out, after.octets_out);
  load.connections = after.connections;
  load.agent_rss_bytes = after.own_rss_bytes;
  load.agent_cpu_permille = permille(static_cast<double>((after.own_cpu - before.own_cpu).count()),
                                     static_cast<double>(elapsed.count()));
  return load;
}

NodeLoad LoadReader::read(MonoTime now) {
  LoadCounters counters;
  std::array<char, 32'768> buffer;
  parse_proc_stat(read_proc("/proc/stat", buffer), counters);
  parse_proc_net_dev(read_proc("/proc/net/dev", buffer), counters);
  parse_proc_sockstat(read_proc("/proc/net/sockstat", buffer), counters);
  parse_proc_statm(read_proc("/proc/self/statm", buffer),
                   static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)), counters);
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) == 0) {
    const auto of = [](const timeval& t) {
      return std::chrono::seconds(t.tv_sec) + std::chrono::microseconds(t.tv_usec);
    };
    counters.own_cpu = of(usage.ru_utime) + of(usage.ru_stime);
  }
  const LoadCounters before = last_.value_or(counters);
  const NodeLoad load = load_between(before, counters, last_ ? now - last_read_ : Duration::zero());
  last_ = counters;
  last_read_ = now;
  return load;
}

}  // namespace linkpilot::agent
