// The secret of one pair of nodes, from which both derive the keys of their STAMP sessions
// (prober/stamp/stamp_auth.h). Made from the collector's master secret when a plan is sent, kept
// nowhere: HKDF over "linkpilot pair" and both node numbers, the lower first, big-endian. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "base/ids.h"
#include "base/runtime/secret_file.h"

namespace linkpilot::collector {

[[nodiscard]] std::vector<std::uint8_t> pair_secret(const Secret& master, NodeId a, NodeId b);
// Names the master that a secret comes from; another master, another epoch.
[[nodiscard]] std::uint32_t secret_epoch(const Secret& master);

}  // namespace linkpilot::collector
