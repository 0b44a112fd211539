#include "collector/faults/fault_codec.h"

#include <nlohmann/json.hpp>

namespace linkpilot::collector {

namespace {

using Json = nlohmann::json;

Json json_of(PortId port) { return {port.node.value, port.port.value}; }

std::string text_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::int64_t integer_of(const Json& object, const char* key, std::int64_t max) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_integer()) return 0;
  const auto value = found->get<std::int64_t>();
  return value < 0 || value > max ? 0 : value;
}

double number_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>() : -1;
}

UnixNanos time_of(const Json& object, const char* key) {
  return {integer_of(object, key, std::numeric_limits<std::int64_t>::max())};
}

PortId port_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_array() || found->size() != 2) return {};
  const Json& node = (*found)[0];
  const Json& port = (*found)[1];
  if (!node.is_number_integer() || !port.is_number_integer()) return {};
  const auto node_number = node.get<std::int64_t>();
  const auto port_number = port.get<std::int64_t>();
  if (node_number < 0 || node_number > 0xFFFF || port_number < 0 || port_number > 0xFF) return {};
  return {NodeId{static_cast<std::uint16_t>(node_number)},
          PortIndex{static_cast<std::uint8_t>(port_number)}};
}

const Json& list_of(const Json& object, const char* key) {
  static const Json none = Json::array();
  const auto found = object.find(key);
  return found != object.end() && found->is_array() ? *found : none;
}

FaultLink link_of(const Json& object) {
  FaultLink link;
  link.link = {port_of(object, "from"), port_of(object, "to")};
  link.text = text_of(object, "text");
  link.grade = text_of(object, "grade") == "dead" ? FaultGrade::dead : FaultGrade::degraded;
  link.rtt_ms_before = number_of(object, "rtt_ms_before");
  link.rtt_ms = number_of(object, "rtt_ms");
  link.loss_ratio_before = number_of(object, "loss_ratio_before");
  link.loss_ratio = number_of(object, "loss_ratio");
  link.seen = text_of(object, "seen");
  return link;
}

FaultScope scope_of(const std::string& text) {
  for (const FaultScope scope : kFaultScopes) {
    if (text == to_string(scope)) return scope;
  }
  return FaultScope::link;
}

}  // namespace

std::string encode_fault(const Fault& fault) {
  Json links = Json::array();
  for (const FaultLink& link : fault.links) {
    links.push_back({{"from", json_of(link.link.from)},
                     {"to", json_of(link.link.to)},
                     {"text", link.text},
                     {"grade", to_string(link.grade)},
                     {"rtt_ms_before", link.rtt_ms_before},
                     {"rtt_ms", link.rtt_ms},
                     {"loss_ratio_before", link.loss_ratio_before},
                     {"loss_ratio", link.loss_ratio},
                     {"seen", link.seen}});
  }
  Json nodes = Json::array();
  for (const NodeId node : fault.nodes) nodes.push_back(node.value);
  const Json json = {{"key", fault.key},
                     {"id", fault.id},
                     {"scope", to_string(fault.scope)},
                     {"grade", to_string(fault.grade)},
                     {"nodes", nodes},
                     {"members", fault.members},
                     {"region", fault.region},
                     {"port", fault.port.value},
                     {"vendor", fault.vendor},
                     {"since_ns", fault.since.ns},
                     {"opened_ns", fault.opened.ns},
                     {"updated_ns", fault.updated.ns},
                     {"resolved_ns", fault.resolved.ns},
                     {"events", fault.events},
                     {"detail", fault.detail},
                     {"confidence", fault.confidence},
                     {"could_be", fault.could_be},
                     {"outcome", fault.outcome},
                     {"links", links},
                     {"links_total", fault.links_total},
                     {"routes", fault.routes},
                     {"routes_total", fault.routes_total}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<Fault> decode_fault(std::string_view text) {
  if (text.size() > kFaultTextMax) return fail(ErrorCode::limit_exceeded, "a fault too large");
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return fail(ErrorCode::corrupt, "a fault that is no JSON object");
  constexpr std::int64_t kCountMax = 0xFFFFFFFF;
  Fault fault;
  fault.key = text_of(json, "key");
  fault.id = text_of(json, "id");
  fault.scope = scope_of(text_of(json, "scope"));
  fault.grade = text_of(json, "grade") == "degraded" ? FaultGrade::degraded : FaultGrade::dead;
  for (const Json& node : list_of(json, "nodes")) {
    if (!node.is_number_unsigned() || fault.nodes.size() >= kFleetNodesMax) continue;
    fault.nodes.push_back(NodeId{static_cast<std::uint16_t>(node.get<std::uint64_t>() & 0xFFFF)});
  }
  for (const Json& member : list_of(json, "members")) {
    if (member.is_string() && fault.members.size() < kFaultMembersMax) {
      fault.members.push_back(member.get<std::string>());
    }
  }
  fault.region = text_of(json, "region");
  fault.port = PortIndex{static_cast<std::uint8_t>(integer_of(json, "port", 0xFF))};
  fault.vendor = text_of(json, "vendor");
  fault.since = time_of(json, "since_ns");
  fault.opened = time_of(json, "opened_ns");
  fault.updated = time_of(json, "updated_ns");
  fault.resolved = time_of(json, "resolved_ns");
  fault.events = static_cast<std::uint32_t>(integer_of(json, "events", kCountMax));
  fault.detail = text_of(json, "detail");
  if (const double sure = number_of(json, "confidence"); sure >= 0) fault.confidence = sure;
  for (const Json& other : list_of(json, "could_be")) {
    if (other.is_string() && fault.could_be.size() < kFaultAlternativesMax) {
      fault.could_be.push_back(other.get<std::string>());
    }
  }
  fault.outcome = text_of(json, "outcome");
  for (const Json& link : list_of(json, "links")) {
    if (link.is_object() && fault.links.size() < kFaultLinksKept)
      fault.links.push_back(link_of(link));
  }
  fault.links_total = static_cast<std::uint32_t>(integer_of(json, "links_total", kCountMax));
  for (const Json& route : list_of(json, "routes")) {
    if (route.is_string() && fault.routes.size() < kFaultRoutesKept) {
      fault.routes.push_back(route.get<std::string>());
    }
  }
  fault.routes_total = static_cast<std::uint32_t>(integer_of(json, "routes_total", kCountMax));
  const bool two_ends = fault.scope != FaultScope::link || fault.nodes.size() == 2;
  const bool of_nodes = fault.scope <= FaultScope::service || fault.scope == FaultScope::relay_push;
  if (fault.key.empty() || fault.id.empty() || (of_nodes && fault.nodes.empty()) || !two_ends) {
    return fail(ErrorCode::corrupt, "a fault without its name or its nodes");
  }
  return fault;
}

}  // namespace linkpilot::collector
