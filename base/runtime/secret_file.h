// A secret of 32 octets in a file (64 hex digits, 0600, refused when others can read it), and keys
// derived from it: HKDF-SHA-256 (RFC 5869) with an empty salt and one block of output.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace linkpilot {

using Secret = std::array<std::uint8_t, 32>;

[[nodiscard]] Secret make_secret();
[[nodiscard]] Status save_secret(const std::string& path, const Secret& secret);
[[nodiscard]] Result<Secret> load_secret(const std::string& path);

// Different for every `info`; tells nothing of `master`.
[[nodiscard]] Secret derive_secret(const Secret& master, std::span<const std::uint8_t> info);

}  // namespace linkpilot
