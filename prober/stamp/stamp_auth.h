// Keys and digests of authenticated STAMP: HMAC-SHA-256 truncated to 16 octets (RFC 8762 s4.4)
// under a session key of our own derivation. It gives integrity, not freshness: replays are the
// window's work.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/ids.h"
#include "prober/stamp/stamp_packet.h"

namespace linkpilot::prober {

inline constexpr std::size_t kSessionKeySize = 32;
using SessionKey = std::array<std::uint8_t, kSessionKeySize>;
using Mac = std::array<std::uint8_t, kMacSize>;

// HKDF-SHA-256 (RFC 5869) with an empty salt over the pair's secret; info = "linkpilot stamp", the
// SSID (the probing node) and the epoch, big-endian. Both directions of a pair so have keys of
// their own.
[[nodiscard]] SessionKey derive_session_key(std::span<const std::uint8_t> secret, NodeId ssid,
                                            std::uint32_t epoch);

// Over both parts in order; either may be empty.
[[nodiscard]] Mac compute_mac(const SessionKey& key, std::span<const std::uint8_t> first,
                              std::span<const std::uint8_t> second = {});
// In constant time.
[[nodiscard]] bool mac_matches(const Mac& mac, std::span<const std::uint8_t> received);

// Writes the digests of a whole authenticated packet: that of the fixed part, and that of the HMAC
// TLV (sequence number and the TLVs before it, RFC 8972 s4.8) where the packet ends with one.
void seal(const SessionKey& key, std::span<std::uint8_t> packet);

enum class SealState : std::uint8_t { good, bad_base, bad_tlvs };
// bad_tlvs also where TLVs have no HMAC TLV behind them: nothing protects them.
[[nodiscard]] SealState check_seal(const SessionKey& key, std::span<const std::uint8_t> packet);

}  // namespace linkpilot::prober
