#include "schemas/route_file_codec.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "schemas/route_file_check.h"

namespace linkpilot::schemas {
namespace {

using Octets = std::vector<std::uint8_t>;

static_assert(kRelaysMax + 1 == LP_ROUTE_HOPS_MAX);
static_assert(kCandidatesMax == LP_ROUTE_CANDIDATES_MAX);
static_assert(kPortsPerNodeMax == LP_ROUTE_PORTS_MAX);
static_assert(kNodeNameLengthMax == LP_ROUTE_NAME_LENGTH_MAX);

// The texts of a file, each kept once.
class Strings {
 public:
  lp_route_text add(std::string_view text) {
    if (text.empty()) return {0, 0};
    const auto [at, is_new] =
        offsets_.try_emplace(std::string(text), static_cast<std::uint32_t>(octets_.size()));
    if (is_new) {
      octets_.append(text);
      octets_.push_back('\0');
    }
    return {at->second, static_cast<std::uint32_t>(text.size())};
  }
  [[nodiscard]] const std::string& octets() const { return octets_; }

 private:
  std::string octets_ = std::string(1, '\0');
  std::unordered_map<std::string, std::uint32_t> offsets_;
};

// The records of a file before they are laid out.
struct Records {
  Strings strings;
  std::vector<lp_route_node> nodes;
  std::vector<lp_route_target> targets;
  std::vector<std::uint8_t> pilots;
  std::uint64_t name_seed = 0;
  std::vector<std::uint32_t> numbers;
  std::vector<lp_route_candidate> candidates;
  std::vector<lp_route_dropped> dropped;
};

Status add_nodes(const RouteTable& table, Records& records) {
  std::vector<const NodeName*> sorted;
  for (const NodeName& node : table.nodes) sorted.push_back(&node);
  std::ranges::sort(sorted, {}, [](const NodeName* node) { return node->id; });
  for (const NodeName* node : sorted) {
    if (node->port_addresses.size() > kPortsPerNodeMax) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("node {}: {} ports, at most {}", node->id.value,
                              node->port_addresses.size(), kPortsPerNodeMax));
    }
    lp_route_node record{};
    record.id = node->id.value;
    record.port_count = static_cast<std::uint8_t>(node->port_addresses.size());
    record.name = records.strings.add(node->name);
    record.region = records.strings.add(node->region);
    record.media_base = records.strings.add(node->media_base);
    for (std::size_t port = 0; port < node->port_addresses.size(); ++port) {
      record.addresses[port] = records.strings.add(node->port_addresses[port]);
    }
    records.nodes.push_back(record);
  }
  return {};
}

lp_route_target target_of(const Records& records, std::size_t index) {
  const lp_route_node& node = records.nodes[index];
  lp_route_target target{};
  lp_route_name_words(records.strings.octets().data() + node.name.offset, node.name.length,
                      target.words);
  target.name_offset = node.name.offset;
  target.name_length = static_cast<std::uint16_t>(node.name.length);
  target.node = node.id;
  target.node_index = static_cast<std::uint16_t>(index);
  return target;
}

constexpr std::uint32_t kPilots = 256;
constexpr std::uint64_t kSeedsMax = 4'096;
constexpr std::uint64_t kSeedStep = 0x9e37'79b9'7f4a'7c15;  // 2^64 / golden ratio: all bits change

// The nodes of one bucket, by index and hash.
struct Bucket {
  std::size_t number = 0;
  std::vector<std::pair<std::size_t, std::uint64_t>> names;
};

std::vector<Bucket> make_buckets(const Records& records, std::uint64_t seed) {
  std::vector<Bucket> buckets(records.pilots.size());
  for (std::size_t i = 0; i < buckets.size(); ++i) buckets[i].number = i;
  for (std::size_t i = 0; i < records.nodes.size(); ++i) {
    const lp_route_target target = target_of(records, i);
    const std::uint64_t hash = lp_route_hash(records.strings.octets().data() + target.name_offset,
                                             target.name_length, target.words, seed);
    buckets[lp_route_bucket(hash, static_cast<std::uint32_t>(buckets.size()))].names.emplace_back(
        i, hash);
  }
  // The fullest first, while there is most room.
  std::ranges::stable_sort(buckets, std::ranges::greater{},
                           [](const Bucket& bucket) { return bucket.names.size(); });
  return buckets;
}

// Puts a bucket's names into free slots by the lowest pilot for which none meets another.
bool place(Records& records, const Bucket& bucket) {
  const auto slots = static_cast<std::uint32_t>(records.targets.size());
  for (std::uint32_t pilot = 0; pilot < kPilots; ++pilot) {
    std::size_t placed = 0;
    for (; placed < bucket.names.size(); ++placed) {
      const auto [index, hash] = bucket.names[placed];
      lp_route_target& target = records.targets[lp_route_slot(hash, pilot, slots)];
      if (target.node != 0) break;
      target.node = records.nodes[index].id;
    }
    const bool is_done = placed == bucket.names.size();
    for (std::size_t i = 0; i < placed; ++i) {
      const auto [index, hash] = bucket.names[i];
      const std::uint32_t slot = lp_route_slot(hash, pilot, slots);
      records.targets[slot] = is_done ? target_of(records, index) : lp_route_target{};
      if (is_done) records.numbers[records.nodes[index].id] = slot + 1;
    }
    if (!is_done) continue;
    records.pilots[bucket.number] = static_cast<std::uint8_t>(pilot);
    return true;
  }
  return false;
}

bool has_twins(const Records& records) {
  std::vector<std::uint32_t> names;  // each text is kept once: one offset, one name
  for (const lp_route_node& node : records.nodes) names.push_back(node.name.offset);
  std::ranges::sort(names);
  return std::ranges::adjacent_find(names) != names.end();
}

// The perfect hash of names, and from numbers to its slots. Half of the slots or more stay free and
// a bucket holds two names on average, so one of the first seeds serves; of a handful of names,
// with as few slots, the hundredth may be the first.
Status add_index(Records& records) {
  if (has_twins(records)) return fail(ErrorCode::invalid_argument, "two nodes have one name");
  const std::size_t names = std::max<std::size_t>(records.nodes.size(), 1);
  records.numbers.assign(records.nodes.empty() ? 0 : std::size_t{records.nodes.back().id} + 1, 0);
  for (std::uint64_t tried = 0; tried < kSeedsMax; ++tried) {
    records.name_seed = tried * kSeedStep;
    records.targets.assign(std::bit_ceil(names * 2), lp_route_target{});
    records.pilots.assign(std::bit_ceil((names + 1) / 2), 0);
    const std::vector<Bucket> buckets = make_buckets(records, records.name_seed);
    if (std::ranges::all_of(buckets, [&](const Bucket& bucket) { return place(records, bucket); }))
      return {};
  }
  return fail(ErrorCode::internal, "no seed spreads the names");
}

Result<lp_route_candidate> to_record(const CandidatePath& path) {
  if (path.hops.empty() || path.hops.size() > LP_ROUTE_HOPS_MAX) {
    return fail(ErrorCode::invalid_argument, fmt::format("a path of {} hops", path.hops.size()));
  }
  if (path.delay < Duration::zero()) return fail(ErrorCode::invalid_argument, "a negative delay");
  lp_route_candidate record{};
  for (std::size_t i = 0; i < path.hops.size(); ++i) {
    const Hop& hop = path.hops[i];
    record.hops[i] = {hop.node.value, hop.near_port.value, hop.far_port.value};
  }
  record.hop_count = static_cast<std::uint8_t>(path.hops.size());
  record.flags = path.loop_free ? LP_ROUTE_LOOP_FREE : 0;
  record.delay_ns = static_cast<std::uint64_t>(path.delay.count());
  record.cost_us = path.cost_us;
  return record;
}

Status add_route(const Route& route, Records& records) {
  const NodeId id = route.target;
  if (id.value >= records.numbers.size() || records.numbers[id.value] == 0) {
    return fail(ErrorCode::invalid_argument, "the target is not among the nodes");
  }
  if (route.candidates.empty() || route.candidates.size() > kCandidatesMax) {
    return fail(ErrorCode::invalid_argument, fmt::format("{} candidates", route.candidates.size()));
  }
  if (route.direction == Direction::unspecified) {
    return fail(ErrorCode::invalid_argument, "no direction");
  }
  lp_route_target& target = records.targets[records.numbers[id.value] - 1];
  const bool is_push = route.direction == Direction::push;
  std::uint8_t& count = is_push ? target.push_count : target.pull_count;
  std::uint32_t& first = is_push ? target.push_first : target.pull_first;
  if (count != 0) return fail(ErrorCode::invalid_argument, "a second route of that direction");
  count = static_cast<std::uint8_t>(route.candidates.size());
  first = static_cast<std::uint32_t>(records.candidates.size());
  for (const CandidatePath& path : route.candidates) {
    auto record = to_record(path);
    if (!record) return fail(record.error());
    records.candidates.push_back(*record);
  }
  return {};
}

Status add_routes(const RouteTable& table, Records& records) {
  // By target and then direction: what one look-up reads lies together.
  std::vector<const Route*> sorted;
  for (const Route& route : table.routes) sorted.push_back(&route);
  std::ranges::sort(sorted, {},
                    [](const Route* route) { return std::pair(route->target, route->direction); });
  for (const Route* route : sorted) {
    if (Status status = add_route(*route, records); !status) {
      return fail(status.error().in(
          fmt::format("{} route to node {}", route->direction == Direction::push ? "push" : "pull",
                      route->target.value)));
    }
  }
  return {};
}

void add_dropped(const RouteTable& table, Records& records) {
  std::vector<const DroppedTarget*> sorted;
  for (const DroppedTarget& target : table.dropped) sorted.push_back(&target);
  std::ranges::sort(sorted, {}, [](const DroppedTarget* target) { return target->target; });
  for (const DroppedTarget* target : sorted) {
    lp_route_dropped record{};
    record.node = target->target.value;
    record.reason = records.strings.add(target->reason);
    records.dropped.push_back(record);
  }
}

lp_route_header header_of(const RouteTable& table, std::uint64_t name_seed) {
  lp_route_header header{};
  std::memcpy(header.magic, LP_ROUTE_MAGIC, sizeof header.magic);
  header.format = LP_ROUTE_FORMAT;
  header.node = table.node.value;
  header.epoch = table.version.epoch;
  header.version = table.version.version;
  header.previous_epoch = table.previous.epoch;
  header.previous_version = table.previous.version;
  header.created_ns = table.created.ns;
  header.soft_expiry_ns = table.valid_until_soft.ns;
  header.hard_expiry_ns = table.valid_until_hard.ns;
  header.probe_sent_ns = table.stages.probe_sent.ns;
  header.reported_ns = table.stages.reported.ns;
  header.ingested_ns = table.stages.ingested.ns;
  header.solved_ns = table.stages.solved.ns;
  header.published_ns = table.stages.published.ns;
  header.loaded_ns = table.stages.loaded.ns;
  header.name_seed = name_seed;
  return header;
}

struct Part {
  std::uint32_t kind;
  std::uint32_t record_octets;
  std::size_t count;
  const void* data;
};

Octets lay_out(lp_route_header header, const Records& records) {
  const auto part = [](std::uint32_t kind, const auto& items) {
    return Part{kind, sizeof(*items.data()), items.size(), items.data()};
  };
  const Part parts[] = {
      part(LP_ROUTE_TARGETS, records.targets),
      part(LP_ROUTE_PILOTS, records.pilots),
      part(LP_ROUTE_NUMBERS, records.numbers),
      part(LP_ROUTE_CANDIDATES, records.candidates),
      part(LP_ROUTE_NODES, records.nodes),
      part(LP_ROUTE_DROPPED, records.dropped),
      part(LP_ROUTE_STRINGS, records.strings.octets()),
  };
  const auto align = [](std::size_t at, std::size_t to) { return (at + to - 1) / to * to; };
  std::vector<lp_route_section> sections;
  std::size_t end = sizeof header + std::size(parts) * sizeof(lp_route_section);
  for (const Part& p : parts) {
    const std::size_t offset = align(end, LP_ROUTE_SECTION_ALIGN);
    sections.push_back({p.kind, p.record_octets, offset, p.count});
    end = offset + p.count * p.record_octets;
  }
  Octets file(align(end, 8));
  header.section_count = static_cast<std::uint32_t>(sections.size());
  header.total_octets = file.size();
  std::memcpy(file.data(), &header, sizeof header);
  std::memcpy(file.data() + sizeof header, sections.data(),
              sections.size() * sizeof(lp_route_section));
  for (std::size_t i = 0; i < sections.size(); ++i) {
    if (parts[i].count == 0) continue;
    std::memcpy(file.data() + sections[i].offset, parts[i].data,
                parts[i].count * parts[i].record_octets);
  }
  const std::uint64_t digest = lp_route_digest(file.data(), file.size());
  std::memcpy(file.data() + LP_ROUTE_DIGEST_OFFSET, &digest, sizeof digest);
  return file;
}

std::string text_of(const lp_route_view& view, lp_route_text text) {
  return {view.strings + text.offset, text.length};
}

NodeName node_of(const lp_route_view& view, const lp_route_node& record) {
  NodeName node;
  node.id = NodeId(record.id);
  node.name = text_of(view, record.name);
  node.region = text_of(view, record.region);
  node.media_base = text_of(view, record.media_base);
  for (std::size_t port = 0; port < record.port_count; ++port) {
    node.port_addresses.push_back(text_of(view, record.addresses[port]));
  }
  return node;
}

Route route_of(const lp_route_view& view, const lp_route_target& target, Direction direction) {
  Route route;
  route.target = NodeId(target.node);
  route.direction = direction;
  const bool is_push = direction == Direction::push;
  const std::uint32_t first = is_push ? target.push_first : target.pull_first;
  const std::uint32_t count = is_push ? target.push_count : target.pull_count;
  for (std::uint32_t i = first; i < first + count; ++i) {
    const lp_route_candidate& record = view.candidates[i];
    CandidatePath path;
    for (std::size_t h = 0; h < record.hop_count; ++h) {
      const lp_route_hop& hop = record.hops[h];
      path.hops.push_back({NodeId(hop.node), PortIndex(hop.near_port), PortIndex(hop.far_port)});
    }
    path.delay = Duration(static_cast<std::int64_t>(record.delay_ns));
    path.cost_us = record.cost_us;
    path.loop_free = (record.flags & LP_ROUTE_LOOP_FREE) != 0;
    route.candidates.push_back(std::move(path));
  }
  return route;
}

RouteTable table_of(const lp_route_view& view) {
  const lp_route_header& header = *view.header;
  RouteTable table;
  table.node = NodeId(header.node);
  table.version = {header.epoch, header.version};
  table.previous = {header.previous_epoch, header.previous_version};
  table.created.ns = header.created_ns;
  table.valid_until_soft.ns = header.soft_expiry_ns;
  table.valid_until_hard.ns = header.hard_expiry_ns;
  table.stages = {{header.probe_sent_ns}, {header.reported_ns},  {header.ingested_ns},
                  {header.solved_ns},     {header.published_ns}, {header.loaded_ns}};
  for (std::uint32_t i = 0; i < view.node_count; ++i) {
    table.nodes.push_back(node_of(view, view.nodes[i]));
  }
  for (const Direction direction : {Direction::push, Direction::pull}) {
    for (std::uint32_t i = 0; i < view.node_count; ++i) {
      const lp_route_target& target = view.targets[view.numbers[view.nodes[i].id] - 1];
      Route route = route_of(view, target, direction);
      if (!route.candidates.empty()) table.routes.push_back(std::move(route));
    }
  }
  for (std::uint32_t i = 0; i < view.dropped_count; ++i) {
    table.dropped.push_back({NodeId(view.dropped[i].node), text_of(view, view.dropped[i].reason)});
  }
  return table;
}

std::string explain(lp_route_verdict verdict) {
  return fmt::format("{} (at {})", lp_route_fault_text(verdict.fault), verdict.at);
}

}  // namespace

Result<Octets> encode_route_file(const RouteTable& table) {
  if (table.nodes.size() > LP_ROUTE_NODES_MAX) {
    return fail(ErrorCode::invalid_argument, fmt::format("{} nodes", table.nodes.size()));
  }
  Records records;
  if (Status status = add_nodes(table, records); !status) return fail(status.error());
  if (Status status = add_index(records); !status) return fail(status.error());
  if (Status status = add_routes(table, records); !status) return fail(status.error());
  add_dropped(table, records);
  Octets file = lay_out(header_of(table, records.name_seed), records);
  lp_route_view view;
  const lp_route_verdict verdict = lp_route_file_check(file.data(), file.size(), &view);
  if (verdict.fault != LP_ROUTE_FAULT_NONE) {
    return fail(ErrorCode::invalid_argument, explain(verdict));
  }
  return file;
}

Result<RouteTable> decode_route_file(std::span<const std::uint8_t> bytes) {
  if (bytes.size() > LP_ROUTE_FILE_OCTETS_MAX + LP_ROUTE_TRAILER_OCTETS) {
    return fail(ErrorCode::limit_exceeded, fmt::format("{} octets", bytes.size()));
  }
  std::vector<std::uint64_t> aligned((bytes.size() + 7) / 8);
  if (!bytes.empty()) std::memcpy(aligned.data(), bytes.data(), bytes.size());
  lp_route_view view;
  const lp_route_verdict verdict = lp_route_file_check(aligned.data(), bytes.size(), &view);
  if (verdict.fault != LP_ROUTE_FAULT_NONE) return fail(ErrorCode::corrupt, explain(verdict));
  return table_of(view);
}

}  // namespace linkpilot::schemas
