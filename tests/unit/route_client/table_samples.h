// Tables for tests of the route libraries: a small one with every feature, and random ones.
#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "base/message.h"
#include "base/route_table.h"
#include "base/runtime/curve_keys.h"
#include "schemas/route_file.h"
#include "schemas/route_file_codec.h"

namespace linkpilot::samples {

using Octets = std::vector<std::uint8_t>;

inline constexpr std::int64_t kSecond = 1'000'000'000;
inline constexpr UnixNanos kCreated{1'700'000'000 * kSecond};
inline constexpr UnixNanos kSoft{1'700'000'060 * kSecond};
inline constexpr UnixNanos kHard{1'700'000'600 * kSecond};

inline NodeName node(std::uint16_t id, std::string name, std::size_t ports = 1) {
  NodeName made;
  made.id = NodeId(id);
  made.name = name;
  made.region = "region-" + name.substr(0, 3);
  made.media_base = "rtmp://" + name + ".example/live";
  for (std::size_t port = 0; port < ports; ++port) {
    made.port_addresses.push_back(fmt::format("192.0.{}.{}", port, id % 250));
  }
  return made;
}

inline Hop hop(std::uint16_t id, std::uint8_t near_port = 0, std::uint8_t far_port = 0) {
  return {NodeId(id), PortIndex(near_port), PortIndex(far_port)};
}

inline CandidatePath path(std::vector<Hop> hops, std::int64_t delay_ms, bool loop_free = false) {
  CandidatePath made;
  made.hops = std::move(hops);
  made.delay = std::chrono::milliseconds(delay_ms);
  made.cost_us = static_cast<std::uint64_t>(delay_ms) * 1'100 + 7;
  made.loop_free = loop_free;
  return made;
}

// Node 1 (ams-1, two ports) and four others; node 5 is dropped and named, node 77 dropped and
// unnamed.
inline RouteTable small_table(std::uint64_t version = 12) {
  RouteTable table;
  table.node = NodeId(1);
  table.version = {3, version};
  table.previous = {3, version - 1};
  table.created = kCreated;
  table.valid_until_soft = kSoft;
  table.valid_until_hard = kHard;
  table.stages.probe_sent = kCreated - Duration(5 * kSecond);
  table.stages.solved = kCreated;
  table.stages.published = kCreated + Duration(1'000'000);
  table.nodes = {node(1, "ams-1", 2), node(2, "fra-1", 2), node(3, "iad-1"),
                 node(4, "singapore-ingest-4"), node(5, "x")};
  const auto route = [](std::uint16_t target, Direction direction,
                        std::vector<CandidatePath> paths) {
    return Route{NodeId(target), direction, std::move(paths)};
  };
  const auto both = [&](Direction d) {
    table.routes.push_back(route(2, d,
                                 {path({hop(2, 0, 1)}, 7, true), path({hop(2, 1, 0)}, 9, true),
                                  path({hop(3), hop(2)}, 80)}));
    table.routes.push_back(route(
        3, d, {path({hop(2, 0, 1), hop(3, 0, 0)}, 40, true), path({hop(3, 1, 0)}, 44, true)}));
    table.routes.push_back(route(4, d,
                                 {path({hop(2, 0, 1), hop(3), hop(4)}, 150),
                                  path({hop(3), hop(4)}, 160, true), path({hop(4)}, 240, true)}));
  };
  both(Direction::push);
  both(Direction::pull);
  table.dropped = {{NodeId(5), "silent for 12 s"}, {NodeId(77), "drained by an operator"}};
  return table;
}

// A table of `targets` nodes besides the first, all reachable both ways. Any seed makes a valid
// one.
inline RouteTable random_table(std::uint64_t seed, std::size_t targets, std::uint64_t version = 1) {
  std::mt19937_64 random(seed);
  const auto below = [&](std::uint64_t n) { return random() % n; };
  RouteTable table;
  table.version = {1, version};
  table.created = kCreated;
  table.valid_until_soft = kSoft;
  table.valid_until_hard = kHard;
  std::uint16_t id = 0;
  for (std::size_t i = 0; i <= targets; ++i) {
    id = static_cast<std::uint16_t>(id + 1 + below(3));
    std::string name =
        fmt::format("{}-{}", std::string("region-of-any-length-at-all").substr(below(26)), id);
    table.nodes.push_back(node(id, std::move(name), 1 + below(kPortsPerNodeMax)));
  }
  const std::size_t self = below(table.nodes.size());
  table.node = table.nodes[self].id;
  const auto any_path = [&](std::size_t target) {
    std::vector<std::size_t> through;
    for (std::size_t relays = below(kRelaysMax + 1); relays > 0; --relays) {
      const std::size_t relay = below(table.nodes.size());
      if (relay != self && relay != target && (through.empty() || through[0] != relay)) {
        through.push_back(relay);
      }
    }
    through.push_back(target);
    CandidatePath made;
    std::size_t from = self;
    for (const std::size_t to : through) {
      const auto any_port = [&](std::size_t n) {
        return static_cast<std::uint8_t>(below(table.nodes[n].port_addresses.size()));
      };
      made.hops.push_back(hop(table.nodes[to].id.value, any_port(from), any_port(to)));
      from = to;
    }
    made.delay = Duration(static_cast<std::int64_t>(below(400'000'000)));
    made.cost_us = 1 + below(500'000);
    made.loop_free = below(2) == 0;
    return made;
  };
  for (const Direction direction : {Direction::push, Direction::pull}) {
    for (std::size_t target = 0; target < table.nodes.size(); ++target) {
      if (target == self) continue;
      Route route{table.nodes[target].id, direction, {}};
      const std::size_t count = 1 + below(kCandidatesMax);
      for (std::size_t i = 0; i < count; ++i) route.candidates.push_back(any_path(target));
      table.routes.push_back(std::move(route));
    }
  }
  return table;
}

inline SignedTable sign_body(const SigningKey& key, Octets body) {
  SignedTable made;
  lp_route_header header;
  std::memcpy(&header, body.data(), sizeof header);
  made.node = NodeId(header.node);
  made.version = {header.epoch, header.version};
  made.signer.assign(key.public_key.begin(), key.public_key.end());
  const Signature signature = sign(key, body);
  made.signature.assign(signature.begin(), signature.end());
  made.body = std::move(body);
  return made;
}

inline SignedTable sign_table(const SigningKey& key, const RouteTable& table) {
  return sign_body(key, schemas::encode_route_file(table).value());
}

// After a body was changed on purpose: the digest fits again, so that later checks are reached.
inline void fix_digest(Octets& body) {
  const std::uint64_t digest = lp_route_digest(body.data(), body.size());
  std::memcpy(body.data() + LP_ROUTE_DIGEST_OFFSET, &digest, sizeof digest);
}

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "lp-routes-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// As every writer must: a new file beside the old one, and a rename.
inline void put_file(const std::string& path, const Octets& bytes) {
  const std::string beside = path + ".new";
  std::ofstream(beside, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  std::filesystem::rename(beside, path);
}

inline Octets get_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace linkpilot::samples
