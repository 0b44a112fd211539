// A network for a trace on virtual time: routers in a row, each of one or several addresses that
// flows are spread over, which quote what expires as real ones do. And the ICMP errors themselves,
// octet by octet, for tests of the reader.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "base/assert.h"
#include "base/time.h"
#include "prober/path/answer.h"
#include "prober/path/checksum.h"
#include "prober/stamp/bytes.h"

namespace linkpilot::prober {

using PathBytes = std::vector<std::uint8_t>;

inline void append(PathBytes& to, std::span<const std::uint8_t> from) {
  to.insert(to.end(), from.begin(), from.end());
}

// An MPLS label stack as an extension structure (RFC 4884, 4950).
inline PathBytes label_extension(std::vector<std::uint32_t> labels) {
  PathBytes bytes = {0x20, 0, 0, 0, 0, static_cast<std::uint8_t>(4 + 4 * labels.size()), 1, 1};
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const std::uint32_t bottom = i + 1 == labels.size() ? 0x100 : 0;
    bytes.resize(bytes.size() + 4);
    store_big(std::span(bytes), bytes.size() - 4, labels[i] << 12 | bottom | 1U);
  }
  store_big(std::span(bytes), 2, internet_checksum(bytes));
  return bytes;
}

struct IcmpErrorSpec {
  std::uint8_t type = 11;
  std::uint8_t code = 0;
  std::uint32_t rest = 0;     // of the header: the MTU
  bool states_length = true;  // of the quote, where there is an extension
  PathBytes extension = {};
  std::size_t quote_octets = 128;
};

// From the ICMP header on. With an extension the quote is filled up to 128 octets.
inline PathBytes icmp_error(const IcmpErrorSpec& spec, std::span<const std::uint8_t> packet) {
  const bool v4 = packet[0] >> 4 == 4;
  PathBytes quote(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(
                                                       std::min(packet.size(), spec.quote_octets)));
  PathBytes icmp = {spec.type, spec.code, 0, 0, 0, 0, 0, 0};
  store_big(std::span(icmp), 4, spec.rest);
  if (!spec.extension.empty()) {
    quote.resize(128);
    if (spec.states_length) icmp[v4 ? 5 : 4] = v4 ? 32 : 16;
  }
  append(icmp, quote);
  append(icmp, spec.extension);
  if (v4) store_big(std::span(icmp), 2, internet_checksum(icmp));
  return icmp;
}

inline PathBytes in_ipv4(const IpAddress& from, std::span<const std::uint8_t> payload,
                         std::uint8_t protocol = kIpProtocolIcmp, std::uint8_t ttl = 60) {
  PathBytes packet(20);
  packet[0] = 0x45;
  store_big(std::span(packet), 2, static_cast<std::uint16_t>(20 + payload.size()));
  packet[8] = ttl;
  packet[9] = protocol;
  std::copy_n(from.octets.begin() + 12, 4, packet.begin() + 12);
  append(packet, payload);
  return packet;
}

struct FakeRouter {
  std::vector<IpAddress> addresses;  // of several: by the flow's source port
  Duration rtt{};
  bool answers = true;
  PathBytes extension = {};
  // Whether it drops a packet that would pass it (or die there); by a count of those it saw.
  std::function<bool(std::uint64_t)> drops = {};
  // Answers at most so many; then one a second.
  std::optional<double> limit = {};
  // Of what it passes on: larger packets die here, and it says so (or not).
  std::size_t mtu = 65535;
  bool says_mtu = true;
  std::uint32_t claimed_mtu = 0;  // instead of the true one, if not zero
};

class FakeNetwork {
 public:
  std::vector<FakeRouter> routers;  // the last is the destination
  bool destination_answers = true;
  std::uint64_t packets = 0;
  std::function<void(FakeNetwork&)> before_packet = {};  // to change it on the way

  struct Answer {
    MonoTime at;
    IpAddress source;
    PathBytes bytes;  // as a raw socket gives it
    std::uint8_t ttl = 0;
  };

  // What comes back of it, if anything does.
  std::optional<Answer> pass(std::span<const std::uint8_t> packet, MonoTime now) {
    ++packets;
    if (before_packet) before_packet(*this);
    const bool v4 = packet[0] >> 4 == 4;
    const std::uint8_t ttl = packet[v4 ? 8 : 7];
    const auto port = load_big<std::uint16_t>(packet, v4 ? 20 : 40);
    const std::size_t stop = std::min<std::size_t>(ttl, routers.size());
    for (std::size_t i = 0; i < stop; ++i) {
      const FakeRouter& router = routers[i];
      if (router.drops && router.drops(seen_[i]++)) return std::nullopt;
      if (i + 1 < stop && packet.size() > router.mtu) return too_big(router, packet, now);
    }
    const std::size_t at = stop - 1;
    FakeRouter& router = routers[at];
    const bool arrived = at + 1 == routers.size();
    if (arrived && destination_answers && packet[v4 ? 9 : 6] == (v4 ? 1 : 58)) {
      return echo(router, packet, now);
    }
    if (!router.answers || (arrived && !destination_answers) || !allows(at, now)) {
      return std::nullopt;
    }
    const IpAddress& from = router.addresses[port % router.addresses.size()];
    PathBytes quoted(packet.begin(), packet.end());
    quoted[v4 ? 8 : 7] = 1;
    IcmpErrorSpec spec{.extension = router.extension};
    if (v4 && arrived) spec = {.type = 3, .code = 3, .extension = {}};
    if (!v4) {
      spec.type = arrived ? 1 : 3;
      spec.code = arrived ? 4 : 0;
      spec.quote_octets = 1232;
    }
    const PathBytes icmp = icmp_error(spec, quoted);
    const auto left = static_cast<std::uint8_t>(64 - at);
    return Answer{.at = now + router.rtt,
                  .source = from,
                  .bytes = v4 ? in_ipv4(from, icmp, kIpProtocolIcmp, left) : icmp,
                  .ttl = left};
  }

 private:
  static std::optional<Answer> too_big(const FakeRouter& router,
                                       std::span<const std::uint8_t> packet, MonoTime now) {
    if (!router.says_mtu) return std::nullopt;
    const bool v4 = packet[0] >> 4 == 4;
    const auto mtu =
        router.claimed_mtu != 0 ? router.claimed_mtu : static_cast<std::uint32_t>(router.mtu);
    const PathBytes icmp = icmp_error({.type = static_cast<std::uint8_t>(v4 ? 3 : 2),
                                       .code = static_cast<std::uint8_t>(v4 ? 4 : 0),
                                       .rest = mtu,
                                       .extension = {},
                                       .quote_octets = v4 ? 28U : 1232U},
                                      packet);
    const IpAddress& from = router.addresses.front();
    return Answer{.at = now + router.rtt,
                  .source = from,
                  .bytes = v4 ? in_ipv4(from, icmp) : icmp,
                  .ttl = 60};
  }

  static Answer echo(const FakeRouter& host, std::span<const std::uint8_t> packet, MonoTime now) {
    const bool v4 = packet[0] >> 4 == 4;
    PathBytes icmp(packet.begin() + (v4 ? 20 : 40), packet.end());
    icmp[0] = v4 ? 0 : 129;
    if (v4) {
      store_big(std::span(icmp), 2, std::uint16_t{0});
      store_big(std::span(icmp), 2, internet_checksum(icmp));
    }
    const IpAddress& from = host.addresses.front();
    return {
        .at = now + host.rtt, .source = from, .bytes = v4 ? in_ipv4(from, icmp) : icmp, .ttl = 60};
  }

  bool allows(std::size_t router, MonoTime now) {
    const auto limit = routers[router].limit;
    if (!limit) return true;
    auto [found, fresh] = tokens_.try_emplace(router, *limit, now);
    auto& [tokens, at] = found->second;
    tokens = std::min(*limit, tokens + std::chrono::duration<double>(now - at).count());
    at = now;
    if (tokens < 1) return false;
    tokens -= 1;
    return true;
  }

  std::map<std::size_t, std::uint64_t> seen_;
  std::map<std::size_t, std::pair<double, MonoTime>> tokens_;
};

// Runs an engine like Trace to its end on virtual time; returns how long it took.
template <class Engine>
Duration run_on(FakeNetwork& network, Engine& engine, MonoTime start) {
  std::multimap<MonoTime, FakeNetwork::Answer> coming;
  const auto at = [](MonoTime mono) { return Now{mono, UnixNanos{mono.ns + 1'000'000'000'000}}; };
  MonoTime now = start;
  for (int turns = 0; turns < 2'000'000 && !engine.done(); ++turns) {
    engine.on_time(now);
    while (const auto probe = engine.next_probe(at(now))) {
      if (auto answer = network.pass(probe->packet, now)) coming.emplace(answer->at, *answer);
    }
    if (engine.done()) break;
    std::optional<MonoTime> next = engine.next_wakeup();
    if (!coming.empty() && (!next || coming.begin()->first <= *next)) {
      const FakeNetwork::Answer answer = coming.begin()->second;
      coming.erase(coming.begin());
      now = std::max(now, answer.at);
      engine.on_packet({.bytes = answer.bytes,
                        .protocol = PathProtocol::icmp,
                        .is_v4 = answer.source.is_v4(),
                        .source = answer.source,
                        .ttl = answer.ttl,
                        .received = at(now).wall},
                       at(now));
      continue;
    }
    LP_ASSERT(next.has_value());
    now = std::max(now, *next);
  }
  LP_ASSERT(engine.done());
  return now - start;
}

}  // namespace linkpilot::prober
