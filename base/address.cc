#include "base/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace linkpilot {
namespace {

constexpr std::array<std::uint8_t, 12> kMappedPrefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

tl::unexpected<Error> bad_address(std::string_view text) {
  return fail(ErrorCode::invalid_argument,
              "'" + std::string(text.substr(0, 80)) + "' is not an IP address");
}

Result<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size()) {
    return fail(ErrorCode::invalid_argument,
                "'" + std::string(text.substr(0, 20)) + "' is not a port (0..65535)");
  }
  return port;
}

}  // namespace

IpAddress IpAddress::v4(std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) {
  IpAddress address;
  std::ranges::copy(kMappedPrefix, address.octets.begin());
  address.octets[12] = a;
  address.octets[13] = b;
  address.octets[14] = c;
  address.octets[15] = d;
  return address;
}

Result<IpAddress> IpAddress::parse(std::string_view text) {
  if (text.size() >= INET6_ADDRSTRLEN) return bad_address(text);
  const std::string terminated(text);
  in_addr four{};
  if (inet_pton(AF_INET, terminated.c_str(), &four) == 1) {
    IpAddress address;
    std::ranges::copy(kMappedPrefix, address.octets.begin());
    std::memcpy(address.octets.data() + 12, &four, 4);
    return address;
  }
  in6_addr six{};
  if (inet_pton(AF_INET6, terminated.c_str(), &six) == 1) {
    IpAddress address;
    std::memcpy(address.octets.data(), &six, 16);
    return address;
  }
  return bad_address(text);
}

bool IpAddress::is_v4() const {
  return std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), octets.begin());
}

bool IpAddress::is_unspecified() const {
  const auto host_begin = octets.begin() + (is_v4() ? 12 : 0);
  return std::all_of(host_begin, octets.end(), [](std::uint8_t octet) { return octet == 0; });
}

bool IpAddress::is_loopback() const {
  if (is_v4()) return octets[12] == 127;
  return std::all_of(octets.begin(), octets.end() - 1, [](std::uint8_t o) { return o == 0; }) &&
         octets[15] == 1;
}

std::string IpAddress::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const bool four = is_v4();
  inet_ntop(four ? AF_INET : AF_INET6, octets.data() + (four ? 12 : 0), text.data(), text.size());
  return text.data();
}

Result<Endpoint> Endpoint::parse(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return fail(ErrorCode::invalid_argument,
                "'" + std::string(text.substr(0, 80)) + "' has no port; write ADDRESS:PORT");
  }
  std::string_view host = text.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return fail(ErrorCode::invalid_argument, "write an IPv6 endpoint as [ADDRESS]:PORT");
  }
  const Result<IpAddress> address = IpAddress::parse(host);
  if (!address) return fail(address.error());
  const Result<std::uint16_t> port = parse_port(text.substr(colon + 1));
  if (!port) return fail(port.error());
  return Endpoint{*address, *port};
}

std::string Endpoint::to_string() const {
  const std::string host = address.to_string();
  return (address.is_v4() ? host : "[" + host + "]") + ":" + std::to_string(port);
}

}  // namespace linkpilot
