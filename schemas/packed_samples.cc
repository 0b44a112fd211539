#include "schemas/packed_samples.h"

#include <bit>
#include <cstring>
#include <limits>

#include "base/assert.h"
#include "base/report.h"
#include "schemas/wire_values.h"

namespace linkpilot::schemas {
namespace {

constexpr std::uint64_t kSameNear = 1;
constexpr std::uint64_t kSameShape = 2;
constexpr std::uint64_t kNonconformant = 4;
constexpr std::uint64_t kTroubles = 8;
constexpr std::uint64_t kForward = 16;
constexpr std::uint64_t kBackward = 32;
constexpr std::uint64_t kIpdv = 64;
constexpr std::uint64_t kFlagsAll = 127;
// A sample takes at least this many octets: bounds what a count may make us allocate.
constexpr std::size_t kSampleOctetsMin = 9;

constexpr std::uint64_t zigzag(std::int64_t value) {
  return static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63);
}
constexpr std::int64_t unzigzag(std::uint64_t value) {
  return static_cast<std::int64_t>(value >> 1 ^ (~(value & 1) + 1));
}
// Differences and products that may leave 64 bits: both sides compute them modulo 2^64.
constexpr std::int64_t minus(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}
constexpr std::int64_t plus(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}
constexpr std::int64_t times(std::int64_t a, std::uint32_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) * b);
}

// What the next sample is told against; both sides keep it.
struct Before {
  std::uint32_t near = std::numeric_limits<std::uint32_t>::max();
  std::int64_t to_node = 0;
  std::int64_t start = 0;
  std::int64_t length = -1;
  std::int64_t interval = -1;
  std::uint64_t flows_method = 0;
  std::int64_t forward_error = 0;
  std::int64_t backward_error = 0;
};

constexpr std::uint32_t near_of(PortId port) {
  return std::uint32_t{port.node.value} << 3 | port.port.value;
}

class Writer {
 public:
  explicit Writer(std::vector<std::uint8_t>& out) : out_(out) {}
  void number(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_.push_back(static_cast<std::uint8_t>(value | 0x80));
    out_.push_back(static_cast<std::uint8_t>(value));
  }
  void difference(std::int64_t value) { number(zigzag(value)); }

 private:
  std::vector<std::uint8_t>& out_;
};

class Reader {
 public:
  explicit Reader(std::span<const std::uint8_t> octets)
      : at_(octets.data()), end_(octets.data() + octets.size()) {}
  [[nodiscard]] std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }

  // Inlined by order: most numbers are one octet, and a call costs more than that.
  [[gnu::always_inline]] std::uint64_t number() {
    if (at_ == end_) refuse("packed samples end within a sample");
    const std::uint8_t first = *at_++;
    if (first < 0x80) return first;
    const Longer rest = longer(first, at_, end_);
    at_ = rest.behind;
    return rest.value;
  }
  // Two numbers of one octet each; false, and nothing is taken, if the next are not such.
  [[gnu::always_inline]] bool two_small(std::uint8_t& first, std::uint8_t& second) {
    if (left() < 2 || ((at_[0] | at_[1]) & 0x80) != 0) return false;
    first = at_[0];
    second = at_[1];
    at_ += 2;
    return true;
  }
  std::int64_t difference() { return unzigzag(number()); }
  std::uint32_t count() {
    const std::uint64_t value = number();
    if (value > std::numeric_limits<std::uint32_t>::max()) refuse("a count is over 32 bits");
    return static_cast<std::uint32_t>(value);
  }
  std::uint32_t count_near(std::uint32_t other) {
    const std::int64_t value = plus(other, difference());
    if (value < 0 || value > std::numeric_limits<std::uint32_t>::max()) {
      refuse("a count is over 32 bits");
    }
    return static_cast<std::uint32_t>(value);
  }

 private:
  struct Longer {
    std::uint64_t value = 0;
    const std::uint8_t* behind = nullptr;
  };
  // What follows a first octet with its highest bit set. Where eight more are there, they are taken
  // as one word: up to the first without that bit, squeezed from sevens in eights to one number.
  // Static, so that where the reader stands may stay in a register.
  [[gnu::noinline]] static Longer longer(std::uint64_t first, const std::uint8_t* at,
                                         const std::uint8_t* end) {
    if (static_cast<std::size_t>(end - at) < sizeof(std::uint64_t)) {
      return longer_by_octets(first, at, end);
    }
    std::uint64_t word = 0;
    std::memcpy(&word, at, sizeof(word));
    if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
    const std::uint64_t ends = ~word & 0x8080'8080'8080'8080;
    if (ends == 0) return longer_by_octets(first, at, end);
    word &= (ends ^ (ends - 1)) & 0x7f7f'7f7f'7f7f'7f7f;
    word = (word & 0x007f'007f'007f'007f) | (word & 0x7f00'7f00'7f00'7f00) >> 1;
    word = (word & 0x0000'3fff'0000'3fff) | (word & 0x3fff'0000'3fff'0000) >> 2;
    word = (word & 0x0000'0000'0fff'ffff) | (word & 0x0fff'ffff'0000'0000) >> 4;
    return {(first & 0x7f) | word << 7, at + std::countr_zero(ends) / 8 + 1};
  }
  static Longer longer_by_octets(std::uint64_t first, const std::uint8_t* at,
                                 const std::uint8_t* end) {
    std::uint64_t value = first & 0x7f;
    for (unsigned shift = 7; shift < 70; shift += 7) {
      if (at == end) refuse("packed samples end within a number");
      const std::uint64_t octet = *at++;
      if (shift == 63 && octet > 1) break;
      value |= (octet & 0x7f) << shift;
      if (octet < 0x80) return {value, at};
    }
    refuse("a packed number is over 64 bits");
  }
  const std::uint8_t* at_;
  const std::uint8_t* end_;
};

bool has_troubles(const LinkSample& s) {
  return (s.late | s.lost_forward | s.lost_backward | s.lost_unplaced | s.duplicate_forward |
          s.duplicate_backward | s.reordered_forward | s.reordered_backward | s.missed_by_us |
          s.local_send_error) != 0;
}

void write_one_way(Writer& out, const OneWayDelay& delay, std::uint32_t answered,
                   std::int64_t& error_before) {
  const std::int64_t error = span_ns(delay.error);
  out.difference(minus(delay.count, answered));
  out.difference(delay.min.count());
  out.difference(minus(delay.sum.count(), times(delay.min.count(), delay.count)));
  out.difference(minus(error, error_before));
  error_before = error;
}

// Into its place: a copy of what was just written by parts would wait for it.
[[gnu::always_inline]] inline void read_one_way(Reader& in, bool claimed, std::uint32_t answered,
                                                std::int64_t& error_before, OneWayDelay& delay) {
  if (!claimed) {
    delay = {};
    return;
  }
  delay.count = in.count_near(answered);
  delay.min = Duration(in.difference());
  delay.sum = Duration(plus(in.difference(), times(delay.min.count(), delay.count)));
  error_before = plus(error_before, in.difference());
  delay.error = read_span_ns(error_before, "a clock error");
}

void write_sketch(Writer& out, const LatencySketch& sketch) {
  out.number(sketch.cells().size());
  std::uint32_t before = 0;
  for (const SketchCell& cell : sketch.cells()) {
    out.number(cell.bucket - before);
    out.number(cell.count);
    before = cell.bucket;
  }
}

void read_sketch(Reader& in, LatencySketch& sketch) {
  sketch.clear();
  const std::uint64_t cells = in.number();
  if (cells > kSketchBuckets || cells * 2 > in.left()) refuse("a sketch has too many cells");
  std::uint64_t bucket = 0;
  for (std::uint64_t i = 0; i < cells; ++i) {
    std::uint8_t small_step = 0;
    std::uint8_t small_count = 0;
    const bool small = in.two_small(small_step, small_count);
    const std::uint64_t step = small ? small_step : in.number();
    const std::uint32_t count = small ? small_count : in.count();
    if ((i > 0 && step == 0) || count == 0) refuse("a sketch is not in its one canonical form");
    if (step >= kSketchBuckets - bucket) refuse("a sketch has a bucket out of range");
    bucket += step;
    sketch.append(static_cast<std::uint16_t>(bucket), count);
  }
}

constexpr OneWayDelay kNothingClaimed{};

std::uint64_t flags_of(const LinkSample& s, const Before& before, std::uint64_t flows_method) {
  const bool same_shape = before.length == span_ns(s.length) &&
                          before.interval == span_ns(s.probe_interval) &&
                          before.flows_method == flows_method;
  return (near_of(s.link.from) == before.near ? kSameNear : 0) | (same_shape ? kSameShape : 0) |
         (s.nonconformant_peer ? kNonconformant : 0) | (has_troubles(s) ? kTroubles : 0) |
         (s.forward_delay == kNothingClaimed ? 0 : kForward) |
         (s.backward_delay == kNothingClaimed ? 0 : kBackward) |
         (s.ipdv_count == 0 && s.ipdv_sum.count() == 0 ? 0 : kIpdv);
}

void write_sample(Writer& out, const LinkSample& s, Before& before) {
  const std::uint64_t flows_method =
      std::uint64_t{s.flows} << 2 | static_cast<std::uint64_t>(s.timestamps);
  const std::uint64_t flags = flags_of(s, before, flows_method);
  out.number(flags);
  if ((flags & kSameNear) == 0) out.number(near_of(s.link.from));
  out.number(zigzag(s.link.to.node.value - before.to_node) << 3 | s.link.to.port.value);
  out.difference(minus(s.start.ns, before.start));
  if ((flags & kSameShape) == 0) {
    out.number(static_cast<std::uint64_t>(span_ns(s.length)));
    out.number(static_cast<std::uint64_t>(span_ns(s.probe_interval)));
    out.number(flows_method);
  }
  out.number(s.sent);
  out.difference(minus(s.answered, s.sent));
  if ((flags & kTroubles) != 0) {
    for (const std::uint32_t count :
         {s.late, s.lost_forward, s.lost_backward, s.lost_unplaced, s.duplicate_forward,
          s.duplicate_backward, s.reordered_forward, s.reordered_backward, s.missed_by_us,
          s.local_send_error}) {
      out.number(count);
    }
  }
  const std::int64_t rtt_min = span_ns(s.rtt_min);
  out.number(static_cast<std::uint64_t>(rtt_min));
  out.difference(minus(span_ns(s.rtt_max), rtt_min));
  out.difference(minus(span_ns(s.rtt_sum), times(rtt_min, s.answered)));
  write_sketch(out, s.rtt);
  if ((flags & kForward) != 0) {
    write_one_way(out, s.forward_delay, s.answered, before.forward_error);
  }
  if ((flags & kBackward) != 0) {
    write_one_way(out, s.backward_delay, s.answered, before.backward_error);
  }
  if ((flags & kIpdv) != 0) {
    out.difference(minus(s.ipdv_count, s.answered));
    out.number(static_cast<std::uint64_t>(span_ns(s.ipdv_sum)));
  }
  before.near = near_of(s.link.from);
  before.to_node = s.link.to.node.value;
  before.start = s.start.ns;
  before.length = span_ns(s.length);
  before.interval = span_ns(s.probe_interval);
  before.flows_method = flows_method;
}

Duration read_span(std::uint64_t value, const char* what) {
  return read_span_ns(static_cast<std::int64_t>(value), what);
}

void read_link(Reader& in, std::uint64_t flags, LinkSample& s, Before& before) {
  if ((flags & kSameNear) == 0) {
    const std::uint64_t near = in.number();
    if (near >> 3 > std::numeric_limits<std::uint16_t>::max()) refuse("a node is over 16 bits");
    before.near = static_cast<std::uint32_t>(near);
  } else if (before.near == std::numeric_limits<std::uint32_t>::max()) {
    refuse("the first packed sample does not say its near port");
  }
  s.link.from = {NodeId(static_cast<std::uint16_t>(before.near >> 3)),
                 PortIndex(static_cast<std::uint8_t>(before.near & 7))};
  const std::uint64_t far = in.number();
  before.to_node = plus(before.to_node, unzigzag(far >> 3));
  if (before.to_node < 0 || before.to_node > std::numeric_limits<std::uint16_t>::max()) {
    refuse("a node is over 16 bits");
  }
  s.link.to = {NodeId(static_cast<std::uint16_t>(before.to_node)),
               PortIndex(static_cast<std::uint8_t>(far & 7))};
}

void read_troubles(Reader& in, std::uint64_t flags, LinkSample& s) {
  std::uint32_t* const counts[] = {&s.late,
                                   &s.lost_forward,
                                   &s.lost_backward,
                                   &s.lost_unplaced,
                                   &s.duplicate_forward,
                                   &s.duplicate_backward,
                                   &s.reordered_forward,
                                   &s.reordered_backward,
                                   &s.missed_by_us,
                                   &s.local_send_error};
  for (std::uint32_t* count : counts) *count = (flags & kTroubles) != 0 ? in.count() : 0;
}

void read_sample(Reader& in, LinkSample& s, Before& before) {
  const std::uint64_t flags = in.number();
  if (flags > kFlagsAll) refuse("a packed sample has flags of a newer program");
  read_link(in, flags, s, before);
  before.start = plus(before.start, in.difference());
  s.start = {before.start};
  if ((flags & kSameShape) == 0) {
    before.length = read_span(in.number(), "a sample's length").count();
    before.interval = read_span(in.number(), "a sample's probe interval").count();
    before.flows_method = in.number();
    if (before.flows_method >> 10 != 0) refuse("a sample has too many flows");
  } else if (before.length < 0) {
    refuse("the first packed sample does not say its length");
  }
  s.length = Duration(before.length);
  s.probe_interval = Duration(before.interval);
  s.flows = static_cast<std::uint8_t>(before.flows_method >> 2);
  s.timestamps = static_cast<TimestampMethod>(before.flows_method & 3);
  s.nonconformant_peer = (flags & kNonconformant) != 0;
  s.sent = in.count();
  s.answered = in.count_near(s.sent);
  read_troubles(in, flags, s);
  s.rtt_min = read_span(in.number(), "a sample's least RTT");
  const std::int64_t rtt_min = s.rtt_min.count();
  s.rtt_max = read_span_ns(plus(rtt_min, in.difference()), "a sample's greatest RTT");
  s.rtt_sum =
      read_span_ns(plus(times(rtt_min, s.answered), in.difference()), "a sample's sum of RTTs");
  read_sketch(in, s.rtt);
  read_one_way(in, (flags & kForward) != 0, s.answered, before.forward_error, s.forward_delay);
  read_one_way(in, (flags & kBackward) != 0, s.answered, before.backward_error, s.backward_delay);
  s.ipdv_count = (flags & kIpdv) != 0 ? in.count_near(s.answered) : 0;
  s.ipdv_sum = (flags & kIpdv) != 0 ? read_span(in.number(), "a sample's sum of delay variations")
                                    : Duration{};
}

}  // namespace

void pack_samples(std::span<const LinkSample> samples, UnixNanos created,
                  std::vector<std::uint8_t>& out) {
  LP_ASSERT(samples.size() <= kReportLinksMax);
  Writer writer(out);
  writer.number(samples.size());
  Before before;
  before.start = created.ns;
  for (const LinkSample& sample : samples) write_sample(writer, sample, before);
}

void unpack_samples(std::span<const std::uint8_t> packed, UnixNanos created,
                    std::vector<LinkSample>& samples) {
  if (packed.empty()) {
    samples.clear();
    return;
  }
  Reader in(packed);
  const std::uint64_t count = in.number();
  check_count(count, kReportLinksMax, "a report's links");
  if (count * kSampleOctetsMin > in.left()) refuse("packed samples are fewer than they say");
  samples.resize(count);
  Before before;
  before.start = created.ns;
  for (LinkSample& sample : samples) read_sample(in, sample, before);
  if (in.left() != 0) refuse("packed samples are followed by other octets");
}

}  // namespace linkpilot::schemas
