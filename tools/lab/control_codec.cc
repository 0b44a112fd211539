#include "tools/lab/control_codec.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <nlohmann/json.hpp>

namespace linkpilot::lab {
namespace {

using Json = nlohmann::json;

// Reads keys with their types; the first mistake is kept.
class ObjectReader {
 public:
  explicit ObjectReader(const Json& object) : object_(object) {}

  std::string text(const char* key) {
    const Json* value = find(key);
    if (value == nullptr) return {};
    if (!value->is_string()) return reject(key, "must be text"), std::string();
    return value->get<std::string>();
  }
  bool flag(const char* key) {
    const Json* value = find(key);
    if (value == nullptr) return false;
    if (!value->is_boolean()) return reject(key, "must be true or false"), false;
    return value->get<bool>();
  }
  double number(const char* key, double limit) {
    const Json* value = find(key);
    if (value == nullptr) return 0;
    if (!value->is_number()) return reject(key, "must be a number"), 0;
    const double number = value->get<double>();
    if (!std::isfinite(number) || number < 0 || number > limit) {
      return reject(key, fmt::format("must be 0 to {}", limit)), 0;
    }
    return number;
  }
  Duration milliseconds(const char* key) {
    return Duration(static_cast<std::int64_t>(number(key, 60'000) * 1e6));
  }
  std::optional<std::uint32_t> count(const char* key, double limit) {
    if (find(key) == nullptr) return std::nullopt;
    return static_cast<std::uint32_t>(number(key, limit));
  }
  void reject(std::string_view key, std::string_view reason) {
    if (error_.empty()) error_ = fmt::format("{}: {}", key, reason);
  }
  // Keys that nobody asked for are mistakes.
  Status finish() {
    for (const auto& [key, value] : object_.items()) {
      if (std::ranges::find(known_, key) == known_.end()) {
        reject(key, "unknown here; known: " + fmt::format("{}", fmt::join(known_, ", ")));
      }
    }
    if (error_.empty()) return {};
    return fail(ErrorCode::invalid_argument, error_);
  }

 private:
  const Json* find(const char* key) {
    if (std::ranges::find(known_, key) == known_.end()) known_.emplace_back(key);
    const auto it = object_.find(key);
    return it == object_.end() ? nullptr : &*it;
  }

  const Json& object_;
  std::vector<std::string> known_ = {"op"};
  std::string error_;
};

Direction read_direction(ObjectReader& reader) {
  return reader.flag("both") ? Direction::both_ways : Direction::one_way;
}

// Each kind takes its own keys only.
FaultRequest read_fault(ObjectReader& reader) {
  FaultRequest fault;
  fault.kind = parse_fault_kind(reader.text("kind"));
  if (fault.kind == FaultKind::node_down) {
    fault.node = reader.text("node");
    return fault;
  }
  if (fault.kind == FaultKind::region_cut) {
    fault.region = reader.text("region");
    return fault;
  }
  fault.from = reader.text("from");
  fault.to = reader.text("to");
  fault.direction = read_direction(reader);
  switch (fault.kind) {
    case FaultKind::blackhole:
      if (const auto flow = reader.count("flow", kFlowsMax)) {
        fault.flow = static_cast<std::uint8_t>(*flow);
      }
      break;
    case FaultKind::delay:
      fault.delay = reader.milliseconds("add_ms");
      break;
    case FaultKind::jitter:
      fault.jitter = reader.milliseconds("jitter_ms");
      break;
    case FaultKind::burst_loss:
      fault.mean = reader.milliseconds("mean_ms");
      fault.ratio = reader.number("ratio", 1);
      break;
    case FaultKind::reorder:
      fault.delay = reader.milliseconds("delay_ms");
      fault.ratio = reader.number("ratio", 1);
      break;
    case FaultKind::loss:
    case FaultKind::duplicate:
      fault.ratio = reader.number("ratio", 1);
      break;
    case FaultKind::rate:
      fault.rate_bits_per_s = static_cast<std::uint64_t>(reader.number("bits_per_second", 1e12));
      fault.queue = reader.milliseconds("queue_ms");
      break;
    case FaultKind::mtu:
      fault.mtu = reader.count("mtu", 65'535).value_or(0);
      break;
    case FaultKind::unspecified:
    case FaultKind::node_down:
    case FaultKind::region_cut:
      break;
  }
  return fault;
}

HealRequest read_heal(ObjectReader& reader) {
  HealRequest heal;
  heal.number = reader.count("id", 4e9);
  heal.from = reader.text("from");
  heal.to = reader.text("to");
  heal.direction = read_direction(reader);
  heal.node = reader.text("node");
  heal.region = reader.text("region");
  const std::string kind = reader.text("kind");
  heal.kind = parse_fault_kind(kind);
  if (!kind.empty() && heal.kind == FaultKind::unspecified) {
    reader.reject("kind", fmt::format("no fault is of kind \"{}\"", kind));
  }
  return heal;
}

}  // namespace

Result<ControlRequest> parse_control(std::string_view line) {
  if (line.size() > kControlLineBytesMax) {
    return fail(ErrorCode::limit_exceeded, "the line is too long");
  }
  const Json object = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) {
    return fail(ErrorCode::invalid_argument, "a line must be one JSON object, {\"op\":...}");
  }
  ObjectReader reader(object);
  const std::string op = reader.text("op");
  ControlRequest request;
  if (op == "fault") {
    const FaultRequest fault = read_fault(reader);
    // An unknown kind is the mistake to name, not the keys that go with it.
    if (fault.kind == FaultKind::unspecified) return request = fault;
    request = fault;
  } else if (op == "heal") {
    request = read_heal(reader);
  } else if (op == "status") {
    request = StatusRequest{reader.flag("reset")};
  } else if (op == "links") {
    request = LinksRequest{};
  } else if (op == "flush") {
    request = FlushRequest{};
  } else {
    return fail(ErrorCode::invalid_argument,
                fmt::format("op: \"{}\"; must be fault, heal, status, links or flush", op));
  }
  if (Status status = reader.finish(); !status) return fail(status.error());
  return request;
}

}  // namespace linkpilot::lab
