// RouteTable <-> the body of a route file (schemas/route_file.h). Encoding is canonical: equal
// tables give equal octets. Decoding checks the whole body within stated bounds before it builds
// anything.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/route_table.h"

namespace linkpilot::schemas {

// The body, without trailer. Routes, nodes and dropped targets may come in any order. Fails with
// invalid_argument, naming the place, for a table that no reader would take: a node that is named
// by nothing, a port that a node lacks, a path that does not end at its target or meets a node
// twice, a cost of zero, more than the bounds of base/route_table.h.
[[nodiscard]] Result<std::vector<std::uint8_t>> encode_route_file(const RouteTable& table);

// Reads a body; octets behind it (the trailer) are ignored. Any alignment of `bytes` will do.
// `corrupt` with what is wrong. What comes back is sorted as base/route_table.h says.
[[nodiscard]] Result<RouteTable> decode_route_file(std::span<const std::uint8_t> bytes);

}  // namespace linkpilot::schemas
