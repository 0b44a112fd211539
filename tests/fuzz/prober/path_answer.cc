// What comes in on the raw sockets of a trace: ICMP errors with their quotes and extensions, echo,
// UDP and TCP answers. Input: an octet that says which socket and family, then the packet.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "prober/path/probe_match.h"
#include "prober/path/trace.h"
#include "tests/fuzz/fuzz_target.h"

using namespace linkpilot;
using namespace linkpilot::prober;

namespace {

constexpr std::uint64_t kFuzzSecret = 0x1122334455667788;
constexpr std::uint32_t kFuzzProbes = 40;

TraceOptions fuzz_options(PathProtocol protocol, bool v4) {
  TraceOptions options;
  options.first = {.protocol = protocol,
                   .source = IpAddress::parse(v4 ? "192.0.2.1" : "2001:db8::1").value(),
                   .destination = IpAddress::parse(v4 ? "198.51.100.7" : "2001:db8:1::7").value(),
                   .source_port = 20001,
                   .destination_port = 33434};
  options.flows = 2;
  options.ahead = 20;
  options.gap_max = 20;
  options.secret = kFuzzSecret;
  options.packets_per_second = 10'000;
  return options;
}

void check_quote(const IcmpError& error, std::span<const std::uint8_t> all) {
  const QuotedPacket& quote = error.quote;
  require(quote.transport.size() >= 8);
  require(quote.transport.data() >= all.data());
  require(quote.transport.data() + quote.transport.size() <= all.data() + all.size());
  require(error.labels.size <= kMplsLabelsMax);
}

}  // namespace

FUZZ_TARGET(path_answer, data, size) {
  if (size < 1) return 0;
  const std::uint8_t kind = data[0];
  const bool v4 = (kind & 4) == 0;
  const auto protocol = static_cast<PathProtocol>((kind & 3) % 3);
  // An input may be cut short in its own buffer, so that a sanitizer sees what is read beyond it.
  const std::vector<std::uint8_t> bytes(data + 1, data + size);
  const IpAddress from = IpAddress::parse(v4 ? "198.51.100.7" : "2001:db8:1::7").value();
  const ReceivedPacket packet{.bytes = bytes,
                              .protocol = (kind & 8) != 0 ? protocol : PathProtocol::icmp,
                              .is_v4 = v4,
                              .source = from,
                              .ttl = 60};
  if (const auto answer = read_answer(packet); answer && answer->error) {
    check_quote(*answer->error, bytes);
  }
  Trace trace(fuzz_options(protocol, v4), MonoTime{1'000'000'000});
  Now now{MonoTime{1'000'000'000}, UnixNanos{1'000'000'000'000}};
  for (std::uint32_t i = 0; i < kFuzzProbes; ++i) {
    (void)trace.next_probe(now);
    now.mono += std::chrono::milliseconds(1);
  }
  trace.on_packet(packet, now);
  trace.on_packet(packet, now);
  const TraceReport report = trace.report();
  require(report.counters.answers + report.counters.not_ours + report.counters.malformed == 2);
  for (const FlowPath& path : report.flows) require(path.hops.size() <= kHopsMax);
  return 0;
}
