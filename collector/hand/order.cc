#include "collector/hand/order.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/fleet.h"
#include "base/runtime/curve_keys.h"

namespace linkpilot::collector {

namespace {

using Json = nlohmann::json;

constexpr std::array kActions = {
    OrderAction::drain,       OrderAction::undrain, OrderAction::freeze, OrderAction::thaw,
    OrderAction::auto_off,    OrderAction::auto_on, OrderAction::pin,    OrderAction::unpin,
    OrderAction::rollback,    OrderAction::enrol,   OrderAction::revoke, OrderAction::rekey,
    OrderAction::rekey_finish};

constexpr const char* kKeys =
    "action, node, target, via, region, version, epoch, public_key, author, reason, for_ms";

// Without control characters, which would forge lines in logs and terminals.
std::string cleaned(const std::string& text, std::size_t length_max) {
  std::string out = text.substr(0, length_max);
  std::replace_if(
      out.begin(), out.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  const std::size_t first = out.find_first_not_of(' ');
  if (first == std::string::npos) return "";
  return out.substr(first, out.find_last_not_of(' ') - first + 1);
}

tl::unexpected<Error> wrong(std::string message) {
  return fail(ErrorCode::invalid_argument, std::move(message));
}

// One key of the body into the order.
Status read_key(const std::string& key, const Json& value, Order& order) {
  const auto text = [&](std::string& into, std::size_t length_max) -> Status {
    if (!value.is_string()) return wrong(fmt::format("{} must be text", key));
    into = value.get<std::string>();
    if (into.size() > length_max) {
      return wrong(fmt::format("{} is longer than {} characters", key, length_max));
    }
    return {};
  };
  const auto number = [&](std::uint64_t& into) -> Status {
    if (!value.is_number_unsigned()) return wrong(fmt::format("{} must be a whole number", key));
    into = value.get<std::uint64_t>();
    return {};
  };
  if (key == "node") return text(order.node, kNodeNameLengthMax);
  if (key == "target") return text(order.target, kNodeNameLengthMax);
  if (key == "region") return text(order.region, kNodeNameLengthMax);
  if (key == "public_key") return text(order.public_key, 64);
  if (key == "author") return text(order.author, kAuthorLengthMax);
  if (key == "reason") return text(order.reason, kReasonLengthMax);
  if (key == "version") return number(order.version.version);
  if (key == "epoch") return number(order.version.epoch);
  if (key == "for_ms") {
    std::uint64_t ms = 0;
    if (Status status = number(ms); !status) return status;
    const auto most = std::chrono::duration_cast<std::chrono::milliseconds>(kLastsMax).count();
    order.lasts = std::chrono::milliseconds(static_cast<std::int64_t>(
        std::min<std::uint64_t>(ms, static_cast<std::uint64_t>(most) + 1)));
    if (order.lasts < kLastsMin || order.lasts > kLastsMax) {
      return wrong("for_ms must be between one second and 30 days");
    }
    return {};
  }
  if (key == "via") {
    if (!value.is_array() || value.size() > kRelaysMax) {
      return wrong(fmt::format("via must be a list of at most {} nodes", kRelaysMax));
    }
    for (const Json& relay : value) {
      if (!relay.is_string() || relay.get_ref<const std::string&>().size() > kNodeNameLengthMax) {
        return wrong("via must hold names of nodes");
      }
      order.via.push_back(relay.get<std::string>());
    }
    return {};
  }
  return wrong(fmt::format("unknown key \"{}\": {}", key.substr(0, 40), kKeys));
}

Status check_fields(const Order& order) {
  const auto needs = [&](bool there, const char* key) -> Status {
    if (there) return {};
    return wrong(fmt::format("{} needs \"{}\"", to_string(order.action), key));
  };
  switch (order.action) {
    case OrderAction::freeze:
    case OrderAction::thaw:
    case OrderAction::auto_off:
    case OrderAction::auto_on:
      return {};
    case OrderAction::rollback:
      return needs(order.version.version > 0, "version");
    case OrderAction::pin:
    case OrderAction::unpin:
      if (Status status = needs(!order.node.empty(), "node"); !status) return status;
      return needs(!order.target.empty(), "target");
    case OrderAction::enrol:
    case OrderAction::rekey:
      if (Status status = needs(!order.node.empty(), "node"); !status) return status;
      if (!is_valid_curve_key(order.public_key)) {
        return wrong(
            "\"public_key\" must be the 40 characters of an agent's public key, as `linkpilot keys "
            "show FILE` on the node prints them");
      }
      return {};
    case OrderAction::drain:
    case OrderAction::undrain:
    case OrderAction::revoke:
    case OrderAction::rekey_finish:
      return needs(!order.node.empty(), "node");
  }
  return {};
}

}  // namespace

std::string_view to_string(OrderAction action) {
  switch (action) {
    case OrderAction::drain:
      return "drain";
    case OrderAction::undrain:
      return "undrain";
    case OrderAction::freeze:
      return "freeze";
    case OrderAction::thaw:
      return "thaw";
    case OrderAction::auto_off:
      return "auto_off";
    case OrderAction::auto_on:
      return "auto_on";
    case OrderAction::pin:
      return "pin";
    case OrderAction::unpin:
      return "unpin";
    case OrderAction::rollback:
      return "rollback";
    case OrderAction::enrol:
      return "enrol";
    case OrderAction::revoke:
      return "revoke";
    case OrderAction::rekey:
      return "rekey";
    case OrderAction::rekey_finish:
      return "rekey_finish";
  }
  return "?";
}

Duration default_duration(OrderAction action) {
  using std::chrono::hours;
  using std::chrono::minutes;
  switch (action) {
    case OrderAction::drain:
      return hours(4);
    case OrderAction::pin:
      return hours(1);
    default:
      return minutes(30);
  }
}

Status check_signature(Order& order) {
  order.author = cleaned(order.author, kAuthorLengthMax);
  order.reason = cleaned(order.reason, kReasonLengthMax);
  if (order.author.empty()) return wrong("\"author\" is missing: say who orders this");
  if (order.reason.empty()) {
    return wrong("\"reason\" is missing: say why, for those who find it in force later");
  }
  return {};
}

Result<Order> parse_order(std::string_view body) {
  const Json json = Json::parse(body, nullptr, false);
  if (!json.is_object()) return wrong("the body must be a JSON object");
  Order order;
  std::optional<OrderAction> action;
  for (const auto& [key, value] : json.items()) {
    if (key == "action") {
      if (!value.is_string()) return wrong("action must be text");
      for (const OrderAction each : kActions) {
        if (to_string(each) == value.get_ref<const std::string&>()) action = each;
      }
      continue;
    }
    if (Status status = read_key(key, value, order); !status) return fail(status.error());
  }
  if (!action) {
    std::vector<std::string_view> names;
    for (const OrderAction each : kActions) names.push_back(to_string(each));
    return wrong(fmt::format("\"action\" must be one of {}", fmt::join(names, ", ")));
  }
  order.action = *action;
  if (Status status = check_fields(order); !status) return fail(status.error());
  if (Status status = check_signature(order); !status) return fail(status.error());
  return order;
}

}  // namespace linkpilot::collector
