// Engine: the one StampEngine. engine.cc keeps the set of links and their samples,
// engine_traffic.cc does what happens in a tick. Only these two include this header.
#pragma once

#include <array>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "prober/stamp/clock_map.h"
#include "prober/stamp/engine.h"
#include "prober/stamp/probe_phase.h"
#include "prober/stamp/reflector.h"
#include "prober/stamp/sender_session.h"
#include "prober/stamp/stamp_socket.h"
#include "prober/stamp/token_bucket.h"

namespace linkpilot::prober {

inline constexpr std::size_t kProbeSizeMax = 256;
inline constexpr MonoTime kNever{std::numeric_limits<std::int64_t>::max()};

class Engine final : public StampEngine {
 public:
  explicit Engine(const StampEngineOptions& options);
  Status open();

  ApplyOutcome apply(std::span<const PlannedLink> links, Now now) override;
  void burst(LinkId link, std::uint32_t count, Duration interval, Now now) override;
  void set_hearing(LinkId incoming, bool hearing, Duration silence) override;
  std::span<const Arrival> tick(Now now) override;
  std::vector<LinkSample> take_samples(Now now) override;
  std::map<LinkId, std::uint64_t> take_unauthenticated() override;
  [[nodiscard]] MonoTime next_wakeup() const override;
  [[nodiscard]] const StampCounters& counters() const override { return counters_; }

 private:
  // One planned link, or one that left the plan and still has samples to close.
  struct Link {
    PlannedLink planned;  // as planned; the pace in use is the session's
    SenderSession session;
    std::size_t port = 0;  // position in ports_
    std::uint32_t generation = 0;
    bool retired = false;
    MonoTime queued{};  // the due time of its valid entry in due_
    ProbePhase phase = {};
    // The other end of the link leaves its own schedule where it is.
    [[nodiscard]] bool steers() const { return planned.link.from < planned.link.to; }
  };
  struct PortSockets {
    Port port;
    std::unique_ptr<StampSocket> reflector;
    std::vector<std::unique_ptr<StampSocket>> senders;  // by flow
    std::size_t flows_used = 0;  // sockets from here on have never sent, and so hear nothing
    std::unordered_map<Endpoint, std::uint32_t> slots;                              // peer -> link
    std::vector<std::vector<std::pair<std::uint32_t, SenderSession::Due>>> outbox;  // by flow
  };
  struct DueEntry {
    MonoTime due;
    std::uint32_t slot = 0;
    // For a heap with the earliest on top.
    friend bool operator<(const DueEntry& a, const DueEntry& b) { return a.due > b.due; }
  };

  Status open_port(const Port& port);
  std::optional<std::size_t> find_port(PortIndex index) const;
  double stretch_over_ceiling(std::span<const PlannedLink> links) const;
  void add_link(const PlannedLink& planned, Duration interval, std::size_t port, Now now);
  std::optional<std::uint32_t> find_same(const PlannedLink& planned) const;
  std::optional<SessionKey> key_of(const PlannedLink& planned) const;
  void open_link(const PlannedLink& planned, const SenderOptions& options, std::size_t port,
                 MonoTime first_due);
  void retire(std::uint32_t slot);
  void erase(std::uint32_t slot);
  void queue(std::uint32_t slot);

  void update_clock(Now now);
  void drain_stamps(PortSockets& sockets);
  void drain_probes(PortSockets& sockets, Now now);
  void reflect(PortSockets& sockets, std::span<ReceivedDatagram> probes, Now now);
  void note_phase(LinkId incoming, MonoTime received, Duration peer_interval, Now now);
  void choose_stamped(std::size_t count);
  void count_refusal(const Reflector::Outcome& outcome);
  void count_unauthenticated(LinkId link);
  void drain_answers(PortSockets& sockets, std::uint8_t flow, Now now);
  void take_answer(PortSockets& sockets, std::uint8_t flow, const ReceivedDatagram& datagram,
                   Now now);
  void send_due(Now now);
  void flush(PortSockets& sockets, std::uint8_t flow);
  void send_batch(PortSockets& sockets, std::uint8_t flow,
                  std::span<const std::pair<std::uint32_t, SenderSession::Due>> dues);
  MonoTime received_mono(const ReceivedDatagram& datagram, Now now);
  void add_arrival(LinkId link, Arrival::Kind kind, std::uint8_t flow, MonoTime received,
                   const std::optional<LinkTlv>& word);

  StampEngineOptions options_;
  Rng rng_;
  SampleClock sample_clock_;
  ClockMap clock_;
  ErrorEstimate own_error_;
  std::optional<Duration> own_clock_error_;
  MonoTime clock_state_due_{};
  MonoTime expire_due_{};
  std::vector<PortSockets> ports_;
  Reflector reflector_;
  std::vector<std::unique_ptr<Link>> links_;
  std::vector<std::uint32_t> free_;
  std::size_t retired_ = 0;  // links that left the plan and still have samples to close
  std::unordered_map<LinkId, std::uint32_t> slot_of_;  // planned links only
  std::vector<DueEntry> due_;                          // heap; entries not `queued` are stale
  std::unordered_map<LinkId, Hearing> hearing_;        // by incoming link, of the plan only
  std::map<LinkId, std::uint64_t> unauthenticated_;    // since taken, of planned links only
  TokenBucket burst_bucket_;
  std::uint32_t generation_ = 0;
  std::uint32_t last_epoch_ = 0;
  DatagramBatch batch_;
  std::array<OutgoingDatagram, kDatagramBatch> outgoing_;
  std::array<Reflector::Outcome, kDatagramBatch> outcomes_;
  std::uint32_t answer_batch_ = 0;
  std::vector<std::uint32_t> last_batch_of_;  // by reflector session: the newest batch it is in
  std::vector<std::array<std::uint8_t, kProbeSizeMax>> packets_;
  std::vector<Arrival> arrivals_;
  StampCounters counters_;
};

}  // namespace linkpilot::prober
