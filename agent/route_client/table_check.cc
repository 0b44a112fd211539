#include "agent/route_client/table_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "schemas/route_file_check.h"
#include "schemas/route_file_codec.h"

namespace linkpilot::route_client {
namespace {

TableVerdict refuse(Refusal refusal, std::string_view what) {
  return {refusal, fmt::format("{}: {}", to_string(refusal), what), {}};
}

// Faults of the bytes that have a name of their own; the rest is unreadable.
Refusal refusal_of(lp_route_fault fault) {
  if (fault == LP_ROUTE_FAULT_EXPIRY) return Refusal::bad_expiry;
  if (fault == LP_ROUTE_FAULT_PATH) return Refusal::bad_path;
  if (fault == LP_ROUTE_FAULT_LOOP) return Refusal::loop;
  if (fault == LP_ROUTE_FAULT_ZERO_COST) return Refusal::zero_cost;
  return Refusal::unreadable;
}

std::optional<TableVerdict> check_bytes(std::span<const std::uint8_t> body) {
  if (body.size() > kTableBytesMax) return refuse(Refusal::unreadable, "too large");
  std::vector<std::uint64_t> aligned((body.size() + 7) / 8);
  if (!body.empty()) std::memcpy(aligned.data(), body.data(), body.size());
  lp_route_view view;
  const lp_route_verdict verdict = lp_route_file_check(aligned.data(), body.size(), &view);
  if (verdict.fault == LP_ROUTE_FAULT_NONE && view.header->total_octets != body.size()) {
    return refuse(Refusal::unreadable, "octets behind the body");
  }
  if (verdict.fault == LP_ROUTE_FAULT_NONE) return std::nullopt;
  return refuse(refusal_of(verdict.fault),
                fmt::format("{} (at {})", lp_route_fault_text(verdict.fault), verdict.at));
}

std::optional<TableVerdict> check_signature(const SignedTable& table, const TableCheck& check) {
  const auto known = std::ranges::find_if(check.signers, [&](const SigningPublicKey& key) {
    return std::ranges::equal(key, table.signer);
  });
  if (known == check.signers.end()) {
    return refuse(Refusal::unknown_signer, "its key is not among those this node trusts");
  }
  if (!verify(*known, table.body, table.signature)) {
    return refuse(Refusal::bad_signature, "the signature does not fit the table");
  }
  return std::nullopt;
}

std::string text_of(TableVersion version) {
  return fmt::format("{}.{}", version.epoch, version.version);
}

std::optional<TableVerdict> check_order(const RouteTable& table, const TableCheck& check) {
  if (check.self != NodeId() && table.node != check.self) {
    return refuse(Refusal::wrong_node, fmt::format("it is node {}'s, this is node {}",
                                                   table.node.value, check.self.value));
  }
  if (check.in_use != nullptr && check.in_use->node == table.node &&
      table.version <= check.in_use->version) {
    return refuse(Refusal::not_newer,
                  fmt::format("{} is offered, {} is in use", text_of(table.version),
                              text_of(check.in_use->version)));
  }
  if (check.now.ns >= table.valid_until_hard.ns) {
    return refuse(Refusal::expired,
                  fmt::format("it was valid until {}", format_utc(table.valid_until_hard)));
  }
  return std::nullopt;
}

// What a table says of a target, as two bits; 0: nothing.
class Answers {
 public:
  explicit Answers(const RouteTable& table) : bits_(std::size_t{65536}) {
    for (const DroppedTarget& target : table.dropped) bits_[target.target.value] = kBoth;
    for (const Route& route : table.routes) bits_[route.target.value] |= bit(route.direction);
  }
  [[nodiscard]] bool has(NodeId target, Direction direction) const {
    return (bits_[target.value] & bit(direction)) != 0;
  }
  [[nodiscard]] bool has_both(NodeId target) const { return bits_[target.value] == kBoth; }

 private:
  static constexpr std::uint8_t kBoth = 3;
  static std::uint8_t bit(Direction direction) { return direction == Direction::push ? 1 : 2; }
  std::vector<std::uint8_t> bits_;
};

std::optional<TableVerdict> check_complete(const RouteTable& table, const TableCheck& check) {
  const Answers answers(table);
  for (const NodeName& node : table.nodes) {
    if (node.id != table.node && !answers.has_both(node.id)) {
      return refuse(Refusal::target_missing,
                    fmt::format("node {} ({}) has neither a route in each direction nor a reason",
                                node.id.value, node.name));
    }
  }
  if (check.in_use == nullptr || check.in_use->node != table.node ||
      check.now.ns >= check.in_use->valid_until_hard.ns) {
    return std::nullopt;
  }
  for (const Route& route : check.in_use->routes) {
    if (!answers.has(route.target, route.direction)) {
      return refuse(Refusal::target_missing,
                    fmt::format("node {} was reachable in the table in use and is left out without "
                                "a reason",
                                route.target.value));
    }
  }
  return std::nullopt;
}

}  // namespace

std::string_view to_string(Refusal refusal) {
  switch (refusal) {
    case Refusal::unknown_signer:
      return "unknown signer";
    case Refusal::bad_signature:
      return "bad signature";
    case Refusal::unreadable:
      return "unreadable";
    case Refusal::envelope_differs:
      return "envelope differs";
    case Refusal::wrong_node:
      return "wrong node";
    case Refusal::not_newer:
      return "not newer";
    case Refusal::expired:
      return "expired";
    case Refusal::bad_expiry:
      return "bad expiry";
    case Refusal::loop:
      return "loop";
    case Refusal::bad_path:
      return "bad path";
    case Refusal::zero_cost:
      return "zero cost";
    case Refusal::target_missing:
      return "target missing";
  }
  return "refused";
}

TableVerdict check_table(const SignedTable& signed_table, const TableCheck& check) {
  if (auto fault = check_signature(signed_table, check)) return *std::move(fault);
  if (auto fault = check_bytes(signed_table.body)) return *std::move(fault);
  auto table = schemas::decode_route_file(signed_table.body);
  if (!table) return refuse(Refusal::unreadable, table.error().message);
  if (table->node != signed_table.node || table->version != signed_table.version) {
    return refuse(Refusal::envelope_differs, "the message names another node or version");
  }
  if (auto fault = check_order(*table, check)) return *std::move(fault);
  if (auto fault = check_complete(*table, check)) return *std::move(fault);
  return {std::nullopt, {}, *std::move(table)};
}

}  // namespace linkpilot::route_client
