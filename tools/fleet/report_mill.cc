#include "tools/fleet/report_mill.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/assert.h"
#include "base/rng.h"
#include "schemas/codec.h"

namespace linkpilot::fleet {

namespace {

constexpr std::int64_t kOnes = 0x1111'1111'1111'1111;
constexpr std::int64_t kTwos = 0x2222'2222'2222'2222;
constexpr std::size_t kPortsEach = 4;
constexpr std::uint32_t kSumMask = 0x3f;

// Nodes lie on a map, so that a link's round trip is the same in both directions and at all times
// but for a little jitter: routes stand still, as they do in a fleet.
struct Place {
  double x = 0;
  double y = 0;
};
Place place_of(NodeId node) {
  Rng rng(node.value);
  const double x = rng.uniform();
  return {x, rng.uniform()};
}
std::int64_t base_rtt_ns(LinkId link, Rng& rng) {
  const Place a = place_of(link.from.node);
  const Place b = place_of(link.to.node);
  const double base = 5e6 + 150e6 * std::hypot(a.x - b.x, a.y - b.y);
  return static_cast<std::int64_t>(base * (1.0 + 0.01 * rng.uniform()));
}

LinkSample sample_of(LinkId link, std::size_t cells, Rng& rng) {
  LinkSample s;
  s.link = link;
  s.length = std::chrono::seconds(1);
  s.probe_interval = std::chrono::milliseconds(50);
  s.start =
      UnixNanos{kOnes} - s.length - Duration(static_cast<std::int64_t>(rng.below(900'000'000)));
  s.flows = 2;
  s.timestamps = TimestampMethod::kernel;
  const std::int64_t base = base_rtt_ns(link, rng);
  Duration rtt(base);
  s.rtt_min = rtt;
  for (std::size_t i = 0; i < cells; ++i) {
    s.rtt.add(rtt);
    s.rtt_sum += rtt;
    s.rtt_max = rtt;
    ++s.answered;
    // The next cell or the one after it.
    const std::uint16_t bucket = LatencySketch::bucket_of(rtt);
    rtt = LatencySketch::bucket_low(bucket) + LatencySketch::bucket_width(bucket) +
          Duration(static_cast<std::int64_t>(rng.below(
              static_cast<std::uint64_t>(2 * LatencySketch::bucket_width(bucket).count()))));
  }
  s.sent = s.answered;
  if (rng.below(50) == 0) s.lost_forward = 1;
  if (rng.below(100) == 0) s.lost_backward = 1;
  s.sent += s.lost_forward + s.lost_backward;
  const auto one_way = [&](std::int64_t percent) {
    OneWayDelay delay;
    delay.count = s.answered;
    delay.min = Duration(base / 100 * percent + static_cast<std::int64_t>(rng.below(100'000)));
    delay.sum = delay.min * s.answered + Duration(static_cast<std::int64_t>(rng.below(5'000'000)));
    delay.error = Duration(120'000 + static_cast<std::int64_t>(rng.below(50'000)));
    return delay;
  };
  s.forward_delay = one_way(48);
  s.backward_delay = one_way(51);
  s.ipdv_count = s.answered - 1;
  s.ipdv_sum = Duration(static_cast<std::int64_t>(rng.below(20'000'000)));
  return s;
}

std::vector<std::uint8_t> encoded(const Report& report) {
  return schemas::encode(AgentMessage(report));
}

// Where two encodings differ, octet by octet.
std::vector<std::uint32_t> differences(const std::vector<std::uint8_t>& a,
                                       const std::vector<std::uint8_t>& b) {
  LP_ASSERT(a.size() == b.size());
  std::vector<std::uint32_t> at;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i]) at.push_back(static_cast<std::uint32_t>(i));
  }
  return at;
}

}  // namespace

ReportMill::Variant ReportMill::encode_variant(Report report) {
  report.id.sequence = static_cast<std::uint64_t>(kOnes);
  report.created = UnixNanos{kOnes};
  for (LinkSample& s : report.links) {
    // The sum is written less min * answered: make the lowest six bits of that zero.
    const std::int64_t over = s.rtt_sum.count() - s.rtt_min.count() * s.answered;
    s.rtt_sum -= Duration(over & kSumMask);
  }
  const std::vector<std::uint8_t> plain = encoded(report);
  Variant variant;
  variant.octets = plain.size();
  variant.words.resize(plain.size() / 8);
  std::memcpy(variant.words.data(), plain.data(), plain.size());

  Report other = report;
  other.id.sequence = static_cast<std::uint64_t>(kTwos);
  variant.sequence_at = differences(plain, encoded(other)).front();
  other = report;
  other.created = UnixNanos{kTwos};
  for (LinkSample& s : other.links) s.start += UnixNanos{kTwos} - UnixNanos{kOnes};
  const std::vector<std::uint32_t> created = differences(plain, encoded(other));
  LP_ASSERT(created.size() == sizeof(std::int64_t));
  variant.created_at = created.front();
  other = report;
  for (LinkSample& s : other.links) s.rtt_sum += Duration(kSumMask);
  variant.sums_at = differences(plain, encoded(other));
  LP_ASSERT(variant.sums_at.size() == report.links.size());
  return variant;
}

ReportMill::ReportMill(NodeId self, std::span<const NodeId> peers, const MillOptions& options) {
  for (std::size_t v = 0; v < options.variants; ++v) {
    Rng rng(std::uint64_t{self.value} << 16 | v);
    Report report;
    report.id.epoch = options.epoch;
    report.load.cpu_permille = 100;
    for (std::size_t pair = 0; pair < kPortsEach * kPortsEach; ++pair) {
      for (const NodeId peer : peers) {
        if (peer == self || report.links.size() >= options.links) continue;
        const LinkId link{{self, PortIndex{static_cast<std::uint8_t>(pair / kPortsEach)}},
                          {peer, PortIndex{static_cast<std::uint8_t>(pair % kPortsEach)}}};
        report.links.push_back(sample_of(link, options.cells, rng));
      }
    }
    links_ = report.links.size();
    variants_.push_back(encode_variant(std::move(report)));
  }
}

std::span<const std::uint8_t> ReportMill::make(std::uint64_t sequence, UnixNanos created) {
  Variant& variant = variants_[sequence % variants_.size()];
  auto* octets = reinterpret_cast<std::uint8_t*>(variant.words.data());
  std::memcpy(octets + variant.sequence_at, &sequence, sizeof sequence);
  std::memcpy(octets + variant.created_at, &created.ns, sizeof created.ns);
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < variant.sums_at.size(); ++i) {
    // A number of its own for every sample of every report (Weyl sequence).
    bits = (sequence * 0x9e3779b97f4a7c15ULL + i * 0xbf58476d1ce4e5b9ULL) >> 40;
    std::uint8_t& octet = octets[variant.sums_at[i]];
    octet = static_cast<std::uint8_t>((octet & ~(kSumMask << 1)) | (bits & kSumMask) << 1);
  }
  return {octets, variant.octets};
}

}  // namespace linkpilot::fleet
