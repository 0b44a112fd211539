#include "prober/media/dial/target_policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "base/url_text.h"

namespace linkpilot::prober {
namespace {

struct KnownRange {
  std::string_view text;
  AddressKind kind;
};

// The first that contains the address says what it is. IANA IPv4 and IPv6 Special-Purpose Address
// Registries; the metadata addresses are those that the clouds document: AWS (and many after it),
// AWS ECS, Azure, Alibaba, Oracle, AWS over IPv6.
constexpr std::array kKnown{
    KnownRange{"169.254.169.254/32", AddressKind::metadata},
    KnownRange{"169.254.170.2/32", AddressKind::metadata},
    KnownRange{"168.63.129.16/32", AddressKind::metadata},
    KnownRange{"100.100.100.200/32", AddressKind::metadata},
    KnownRange{"192.0.0.192/32", AddressKind::metadata},
    KnownRange{"fd00:ec2::254/128", AddressKind::metadata},
    KnownRange{"0.0.0.0/32", AddressKind::unspecified},
    KnownRange{"0.0.0.0/8", AddressKind::reserved},
    KnownRange{"10.0.0.0/8", AddressKind::private_use},
    KnownRange{"100.64.0.0/10", AddressKind::private_use},
    KnownRange{"127.0.0.0/8", AddressKind::loopback},
    KnownRange{"169.254.0.0/16", AddressKind::link_local},
    KnownRange{"172.16.0.0/12", AddressKind::private_use},
    KnownRange{"192.0.0.0/24", AddressKind::reserved},
    KnownRange{"192.0.2.0/24", AddressKind::reserved},
    KnownRange{"192.168.0.0/16", AddressKind::private_use},
    KnownRange{"198.18.0.0/15", AddressKind::reserved},
    KnownRange{"198.51.100.0/24", AddressKind::reserved},
    KnownRange{"203.0.113.0/24", AddressKind::reserved},
    KnownRange{"224.0.0.0/4", AddressKind::multicast},
    KnownRange{"255.255.255.255/32", AddressKind::multicast},
    KnownRange{"240.0.0.0/4", AddressKind::reserved},
    KnownRange{"::/128", AddressKind::unspecified},
    KnownRange{"::1/128", AddressKind::loopback},
    KnownRange{"::ffff:0:0:0/96", AddressKind::reserved},    // translated, RFC 2765
    KnownRange{"64:ff9b:1::/48", AddressKind::private_use},  // NAT64 of a site, RFC 8215
    KnownRange{"100::/64", AddressKind::reserved},
    KnownRange{"2001::/23", AddressKind::reserved},
    KnownRange{"2001:db8::/32", AddressKind::reserved},
    KnownRange{"fc00::/7", AddressKind::private_use},
    KnownRange{"fe80::/10", AddressKind::link_local},
    KnownRange{"fec0::/10", AddressKind::private_use},
    KnownRange{"ff00::/8", AddressKind::multicast},
};

const std::vector<std::pair<AddressRange, AddressKind>>& known_ranges() {
  static const auto ranges = [] {
    std::vector<std::pair<AddressRange, AddressKind>> parsed;
    for (const KnownRange& known : kKnown) {
      parsed.emplace_back(AddressRange::parse(known.text).value(), known.kind);
    }
    return parsed;
  }();
  return ranges;
}

// The IPv4 address that a translated or tunnelled IPv6 address leads to: NAT64 (RFC 6052), 6to4
// (RFC 3056), IPv4-compatible (RFC 4291 s2.5.5.1, but neither :: nor ::1).
IpAddress led_to(const IpAddress& address) {
  if (address.is_v4()) return address;
  const auto& o = address.octets;
  constexpr std::array<std::uint8_t, 12> nat64{0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0};
  if (std::equal(nat64.begin(), nat64.end(), o.begin())) {
    return IpAddress::v4(o[12], o[13], o[14], o[15]);
  }
  if (o[0] == 0x20 && o[1] == 0x02) return IpAddress::v4(o[2], o[3], o[4], o[5]);
  const bool compatible = std::all_of(o.begin(), o.begin() + 12, [](auto b) { return b == 0; });
  if (compatible && (o[12] != 0 || o[13] != 0 || o[14] != 0)) {
    return IpAddress::v4(o[12], o[13], o[14], o[15]);
  }
  return address;
}

constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kWords{{
    {"loopback", "127.0.0.0/8"},
    {"loopback", "::1"},
    {"private", "10.0.0.0/8"},
    {"private", "172.16.0.0/12"},
    {"private", "192.168.0.0/16"},
    {"private", "100.64.0.0/10"},
    {"private", "fc00::/7"},
    {"link-local", "fe80::/10"},
}};

bool host_matches(std::string_view pattern, std::string_view host) {
  if (!pattern.starts_with("*.")) return same_host(pattern, host);
  const std::string_view tail = pattern.substr(1);
  return host.size() > tail.size() && same_host(tail, host.substr(host.size() - tail.size()));
}

}  // namespace

AddressKind kind_of(const IpAddress& address) {
  const IpAddress real = led_to(address);
  for (const auto& [range, kind] : known_ranges()) {
    if (range.contains(real)) return kind;
  }
  return AddressKind::global;
}

std::string_view to_string(AddressKind kind) {
  switch (kind) {
    case AddressKind::global:
      return "global";
    case AddressKind::unspecified:
      return "unspecified";
    case AddressKind::loopback:
      return "loopback";
    case AddressKind::link_local:
      return "link-local";
    case AddressKind::metadata:
      return "cloud metadata";
    case AddressKind::private_use:
      return "private";
    case AddressKind::multicast:
      return "multicast";
    case AddressKind::reserved:
      return "reserved";
  }
  return "?";
}

Result<AddressRange> AddressRange::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const Result<IpAddress> address = IpAddress::parse(text.substr(0, slash));
  if (!address) return fail(address.error());
  const unsigned base = address->is_v4() ? 96 : 0;
  unsigned bits = 128 - base;
  if (slash != std::string_view::npos) {
    const std::string_view number = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), bits);
    if (error != std::errc{} || end != number.data() + number.size() || bits > 128 - base) {
      return fail(ErrorCode::invalid_argument,
                  fmt::format("'{}' is no range of addresses; write 10.0.0.0/8 or fd00::/8",
                              text.substr(0, 60)));
    }
  }
  return AddressRange{.address = *address, .bits = static_cast<std::uint8_t>(base + bits)};
}

bool AddressRange::contains(const IpAddress& other) const {
  const std::size_t whole = bits / 8;
  if (std::memcmp(address.octets.data(), other.octets.data(), whole) != 0) return false;
  const unsigned rest = bits % 8;
  if (rest == 0) return true;
  const auto mask = static_cast<std::uint8_t>(0xff << (8 - rest));
  return ((address.octets[whole] ^ other.octets[whole]) & mask) == 0;
}

Result<std::vector<AddressRange>> parse_ranges(std::string_view text) {
  std::vector<AddressRange> ranges;
  for (const auto& [word, range] : kWords) {
    if (word == text) ranges.push_back(AddressRange::parse(range).value());
  }
  if (!ranges.empty()) return ranges;
  const Result<AddressRange> range = AddressRange::parse(text);
  if (!range) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("'{}' is neither a range of addresses nor one of loopback, private, "
                            "link-local",
                            text.substr(0, 60)));
  }
  ranges.push_back(*range);
  return ranges;
}

Status check_host(const TargetPolicy& policy, std::string_view host, TargetOrigin origin) {
  const bool trusted = policy.trust_given_target && origin == TargetOrigin::given;
  if (trusted || policy.allowed_hosts.empty()) return {};
  const bool found = std::any_of(policy.allowed_hosts.begin(), policy.allowed_hosts.end(),
                                 [host](const auto& p) { return host_matches(p, host); });
  if (found) return {};
  return fail(ErrorCode::permission,
              fmt::format("{}{} is not among the hosts that may be dialled",
                          origin == TargetOrigin::redirect ? "redirected: " : "", host));
}

Status check_address(const TargetPolicy& policy, const IpAddress& address, TargetOrigin origin) {
  const AddressKind kind = kind_of(address);
  if (kind == AddressKind::global) return {};
  const bool never = kind == AddressKind::multicast || kind == AddressKind::unspecified;
  const bool trusted = policy.trust_given_target && origin == TargetOrigin::given;
  const IpAddress real = led_to(address);
  // Who allows a private network does not mean the keys that a cloud hands out inside it: those
  // take a range of that one address.
  const bool by_itself = kind == AddressKind::metadata;
  const bool allowed =
      trusted || std::any_of(policy.allowed.begin(), policy.allowed.end(),
                             [&real, by_itself](const AddressRange& range) {
                               return range.contains(real) && (!by_itself || range.bits == 128);
                             });
  if (allowed && !never) return {};
  return fail(
      ErrorCode::permission,
      fmt::format("{}{} is a {} address, which is not dialled{}",
                  origin == TargetOrigin::redirect ? "redirected: " : "", address.to_string(),
                  to_string(kind), never ? "" : " unless its range is allowed"));
}

}  // namespace linkpilot::prober
