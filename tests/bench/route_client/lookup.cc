// The measuring half of the lookup bench: writes a table, looks every target up in random order
// with the result read, then swaps tables under readers. One JSON object on stdout; lookup.py calls
// it.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "agent/route_client/linkpilot_routes.h"
#include "agent/route_client/marks_file.h"
#include "tests/unit/route_client/table_samples.h"

namespace linkpilot {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t kKeys = 1 << 16;  // random draws over all targets: too many to be learnt
constexpr std::int64_t kNow = samples::kCreated.ns + 1;

double nanoseconds_since(SteadyClock::time_point start) {
  return std::chrono::duration<double, std::nano>(SteadyClock::now() - start).count();
}

double percentile(std::vector<double> values, double share) {
  const auto at = static_cast<std::size_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(at), values.end());
  return values[at];
}

// Reads what a caller needs of an answer: the next hop and the delay of the chosen path.
std::uint64_t read_answer(const lpr_route& route) {
  const lpr_path& path = route.paths[route.chosen];
  return path.delay_ns + path.hops[0].node;
}

// One copy of each name, side by side, and a drawn order of 2 octets each: a caller's keys are
// warm, and the bench should not measure how they find their way into the cache.
class Keys {
 public:
  explicit Keys(const RouteTable& table) {
    std::mt19937_64 random(7);
    for (const NodeName& node : table.nodes) {
      if (node.id == table.node) continue;
      offsets_.push_back(static_cast<std::uint32_t>(names_.size()));
      names_.append(node.name).push_back('\0');
    }
    while (order_.size() < kKeys) {
      order_.push_back(static_cast<std::uint16_t>(random() % offsets_.size()));
    }
  }
  [[nodiscard]] const char* operator[](std::size_t i) const {
    return names_.data() + offsets_[order_[i % kKeys]];
  }

 private:
  std::string names_;
  std::vector<std::uint32_t> offsets_;
  std::vector<std::uint16_t> order_;
};

struct Timing {
  double lookup_ns = 0;      // one after another, warm
  double dependent_ns = 0;   // each key chosen by the answer before
  double lookup_ns_p99 = 0;  // timed one by one, the timer's own median taken off
  std::uint64_t checksum = 0;
};

double time_throughput(lpr_reader* reader, const Keys& keys, std::uint64_t& checksum) {
  // Rounds are short beside a time slice, so that the median is of rounds that nobody interrupted.
  constexpr std::size_t kRound = 4096;
  std::vector<double> rounds;
  for (std::size_t round = 0; round < 800; ++round) {
    const auto start = SteadyClock::now();
    for (std::size_t i = round * kRound; i < (round + 1) * kRound; ++i) {
      lpr_route route;
      if (lpr_lookup(reader, LPR_PUSH, keys[i], kNow, &route) == LPR_OK) {
        checksum += read_answer(route);
      }
    }
    rounds.push_back(nanoseconds_since(start) / static_cast<double>(kRound));
  }
  return percentile(rounds, 0.5);
}

double time_dependent(lpr_reader* reader, const Keys& keys, std::uint64_t& checksum) {
  const auto start = SteadyClock::now();
  std::size_t at = 0;
  for (std::size_t i = 0; i < kKeys * 8; ++i) {
    lpr_route route;
    if (lpr_lookup(reader, LPR_PUSH, keys[at], kNow, &route) == LPR_OK) {
      const std::uint64_t answer = read_answer(route);
      checksum += answer;
      at = (at + 1 + (answer & 1)) % kKeys;
    }
  }
  return nanoseconds_since(start) / static_cast<double>(kKeys * 8);
}

double time_singly(lpr_reader* reader, const Keys& keys, std::uint64_t& checksum) {
  std::vector<double> timer;
  std::vector<double> single;
  for (std::size_t i = 0; i < kKeys; ++i) {
    const char* key = keys[i];
    const auto empty = SteadyClock::now();
    timer.push_back(nanoseconds_since(empty));
    const auto start = SteadyClock::now();
    lpr_route route;
    if (lpr_lookup(reader, LPR_PUSH, key, kNow, &route) == LPR_OK) {
      checksum += read_answer(route);
    }
    single.push_back(nanoseconds_since(start));
  }
  return std::max(0.0, percentile(single, 0.99) - percentile(timer, 0.5));
}

struct Swaps {
  std::uint64_t done = 0;
  std::atomic<std::uint64_t> failed{0};
  std::atomic<std::uint64_t> lookups{0};
};

// A look-up fails if it has no answer, an older one than before, or one of no published version.
void look_up_during_swaps(lpr_client* client, const Keys& keys, const std::atomic<bool>& stop,
                          Swaps& swaps) {
  lpr_reader* reader = lpr_reader_new(client);
  std::uint64_t newest = 0;
  std::uint64_t failed = 0;
  std::uint64_t lookups = 0;
  while (!stop.load(std::memory_order_relaxed)) {
    lpr_route route;
    const lpr_status status = lpr_lookup(reader, LPR_PUSH, keys[lookups], kNow, &route);
    ++lookups;
    if (status != LPR_OK || route.version < newest ||
        route.paths[route.chosen].cost_us != route.version) {
      ++failed;
    } else {
      newest = route.version;
    }
  }
  swaps.failed += failed;
  swaps.lookups += lookups;
  lpr_reader_free(reader);
}

samples::Octets body_of_version(const RouteTable& first, std::uint64_t version) {
  RouteTable table = first;
  table.version.version = version;
  for (Route& route : table.routes) {
    for (CandidatePath& path : route.candidates) path.cost_us = version;
  }
  return schemas::encode_route_file(table).value();
}

void swap_under_readers(lpr_client* client, const std::string& path, const RouteTable& table,
                        const Keys& keys, std::uint64_t count, Swaps& swaps) {
  // The first table is replaced before the readers start: its costs say nothing of its version.
  samples::put_file(path, body_of_version(table, 2));
  lpr_poll(client);
  std::atomic<bool> stop{false};
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] { look_up_during_swaps(client, keys, stop, swaps); });
  }
  for (std::uint64_t version = 3; swaps.done < count; ++version) {
    samples::put_file(path, body_of_version(table, version));
    if (lpr_poll(client) != 1) break;
    ++swaps.done;
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
}

double time_open(const std::string& table_path, const std::string& marks_path) {
  std::vector<double> times;
  for (int i = 0; i < 101; ++i) {
    const auto start = SteadyClock::now();
    lpr_client* client = lpr_open(table_path.c_str(), marks_path.c_str(), nullptr);
    times.push_back(nanoseconds_since(start) / 1e6);
    lpr_close(client);
  }
  return percentile(times, 0.5);
}

int run(std::size_t targets, std::uint64_t swap_count) {
  const samples::TemporaryDirectory directory;
  const std::string table_path = directory.file("routes.bin");
  const std::string marks_path = directory.file("marks.bin");
  const RouteTable table = samples::random_table(2026, targets);
  const samples::Octets body = schemas::encode_route_file(table).value();
  samples::put_file(table_path, body);
  const auto marks =
      route_client::MarksFile::open(marks_path, table.node, samples::kCreated).value();
  const Keys keys(table);
  const double open_ms = time_open(table_path, marks_path);
  lpr_client* client = lpr_open(table_path.c_str(), marks_path.c_str(), nullptr);
  if (client == nullptr) return 1;
  lpr_reader* reader = lpr_reader_new(client);
  Timing timing;
  timing.lookup_ns = time_throughput(reader, keys, timing.checksum);
  timing.dependent_ns = time_dependent(reader, keys, timing.checksum);
  timing.lookup_ns_p99 = time_singly(reader, keys, timing.checksum);
  lpr_reader_free(reader);
  Swaps swaps;
  swap_under_readers(client, table_path, table, keys, swap_count, swaps);
  lpr_close(client);
  fmt::print(
      "{{\"lookup_ns\":{:.2f},\"lookup_ns_dependent\":{:.2f},\"lookup_ns_p99\":{:.1f},"
      "\"targets\":{},\"swaps\":{},\"failed\":{},\"lookups_during_swaps\":{},\"open_ms\":{:.4f},"
      "\"table_bytes\":{},\"checksum\":{}}}\n",
      timing.lookup_ns, timing.dependent_ns, timing.lookup_ns_p99, targets, swaps.done,
      swaps.failed.load(), swaps.lookups.load(), open_ms, body.size(), timing.checksum);
  return 0;
}

}  // namespace
}  // namespace linkpilot

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "usage: lookup_bench TARGETS SWAPS\n");
    return 2;
  }
  return linkpilot::run(std::stoul(argv[1]), std::stoul(argv[2]));
}
