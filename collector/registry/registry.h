// Who belongs to the fleet: the enrolled keys, and the number each node has for ever. Pure: the
// caller reads the directory (enrolled_directory.h) and keeps what `apply` assigns (store/).
//
// A node is known by its name; its number is assigned once and never reused, so an enrolment that
// was withdrawn and comes back has its old number. A key belongs to one name only. While an agent
// changes its key, its file holds two of them and either may connect.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"

namespace linkpilot::collector {

// What a NAME.pub file says.
struct KeyFile {
  std::string name;
  std::string public_key;  // Z85
  std::string next_key{};  // the other one, during a change-over; empty: none
  friend bool operator==(const KeyFile&, const KeyFile&) = default;
};

// A node that was ever enrolled.
struct RegistryEntry {
  NodeId id;
  std::string name;
  std::string public_key;  // the last one
  UnixNanos enrolled_at;   // first time
  bool enrolled = false;   // now
  std::string next_key{};  // during a change-over; not stored, the directory has it
  [[nodiscard]] bool has_key(const std::string& key) const {
    return !key.empty() && (key == public_key || key == next_key);
  }
  friend bool operator==(const RegistryEntry&, const RegistryEntry&) = default;
};

struct RegistryChange {
  enum class Kind : std::uint8_t { enrolled, revoked, rekeyed, refused };
  Kind kind = Kind::refused;
  RegistryEntry entry;  // after the change; id zero when refused
  std::string reason;   // when refused
};

class Registry {
 public:
  // `known` is what the store kept.
  explicit Registry(std::vector<RegistryEntry> known);

  // Makes `files` the whole set of enrolled keys; returns what changed, for the store and the log.
  // The same refusal is returned once, not at every scan.
  [[nodiscard]] std::vector<RegistryChange> apply(std::vector<KeyFile> files, UnixNanos now);

  // Null unless the key is enrolled now.
  [[nodiscard]] const RegistryEntry* find_key(const std::string& public_key) const;
  // Known names, enrolled or not.
  [[nodiscard]] const RegistryEntry* find_name(std::string_view name) const;
  [[nodiscard]] const RegistryEntry* find(NodeId id) const;
  [[nodiscard]] const std::map<NodeId, RegistryEntry>& entries() const { return entries_; }
  [[nodiscard]] std::size_t enrolled_count() const { return enrolled_; }

 private:
  RegistryEntry* entry_of(const std::string& name);
  NodeId next_id() const;

  std::map<NodeId, RegistryEntry> entries_;
  std::unordered_map<std::string, NodeId> by_name_;
  std::unordered_map<std::string, NodeId> by_key_;  // enrolled ones only
  std::size_t enrolled_ = 0;
  std::map<std::string, std::string> refusals_;  // name -> reason, as told last
};

// Names closest to `name`, best first, at most three: for "no node tokio; did you mean tokyo".
[[nodiscard]] std::vector<std::string> near_names(std::string_view name,
                                                  const std::vector<std::string>& known);

}  // namespace linkpilot::collector
