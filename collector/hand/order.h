// What an operator may order through the API, and what comes of it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "collector/hand/override.h"

namespace linkpilot::collector {

enum class OrderAction : std::uint8_t {
  drain,
  undrain,
  freeze,
  thaw,
  auto_off,
  auto_on,
  pin,
  unpin,
  rollback,
  enrol,
  revoke,
  rekey,         // a second key beside the one in use
  rekey_finish,  // the older key goes
};
[[nodiscard]] std::string_view to_string(OrderAction action);

struct Order {
  OrderAction action = OrderAction::drain;
  std::string node;              // drain, undrain, enrol, revoke, rekey*; pin, unpin: media from
  std::string target;            // pin, unpin: media to
  std::vector<std::string> via;  // pin
  std::string region;            // auto_off, auto_on; empty: everywhere
  TableVersion version;          // rollback; epoch 0: the present one
  std::string public_key;        // enrol, rekey
  std::string author;
  std::string reason;
  Duration lasts{};  // zero: default_duration
};

struct OrderDone {
  std::uint64_t id = 0;               // of the override; 0: none
  std::string said;                   // what is so now, one sentence
  std::vector<std::string> warnings;  // one sentence each
  UnixNanos expires;                  // zero: does not
  bool durable = false;               // on the disk
};

inline constexpr Duration kLastsMin = std::chrono::seconds(1);
inline constexpr Duration kLastsMax = std::chrono::hours(24 * 30);
// How long an override lasts that says nothing: long enough to work, short enough to be forgotten.
[[nodiscard]] Duration default_duration(OrderAction action);

// Reads the JSON body of POST /v1/hand. Every mistake is named; nothing unknown is passed over.
[[nodiscard]] Result<Order> parse_order(std::string_view body);

// The order's text fields with control characters gone and lengths bounded; an error when author
// or reason is missing.
[[nodiscard]] Status check_signature(Order& order);

}  // namespace linkpilot::collector
