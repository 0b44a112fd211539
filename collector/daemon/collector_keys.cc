// Who is enrolled, and with which keys: the enrolled directory as it changes, and the operator's
// orders about it.
#include <fmt/format.h>

#include "collector/daemon/collector.h"

namespace linkpilot::collector {

namespace {

HandOutcome done(std::string said, std::vector<std::string> warnings = {}) {
  HandOutcome outcome;
  outcome.done.said = std::move(said);
  outcome.done.warnings = std::move(warnings);
  return outcome;
}

}  // namespace

void Collector::on_scan(Result<DirectoryScan> scan) {
  const std::string error = scan ? "" : scan.error().message;
  if (error != scan_error_) {
    scan_error_ = error;
    if (!scan) tell(EventLevel::warn, "enrolled_directory_unreadable", "", error);
  }
  if (!scan) return;  // who was enrolled stays so
  const Now now = clock_.now();
  std::vector<StoredNode> to_store;
  for (RegistryChange& change : registry_.apply(std::move(scan->files), now.wall)) {
    if (change.kind == RegistryChange::Kind::refused) {
      tell(EventLevel::warn, "enrolment_refused", change.entry.name, change.reason);
      continue;
    }
    AgentRecord& agent = agents_[change.entry.id];
    agent.id = change.entry.id;
    agent.name = change.entry.name;
    agent.public_key = change.entry.public_key;
    agent.next_key = change.entry.next_key;
    agent.enrolled_at = change.entry.enrolled_at;
    agent.enrolled = change.entry.enrolled;
    agent.left_at = agent.enrolled ? UnixNanos{} : now.wall;
    plans_dirty_ = true;
    if (agent.enrolled) {
      to_store.push_back({change.entry, {}});
      // During a change-over the key in use stays good.
      const bool keeps = agent.connection && change.entry.has_key(agent.connection->public_key);
      if (change.kind == RegistryChange::Kind::rekeyed && !keeps) ingest_->on_revoked(agent.id);
      tell(EventLevel::info,
           change.kind == RegistryChange::Kind::rekeyed ? "agent_rekeyed" : "agent_enrolled",
           agent.name, fmt::format("node number {}", agent.id.value));
    } else {
      ingest_->on_revoked(agent.id);
      ingest_->forget(agent.id);
      finder_.forget(agent.id);
      publisher_.forget(agent.id);
      tell(EventLevel::warn, "agent_revoked", agent.name, "its key file is gone");
    }
  }
  // A number must be on the disk before anybody is told it; who leaves, leaves at once.
  if (!to_store.empty()) nodes_ticket_ = store_->put_nodes(std::move(to_store));
  door_.keep_only([this](const std::string& key) { return registry_.find_key(key) != nullptr; });
  admit_enrolled();
}

// Those whose number is on the disk.
void Collector::admit_enrolled() {
  Door::Keys keys;
  for (const auto& [id, entry] : registry_.entries()) {
    if (!entry.enrolled || !durable_nodes_.contains(id)) continue;
    keys.insert(entry.public_key);
    if (!entry.next_key.empty()) keys.insert(entry.next_key);
  }
  door_.set_enrolled(std::move(keys));
}

void Collector::on_nodes_durable() {
  nodes_ticket_ = 0;
  for (const auto& [id, entry] : registry_.entries()) durable_nodes_.insert(id);
  admit_enrolled();
}

Error Collector::unknown_node(const std::string& name) const {
  std::vector<std::string> names;
  for (const auto& [id, agent] : agents_) {
    if (agent.enrolled) names.push_back(agent.name);
  }
  std::string message = fmt::format("no enrolled node \"{}\"", name);
  const std::vector<std::string> near = near_names(name, names);
  for (std::size_t i = 0; i < near.size(); ++i) {
    message += (i == 0 ? "; did you mean " : " or ") + near[i];
  }
  return {ErrorCode::not_found, near.empty() ? message : message + "?"};
}

Result<HandOutcome> Collector::enrol(const Order& order) {
  if (!is_valid_node_name(order.node)) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("\"{}\" is not a node name: use lower-case letters, digits and '-'",
                            order.node));
  }
  if (const RegistryEntry* holder = registry_.find_key(order.public_key)) {
    if (holder->name == order.node) return done(order.node + " is enrolled with this key already");
    return fail(ErrorCode::unavailable,
                fmt::format("this key is already enrolled as {}; every node needs a key of its "
                            "own: linkpilot keys new FILE on the node makes one",
                            holder->name));
  }
  const RegistryEntry* entry = registry_.find_name(order.node);
  if (entry != nullptr && entry->enrolled) {
    return fail(ErrorCode::unavailable,
                fmt::format("{0} is enrolled with another key; to change it without a gap: "
                            "linkpilot agent rekey {0} KEY",
                            order.node));
  }
  const KeyFile file{order.node, order.public_key, ""};
  if (Status status = write_key_file(config_.keys.enrolled_directory, file); !status) {
    return fail(status.error());
  }
  directory_->scan();
  entry = registry_.find_key(order.public_key);
  if (entry == nullptr) {
    return fail(ErrorCode::internal, fmt::format("{}.pub was written, but the enrolment was "
                                                 "refused; linkpilot event tail says why",
                                                 order.node));
  }
  return done(fmt::format("{} is enrolled as node number {}; its agent may connect", order.node,
                          entry->id.value));
}

Result<HandOutcome> Collector::revoke(const Order& order) {
  const RegistryEntry* entry = registry_.find_name(order.node);
  if (entry == nullptr || !entry->enrolled) return fail(unknown_node(order.node));
  const NodeId id = entry->id;
  const bool connected = agents_.at(id).connection.has_value();
  if (Status status = remove_key_file(config_.keys.enrolled_directory, order.node); !status) {
    return fail(status.error());
  }
  directory_->scan();
  std::vector<std::string> warnings;
  if (hand_.frozen() != nullptr) {
    warnings.push_back("routes are frozen: it stays in the tables until they thaw");
  }
  solve_tick();
  return done(
      fmt::format("{} is revoked: {}its key is refused from now on and it leaves the tables",
                  order.node, connected ? "its connection is ended, " : ""),
      std::move(warnings));
}

Result<HandOutcome> Collector::rekey(const Order& order) {
  const RegistryEntry* entry = registry_.find_name(order.node);
  if (entry == nullptr || !entry->enrolled) return fail(unknown_node(order.node));
  const RegistryEntry* holder = registry_.find_key(order.public_key);
  if (holder != nullptr && holder != entry) {
    return fail(ErrorCode::unavailable, fmt::format("this key is already enrolled as {}; every "
                                                    "node needs a key of its own",
                                                    holder->name));
  }
  KeyFile file{order.node, entry->public_key, order.public_key};
  if (order.public_key == entry->next_key) {
    return done(
        fmt::format("{} may use either key already; linkpilot agent rekey {} --finish ends "
                    "the older one",
                    order.node, order.node));
  }
  const bool take_back = order.public_key == entry->public_key;
  if (take_back && entry->next_key.empty()) {
    return fail(ErrorCode::unavailable,
                fmt::format("{} has this key already; give the new one", order.node));
  }
  if (!take_back && !entry->next_key.empty()) {
    return fail(ErrorCode::unavailable,
                fmt::format("{0} is changing its key already, to {1}; end that first: linkpilot "
                            "agent rekey {0} --finish, or take it back with: linkpilot agent rekey "
                            "{0} '{2}'",
                            order.node, entry->next_key, entry->public_key));
  }
  if (take_back) file.next_key.clear();
  if (Status status = write_key_file(config_.keys.enrolled_directory, file); !status) {
    return fail(status.error());
  }
  directory_->scan();
  if (take_back) return done(fmt::format("{} keeps the key it had", order.node));
  return done(
      fmt::format("{0} may use either key now; give its agent the new one and restart it, "
                  "then: linkpilot agent rekey {0} --finish",
                  order.node));
}

Result<HandOutcome> Collector::finish_rekey(const Order& order) {
  const RegistryEntry* entry = registry_.find_name(order.node);
  if (entry == nullptr || !entry->enrolled) return fail(unknown_node(order.node));
  if (entry->next_key.empty()) {
    return fail(ErrorCode::unavailable,
                fmt::format("{0} is not changing its key; linkpilot agent rekey {0} KEY begins",
                            order.node));
  }
  const AgentRecord& agent = agents_.at(entry->id);
  if (!agent.connection || agent.connection->public_key != entry->next_key) {
    return fail(ErrorCode::unavailable,
                fmt::format("{} is not connected with its new key yet, and would be shut out; give "
                            "its agent the new key file and restart it first",
                            order.node));
  }
  const KeyFile file{order.node, entry->next_key, ""};
  if (Status status = write_key_file(config_.keys.enrolled_directory, file); !status) {
    return fail(status.error());
  }
  directory_->scan();
  return done(fmt::format("{} has only its new key now; the older one is refused", order.node));
}

}  // namespace linkpilot::collector
