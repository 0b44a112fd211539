// May this table replace that one? The one place where that is decided, for the agent and for
// linkpilot-routes-sync alike. Pure: values in, verdict out.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "base/message.h"
#include "base/result.h"
#include "base/route_table.h"
#include "base/runtime/curve_keys.h"

namespace linkpilot::route_client {

enum class Refusal : std::uint8_t {
  unknown_signer,
  bad_signature,
  unreadable,        // not a route file, torn, or its parts do not fit
  envelope_differs,  // node or version of the message are not those of the signed body
  wrong_node,
  not_newer,
  expired,
  bad_expiry,
  loop,      // a path meets a node twice, or this node again
  bad_path,  // does not end at its target, no such port, too many hops
  zero_cost,
  target_missing,  // a node that is known and has neither a route nor a reason
};
[[nodiscard]] std::string_view to_string(Refusal refusal);

struct TableVerdict {
  std::optional<Refusal> refusal;  // nullopt: accepted, `table` holds
  std::string detail;              // "<refusal>: <what and where>"; empty when accepted
  RouteTable table;
};

struct TableCheck {
  NodeId self;                                // 0: not known yet, every node passes
  std::span<const SigningPublicKey> signers;  // any of them
  const RouteTable* in_use = nullptr;         // null: none
  UnixNanos now;
};

// Order of the checks: signer, signature, bytes, envelope, node, order, expiry, paths,
// completeness. Completeness: each node the table names, other than its own, has a route in both
// directions or a reason; so has each target of the table in use, unless that one is past its hard
// expiry.
[[nodiscard]] TableVerdict check_table(const SignedTable& signed_table, const TableCheck& check);

}  // namespace linkpilot::route_client
