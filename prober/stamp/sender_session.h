// SenderSession: the probing end of one link, all its flows. A sans-I/O core: it says when a probe
// is due and writes it, is told kernel stamps and answers, and yields one LinkSample per interval.
//
// - Schedule: absolute, open loop. A send up to kSendLatenessMax (or one period) late is made up
// for,
//   later ones are `missed_by_us`.
// - A probe belongs to the interval in which it was sent. The sample closes when all its probes are
// final
//   and `settle` has passed, at the latest `drain` after its interval; only then are figures
//   derived.
// - A lost probe is placed by the peer's 64-packet window (tlv.h); what no window covered is
// unplaced.
// - RTT = (T4 - T1) - (T3 - T2): each difference on one host's clock, T1 and T4 already monotonic.
// - The secret, or whether there is one, may change between two probes: answers to earlier ones are
// taken
//   under the earlier seal until their time is over.
// - A reflector that starts again is a new epoch of its counters, never a negative loss.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "base/ids.h"
#include "base/link_sample.h"
#include "base/plan.h"
#include "base/time.h"
#include "prober/stamp/probe_result.h"
#include "prober/stamp/probe_ring.h"
#include "prober/stamp/receive_window.h"
#include "prober/stamp/stamp_auth.h"
#include "prober/stamp/stamp_packet.h"
#include "prober/stamp/tlv.h"

namespace linkpilot::prober {

inline constexpr Duration kSendLatenessMax = std::chrono::milliseconds(25);
inline constexpr std::uint32_t kBurstMax = 1000;
inline constexpr Duration kBurstIntervalMin = std::chrono::milliseconds(1);

// When intervals begin, on the monotonic clock; the same for all links of an agent.
struct SampleClock {
  MonoTime origin = {};
  Duration length = std::chrono::seconds(1);
  [[nodiscard]] std::uint32_t index_of(MonoTime time) const {
    return static_cast<std::uint32_t>((time - origin) / length);
  }
  [[nodiscard]] MonoTime start_of(std::uint32_t index) const { return origin + length * index; }
};

struct SenderOptions {
  LinkId link;  // from = our port
  ProbeMode mode = ProbeMode::stamp;
  std::optional<SessionKey> key = {};  // stamp_authenticated
  Duration interval = kSlowProbeInterval;
  std::uint8_t flows = 1;
  // Names this session to the reflector; larger than that of any earlier session of the same link.
  std::uint32_t epoch = 1;
  Duration answer_timeout = std::chrono::seconds(2);
  Duration drain = std::chrono::seconds(3);
  Duration settle = std::chrono::milliseconds(500);
  SampleClock samples = {};
  std::function<void(const ProbeResult&)> on_result = {};  // empty: nobody asks
};

// What we tell the peer in every packet.
struct Hearing {
  bool hears = true;
  Duration silence{};
};

[[nodiscard]] PacketMode packet_mode_of(ProbeMode mode);
// Octets of our own probes, and so at most of their answers.
[[nodiscard]] std::size_t probe_size(ProbeMode mode);

class SenderSession {
 public:
  struct Due {
    std::uint8_t flow = 0;
    std::uint32_t sequence = 0;
  };
  struct AnswerIn {
    std::span<const std::uint8_t> bytes;
    std::uint8_t flow = 0;  // of the socket it came to
    MonoTime received = {};
    UnixNanos received_wall = {};
    bool kernel_stamp = false;
    std::optional<Duration> own_clock_error = {};  // nullopt: not synchronised
  };
  enum class Verdict : std::uint8_t { accepted, malformed, bad_authentication, unmatched };
  struct AnswerOut {
    Verdict verdict = Verdict::unmatched;
    std::optional<LinkTlv> link = {};  // the peer's word, where it is one of ours
  };

  // `first_due` carries the random phase.
  SenderSession(const SenderOptions& options, MonoTime first_due);

  [[nodiscard]] MonoTime next_due() const;
  // The next probe if one is due; it counts as sent at `now`. Call until nullopt.
  [[nodiscard]] std::optional<Due> take_due(Now now);
  [[nodiscard]] std::size_t packet_size() const { return packet_size_; }
  // Exactly packet_size() octets; the timestamp is the wall clock right before the send.
  void write_probe(Due due, UnixNanos now, ErrorEstimate own_error,
                   std::span<std::uint8_t> out) const;

  void on_send_error(Due due);
  void on_transmit_stamp(Due due, MonoTime transmitted);
  AnswerOut on_answer(const AnswerIn& in);

  // Another pace or number of flows from `first_due` on; sequences and open intervals stay.
  void repace(Duration interval, std::uint8_t flows, MonoTime first_due);
  // Another seal for the probes from `now` on; not to or from twamp_light.
  void reseal(ProbeMode mode, std::optional<SessionKey> key, MonoTime now);
  void burst(std::uint32_t count, Duration interval, MonoTime now);
  // Moves the schedule from the next regular probe on.
  void shift(Duration step) { regular_due_ += step; }
  void set_hearing(Hearing hearing) { hearing_ = hearing; }
  // No more probes; open samples still close.
  void stop();

  // The oldest sample that is closed by `now`; taken out. Call until nullopt.
  [[nodiscard]] std::optional<LinkSample> take_sample(MonoTime now);
  [[nodiscard]] bool has_open_intervals() const { return !open_.empty(); }
  [[nodiscard]] const SenderOptions& options() const { return options_; }
  [[nodiscard]] std::uint64_t missed_total() const { return missed_total_; }

 private:
  struct Flow {
    ProbeRing probes;
    ReceiveWindow answers;  // of the reflector's sequence numbers
    // The reflector's session as its newest answer told it.
    std::optional<std::uint32_t> epoch;
    std::uint32_t window_highest = 0;
    std::uint64_t window_bits = 0;
    std::uint32_t placeable_from = 0;  // sequences before it belong to an earlier epoch
    std::uint32_t duplicates = 0;
    std::uint32_t reordered = 0;
    std::optional<std::uint32_t> awaiting_follow_up;  // sequence of the newest answered probe
    struct Answered {
      std::uint32_t reflector_sequence = 0;
      std::uint32_t sequence = 0;
      bool valid = false;
    };
    std::array<Answered, 16> recent{};  // by reflector sequence, for follow-ups
    std::uint32_t highest_answered = 0;
    // The last probe put in a sample, for IPDV.
    std::optional<Duration> last_rtt;
    std::uint32_t last_sequence = 0;
  };
  struct OpenInterval {
    std::uint32_t index = 0;
    UnixNanos start;
    Duration probe_interval{};
    std::uint8_t flows = 0;
    std::uint32_t missed = 0;
    std::uint32_t unsettled = 0;  // probes that are not final
    bool nonconformant = false;
  };

  struct Seal {
    ProbeMode mode = ProbeMode::stamp;
    std::optional<SessionKey> key = {};
  };
  struct Opened {
    Verdict verdict = Verdict::malformed;
    ReflectorPacket packet = {};
    KnownTlvs tlvs = {};
  };
  [[nodiscard]] static Opened open(const Seal& seal, std::span<const std::uint8_t> bytes);
  OpenInterval& open_interval(Now now);
  OpenInterval* find_interval(std::uint32_t index);
  std::optional<Due> push_probe(Now now, OpenInterval& interval);
  void skip_missed(Now now);
  void settle(const Probe& probe);
  void note_answer(Flow& flow, Probe& probe, const ReflectorPacket& packet, const AnswerIn& in,
                   const KnownTlvs& tlvs);
  void begin_epoch(Flow& flow, std::uint32_t sequence, const std::optional<LinkTlv>& link);
  bool is_new_epoch(const Flow& flow, const Probe& probe, const ReflectorPacket& packet,
                    const std::optional<LinkTlv>& link) const;
  void note_window(Flow& flow, const LinkTlv& link);
  void note_reflector_counts(Flow& flow, Probe& probe, const ReflectorPacket& packet,
                             const LinkTlv& link);
  void note_follow_up(Flow& flow, const FollowUp& follow_up);
  void finish_awaiting(Flow& flow);
  void tell_result(std::uint8_t flow, std::uint32_t sequence, const Probe& probe) const;
  void add_to_sample(Flow& flow, std::uint32_t sequence, const Probe& probe, LinkSample& sample);
  void add_answered(Flow& flow, std::uint32_t sequence, const Probe& probe, LinkSample& sample);

  SenderOptions options_;
  Hearing hearing_;
  Seal seal_;
  Seal earlier_seal_;
  MonoTime earlier_until_{};  // answers under the earlier seal are taken until then
  std::size_t packet_size_ = 0;
  MonoTime regular_due_;
  std::optional<MonoTime> burst_due_;
  std::uint32_t burst_left_ = 0;
  Duration burst_interval_{};
  std::uint8_t next_flow_ = 0;
  bool stopped_ = false;
  std::uint64_t missed_total_ = 0;
  std::vector<Flow> flows_;
  std::deque<OpenInterval> open_;  // oldest first; at most drain / length + 2
};

}  // namespace linkpilot::prober
