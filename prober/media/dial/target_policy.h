// Where dials may go, and how much they may take: pure functions. A URL may come from a plan, a
// scrape or another server's redirect, so the address is judged after DNS, and again for each
// redirect; what is judged is the address that is then dialled, never the name once more.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "base/time.h"
#include "base/units.h"

namespace linkpilot::prober {

// What the IANA special-purpose registries (RFC 6890 and successors) say of an address. IPv4 inside
// IPv6 (mapped, 6to4, NAT64) is judged as the IPv4 address it leads to.
enum class AddressKind : std::uint8_t {
  global,
  unspecified,
  loopback,
  link_local,
  metadata,     // where clouds tell a machine its secrets
  private_use,  // RFC 1918, RFC 6598, RFC 4193
  multicast,    // and broadcast
  reserved,     // documentation, benchmarks, protocol assignments, class E
};

[[nodiscard]] AddressKind kind_of(const IpAddress& address);
[[nodiscard]] std::string_view to_string(AddressKind kind);

struct AddressRange {
  IpAddress address;
  std::uint8_t bits = 128;  // of the 16 octets: an IPv4 prefix of n is 96 + n

  // "10.0.0.0/8", "fd00::/8", or one address; also the words loopback, private, link-local (which
  // stand for more than one range and are taken by parse_ranges only).
  [[nodiscard]] static Result<AddressRange> parse(std::string_view text);
  [[nodiscard]] bool contains(const IpAddress& other) const;
};

[[nodiscard]] Result<std::vector<AddressRange>> parse_ranges(std::string_view text);

// What one dial, and all of them together, may take.
struct DialCeilings {
  BitsPerSecond rate{200'000'000};  // over any five seconds behind the first five
  Bytes octets{std::uint64_t{2} << 30};
  Duration length = std::chrono::hours(1);
  std::uint32_t concurrent = 64;  // kept by those who start dials
};

struct TargetPolicy {
  // Whoever gave the URL may dial any unicast address: an operator's own hand. Redirects are judged
  // all the same.
  bool trust_given_target = false;
  // Redirects from TLS to none: what the URL holds would cross the network readable.
  bool allow_clear_redirects = false;
  std::vector<AddressRange> allowed;  // lifts the ban on special addresses within
  std::vector<std::string>
      allowed_hosts;  // "cdn.example", "*.example.net", in any case; empty: any
  DialCeilings ceilings;
};

enum class TargetOrigin : std::uint8_t { given, redirect };

// Errors are of code permission and name what was refused and what would allow it.
[[nodiscard]] Status check_host(const TargetPolicy& policy, std::string_view host,
                                TargetOrigin origin);
[[nodiscard]] Status check_address(const TargetPolicy& policy, const IpAddress& address,
                                   TargetOrigin origin);

}  // namespace linkpilot::prober
