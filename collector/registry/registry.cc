#include "collector/registry/registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/fleet.h"

namespace linkpilot::collector {

Registry::Registry(std::vector<RegistryEntry> known) {
  for (RegistryEntry& entry : known) {
    entry.enrolled = false;  // the directory decides
    by_name_[entry.name] = entry.id;
    entries_[entry.id] = std::move(entry);
  }
}

std::vector<RegistryChange> Registry::apply(std::vector<KeyFile> files, UnixNanos now) {
  std::vector<RegistryChange> changes;
  std::sort(files.begin(), files.end(),
            [](const KeyFile& a, const KeyFile& b) { return a.name < b.name; });

  std::unordered_map<std::string, NodeId> keys;
  std::size_t enrolled = 0;
  std::map<std::string, std::string> refusals;
  const auto holder = [&keys](const KeyFile& file) {
    for (const std::string& key : {file.public_key, file.next_key}) {
      const auto found = keys.find(key);
      if (found != keys.end()) return found->second;
    }
    return NodeId{};
  };
  for (const KeyFile& file : files) {
    std::string reason;
    if (!is_valid_node_name(file.name)) {
      reason = fmt::format("\"{}\" is not a node name: use lower-case letters, digits and '-'",
                           file.name);
    } else if (const NodeId held = holder(file); held != NodeId{}) {
      reason = fmt::format("its key is already enrolled as {}", entries_.at(held).name);
    } else if (enrolled >= kFleetNodesMax) {
      reason = fmt::format("the fleet is full ({} nodes)", kFleetNodesMax);
    } else if (entry_of(file.name) == nullptr && next_id() == NodeId{}) {
      reason = "all node numbers have been used";
    }
    if (!reason.empty()) {
      refusals[file.name] = reason;
      const auto told = refusals_.find(file.name);
      if (told == refusals_.end() || told->second != reason) {
        RegistryEntry named;
        named.name = file.name;
        changes.push_back({RegistryChange::Kind::refused, std::move(named), std::move(reason)});
      }
      continue;
    }

    RegistryEntry* entry = entry_of(file.name);
    if (entry == nullptr) {
      const NodeId id = next_id();
      entry = &entries_[id];
      *entry = {id, file.name, file.public_key, now, true, file.next_key};
      by_name_[file.name] = id;
      changes.push_back({RegistryChange::Kind::enrolled, *entry, ""});
    } else if (!entry->enrolled) {
      entry->enrolled = true;
      entry->public_key = file.public_key;
      entry->next_key = file.next_key;
      changes.push_back({RegistryChange::Kind::enrolled, *entry, ""});
    } else if (entry->public_key != file.public_key || entry->next_key != file.next_key) {
      entry->public_key = file.public_key;
      entry->next_key = file.next_key;
      changes.push_back({RegistryChange::Kind::rekeyed, *entry, ""});
    }
    keys[file.public_key] = entry->id;
    if (!file.next_key.empty()) keys[file.next_key] = entry->id;
    ++enrolled;
  }

  for (auto& [id, entry] : entries_) {
    if (!entry.enrolled) continue;
    const auto held = keys.find(entry.public_key);
    if (held != keys.end() && held->second == id) continue;
    entry.enrolled = false;
    entry.next_key.clear();
    changes.push_back({RegistryChange::Kind::revoked, entry, ""});
  }
  by_key_ = std::move(keys);
  enrolled_ = enrolled;
  refusals_ = std::move(refusals);
  return changes;
}

RegistryEntry* Registry::entry_of(const std::string& name) {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &entries_.at(found->second);
}

// Zero when the numbers are used up: they are never given twice.
NodeId Registry::next_id() const {
  if (entries_.empty()) return NodeId{1};
  const std::uint16_t last = entries_.rbegin()->first.value;
  return last == 0xffff ? NodeId{} : NodeId{static_cast<std::uint16_t>(last + 1)};
}

const RegistryEntry* Registry::find_key(const std::string& public_key) const {
  const auto found = by_key_.find(public_key);
  return found == by_key_.end() ? nullptr : find(found->second);
}

const RegistryEntry* Registry::find_name(std::string_view name) const {
  const auto found = by_name_.find(std::string(name));
  return found == by_name_.end() ? nullptr : find(found->second);
}

const RegistryEntry* Registry::find(NodeId id) const {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : &found->second;
}

namespace {

// Levenshtein, 1966: insertions, deletions and substitutions.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t substituted = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({substituted, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

std::vector<std::string> near_names(std::string_view name, const std::vector<std::string>& known) {
  constexpr std::size_t kNear = 3;
  name = name.substr(0, kNodeNameLengthMax);
  const std::size_t distance_max = std::max<std::size_t>(2, name.size() / 3);
  std::vector<std::pair<std::size_t, std::string>> ranked;
  for (const std::string& candidate : known) {
    const bool contains = !name.empty() && candidate.find(name) != std::string::npos;
    const std::size_t distance = contains ? 1 : edit_distance(name, candidate);
    if (distance <= distance_max) ranked.emplace_back(distance, candidate);
  }
  std::sort(ranked.begin(), ranked.end());
  std::vector<std::string> near;
  for (auto& [distance, candidate] : ranked) {
    if (near.size() == kNear) break;
    near.push_back(std::move(candidate));
  }
  return near;
}

}  // namespace linkpilot::collector
