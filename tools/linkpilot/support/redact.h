// Takes secrets out of text that leaves the house: configuration, logs, what a collector tells.
// What is known to be secret (the contents of key files) goes wherever it stands; what looks like
// one goes, too: values of keys named password, secret, token or the like, user and password of
// URLs, their paths and queries (stream keys and webhooks live there), PEM private keys, bearer
// tokens, long hex and CURVE keys. It rather takes too much: public keys go as well. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace linkpilot::cli {

inline constexpr std::string_view kRedacted = "***";

// `secrets` shorter than four octets would mask ordinary words and are left.
[[nodiscard]] std::string redact(std::string_view text, const std::vector<std::string>& secrets);

}  // namespace linkpilot::cli
