// Reflector: the answering end of all sessions of one agent, a stateful STAMP Session-Reflector
// (RFC 8762 s4.3) as a sans-I/O core. It turns a probe into its answer in the same buffer: an
// answer is exactly as long as its probe, so it can never amplify.
//
// - Only known sessions are served: the address of a planned peer port, and as SSID its node's
// number.
// - A probe is answered under the mode and key it came with, where those are the planned ones or
// the second
//   ones that hold while a pair changes its secret.
// - Each session has its own sequence, receive window and counts, from the first probe on. A probe
// behind
//   the window is refused as a replay; one seen before is answered again, so that its sender sees
//   it.
// - Rates are bounded by token buckets, per peer port and in total; sessions by kSessionsPerPeerMax
// (the
//   longest idle of that peer makes room) and by the total (refused), and expire after `idle`.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/address.h"
#include "base/ids.h"
#include "base/plan.h"
#include "base/rng.h"
#include "base/time.h"
#include "prober/stamp/receive_window.h"
#include "prober/stamp/sender_session.h"
#include "prober/stamp/stamp_auth.h"
#include "prober/stamp/stamp_packet.h"
#include "prober/stamp/tlv.h"
#include "prober/stamp/token_bucket.h"

namespace linkpilot::prober {

inline constexpr std::size_t kSessionsPerPeerMax = 16;

struct ReflectorOptions {
  double per_second_max = 50'000;
  double per_source_per_second_max = 2'000;
  std::size_t sessions_max = 8'192;
  Duration idle = std::chrono::minutes(5);
  std::uint64_t seed = 0;  // of the epochs
};

class Reflector {
 public:
  struct ProbeIn {
    std::span<std::uint8_t> bytes;  // becomes the answer
    Endpoint source;
    PortIndex port;  // ours, which it came to
    std::uint8_t ttl = 0;
    UnixNanos received;  // T2
    ErrorEstimate own_error;
  };
  enum class Verdict : std::uint8_t {
    answered,
    unknown_session,
    malformed,
    bad_authentication,
    replayed,
    rate,
    table_full,
  };
  // Names one answer of one session until its transmit stamp is known.
  struct AnswerId {
    std::uint32_t slot = 0;
    std::uint32_t epoch = 0;
    std::uint32_t sequence = 0;
  };
  struct Outcome {
    Verdict verdict = Verdict::unknown_session;
    AnswerId answer = {};
    LinkId link = {};  // the direction the probe travelled; of a bad_authentication, too
    PacketMode mode = PacketMode::unauthenticated;
    const SessionKey* key = nullptr;   // valid until set_peers()
    std::optional<LinkTlv> word = {};  // what the peer said, where it is one of ours
    bool duplicate = false;
  };

  explicit Reflector(const ReflectorOptions& options);

  // The peers are the far ends of our own planned links; sessions of those that stay are kept.
  void set_peers(std::span<const PlannedLink> links);
  void set_hearing(LinkId incoming, Hearing hearing);

  // An answered packet still lacks T3: finish() right before it leaves.
  Outcome on_probe(const ProbeIn& in, MonoTime now);
  static void finish(const Outcome& outcome, UnixNanos transmit, std::span<std::uint8_t> answer);
  // The kernel's stamp of an answer, for the Follow-Up Telemetry of the next.
  void on_transmit_stamp(AnswerId answer, UnixNanos transmit);
  // Ends idle sessions; every few seconds.
  void expire(MonoTime now);

  [[nodiscard]] std::size_t session_count() const { return by_source_.size(); }

 private:
  struct Seal {
    ProbeMode mode = ProbeMode::unspecified;  // unspecified: matches nothing
    std::optional<SessionKey> key = {};
  };
  struct Peer {
    LinkId link = {};  // from = the peer's port, to = ours
    IpAddress address;
    Seal seal;
    Seal also;  // during a change of the first
    Duration own_interval{};
    Hearing hearing;
    TokenBucket bucket;
  };
  struct Source {
    Endpoint endpoint;
    PortIndex port;
    std::uint16_t ssid = 0;
    friend bool operator==(const Source&, const Source&) = default;
  };
  struct SourceHash {
    std::size_t operator()(const Source& source) const noexcept {
      return std::hash<Endpoint>{}(source.endpoint) ^
             (std::size_t{source.ssid} << 8 | source.port.value) * 0x9e3779b97f4a7c15ULL;
    }
  };
  struct Session {
    Source source;
    LinkId link = {};
    std::uint32_t epoch = 0;  // our own; zero: free slot
    std::optional<std::uint32_t> sender_epoch = {};
    ReceiveWindow window = {};
    std::uint32_t next_sequence = 0;
    std::uint32_t received = 0;
    std::uint32_t reordered = 0;
    FollowUp last_transmit = {};
    MonoTime last_heard;
  };

  // A probe that belongs to a peer and is sealed as it should be, or why it is not.
  struct Opened {
    Verdict verdict = Verdict::unknown_session;
    Peer* peer = nullptr;
    const Seal* seal = nullptr;
    SenderPacket probe = {};
    KnownTlvs tlvs = {};
    bool tlvs_intact = true;
  };
  static Seal seal_of(ProbeMode mode, std::span<const std::uint8_t> secret, std::uint32_t epoch,
                      NodeId ssid);
  Opened open(const ProbeIn& in);
  Opened open_sealed(const ProbeIn& in);
  Peer* find_peer(const ProbeIn& in, std::uint16_t ssid, const std::optional<LinkTlv>& word);
  // nullopt: no room.
  std::optional<std::uint32_t> find_or_open(const Source& source, const Peer& peer, MonoTime now);
  void restart(Session& session);
  void close(std::uint32_t slot);
  bool make_room(LinkId link);
  // Whether the sequence may be answered; resets a session whose sender began anew.
  bool is_fresh(Session& session, const Seal& seal, std::uint32_t sequence,
                const std::optional<LinkTlv>& word);
  void write_answer(const ProbeIn& in, const Opened& opened, const Session& session);

  ReflectorOptions options_;
  Rng rng_;
  TokenBucket total_;
  std::vector<Peer> peers_;
  std::unordered_map<LinkId, std::uint32_t> peer_of_link_;
  std::unordered_multimap<IpAddress, std::uint32_t> peers_at_;
  std::vector<Session> sessions_;
  std::vector<std::uint32_t> free_;
  std::unordered_map<Source, std::uint32_t, SourceHash> by_source_;
};

}  // namespace linkpilot::prober
