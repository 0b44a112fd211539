// PathSocket: the raw sockets of a trace. CAP_NET_RAW is the only right they need.
//
// One sends whole packets, IP header included (IPPROTO_RAW), past the kernel's cached path MTU; one
// receives ICMP errors and echo replies; for UDP and TCP a third receives what the destination
// answers, connected to it so that the kernel passes on nothing else. To a SYN and ACK our kernel
// itself answers with a reset, as it knows no such connection. Receive and transmit stamps are the
// kernel's (SO_TIMESTAMPING, software). One thread. Sources: raw(7), ipv6(7), Linux
// Documentation/networking/timestamping.rst.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "base/runtime/files.h"
#include "base/time.h"
#include "prober/path/answer.h"
#include "prober/path/probe_packet.h"

namespace linkpilot::prober {

// The address our packets to `destination` leave from. Fails where there is no route.
[[nodiscard]] Result<IpAddress> source_address_to(const IpAddress& destination);

class PathSocket {
 public:
  struct SentStamp {
    std::uint32_t sequence = 0;
    UnixNanos time;
  };
  enum class Sent : std::uint8_t { yes, too_long, no };

  // Without the right: an Error of kind permission that names it and how to grant it.
  [[nodiscard]] static Result<std::unique_ptr<PathSocket>> open(PathProtocol protocol,
                                                                const IpAddress& destination);

  // `too_long`: longer than the first link passes; it was not sent.
  [[nodiscard]] Sent send(std::span<const std::uint8_t> packet, std::uint32_t sequence);
  // One packet, valid until the next call; nothing: the queues are empty.
  [[nodiscard]] std::optional<ReceivedPacket> receive();
  // One transmit stamp; nothing: there is none. Drain them before receive().
  [[nodiscard]] std::optional<SentStamp> sent_stamp();

  // Waits until there is something to read, here or (`other` >= 0) there.
  void wait(Duration at_most, int other = -1) const;
  // Of the last packet that was not sent; zero: none.
  [[nodiscard]] int send_error() const { return send_error_; }
  // Packets the kernel dropped because a receive queue was full.
  [[nodiscard]] std::uint32_t queue_drops() const { return drops_[0] + drops_[1]; }

 private:
  struct Receiver {
    UniqueFd fd;
    PathProtocol protocol = PathProtocol::icmp;
  };
  static constexpr std::size_t kStampsKept = 4096;

  explicit PathSocket(const IpAddress& destination) : destination_(destination) {}
  [[nodiscard]] Status open_receiver(PathProtocol protocol);
  [[nodiscard]] std::optional<ReceivedPacket> receive_from(std::size_t index);

  IpAddress destination_;
  UniqueFd sender_;
  std::vector<Receiver> receivers_;
  std::array<std::uint32_t, 2> drops_{};
  std::vector<std::uint8_t> buffer_;
  // Sequences by the kernel's id of the send, modulo the size.
  std::vector<std::uint32_t> sequences_;
  std::uint32_t next_id_ = 0;
  // After a send that failed the kernel's counter may or may not have moved on.
  bool stamps_believed_ = true;
  int send_error_ = 0;
};

// One turn of anything that probes as Trace does: stamps, what was received, time, what is to be
// sent, then a wait until there is more, or `at_most`, or `other` is readable.
template <class Engine>
void run_turn(Engine& engine, PathSocket& socket, Clock& clock, Duration at_most, int other = -1) {
  while (const auto stamp = socket.sent_stamp()) engine.on_sent(stamp->sequence, stamp->time);
  while (const auto packet = socket.receive()) engine.on_packet(*packet, clock.now());
  engine.on_time(clock.now().mono);
  while (const auto probe = engine.next_probe(clock.now())) {
    const PathSocket::Sent sent = socket.send(probe->packet, probe->sequence);
    if (sent == PathSocket::Sent::yes) continue;
    engine.on_not_sent(probe->sequence, sent == PathSocket::Sent::too_long);
  }
  if (engine.done()) return;
  const auto wakeup = engine.next_wakeup();
  const Duration until = wakeup ? *wakeup - clock.now().mono : at_most;
  socket.wait(std::min(at_most, until), other);
}

}  // namespace linkpilot::prober
