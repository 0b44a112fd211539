// StampSocket: one UDP socket with kernel timestamps in both directions, read and written in
// batches. The only place of STAMP that talks to the operating system.
//
// SO_TIMESTAMPING is set on the socket and taken back for packets whose transmit stamp nobody
// wants: the kernel's id counts the others, so the n-th stamp belongs to the n-th of those. Each
// carries a token of the caller's, which comes back with its stamp. A packet that crosses several
// virtual devices is stamped at each of them; only the first counts. EPOLLERR on the descriptor
// only means that such stamps wait. One thread. Sources: Linux
// Documentation/networking/timestamping.rst.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "base/time.h"
#include "prober/stamp/clock_error.h"

namespace linkpilot::prober {

inline constexpr std::size_t kDatagramBatch = 64;
inline constexpr std::size_t kDatagramSizeMax = 1536;  // what is longer is cut, and then malformed

// The buffers of one batch, shared by all sockets of an engine: about 170 kB, of which only what
// packets use is ever touched.
class DatagramBatch {
 public:
  DatagramBatch();
  ~DatagramBatch();
  DatagramBatch(const DatagramBatch&) = delete;
  DatagramBatch& operator=(const DatagramBatch&) = delete;

 private:
  friend class StampSocket;
  struct Headers;
  struct Buffers;
  std::unique_ptr<Buffers> buffers_;
};

struct StampToken {
  std::uint32_t owner = 0;
  std::uint32_t epoch = 0;
  std::uint32_t sequence = 0;
};

struct TransmitStamp {
  StampToken token = {};
  UnixNanos time = {};
};

struct ReceivedDatagram {
  std::span<std::uint8_t> bytes;  // in the batch; may be rewritten and sent back
  Endpoint source = {};
  IpAddress local = {};     // the address it was sent to; told only by sockets bound to none
  UnixNanos received = {};  // zero: no kernel stamp
  std::uint8_t ttl = 0;     // told only where Options::with_ttl
  bool truncated = false;
};

struct OutgoingDatagram {
  std::span<const std::uint8_t> bytes;
  Endpoint destination = {};
  IpAddress local = {};  // source address; used only where the socket is bound to none
  StampToken token = {};
  bool stamped = true;  // wants a transmit stamp; each costs about a third of a send
  bool failed = false;  // set by send(): the kernel refused it
};

class StampSocket {
 public:
  struct Options {
    IpAddress listen;
    std::uint16_t port = 0;  // zero: any
    std::uint8_t dscp = 0;
    bool with_ttl = false;                              // of what is received
    std::size_t receive_buffer = std::size_t{4} << 20;  // octets; only what waits is used
  };
  // Fails with the address and the reason: in use, not ours, no right.
  [[nodiscard]] static Result<std::unique_ptr<StampSocket>> open(const Options& options);
  ~StampSocket();
  StampSocket(const StampSocket&) = delete;
  StampSocket& operator=(const StampSocket&) = delete;

  // Up to kDatagramBatch; fewer means that the queue is empty. Valid until the batch is used again.
  std::span<ReceivedDatagram> receive(DatagramBatch& batch);
  // Up to kDatagramBatch; marks those that failed and returns their number.
  std::size_t send(std::span<OutgoingDatagram> datagrams, DatagramBatch& batch);
  // Up to kDatagramBatch transmit stamps; call until empty, before receive(). A zero time is no
  // stamp.
  std::span<const TransmitStamp> drain_stamps(DatagramBatch& batch);

  [[nodiscard]] std::uint16_t local_port() const { return local_port_; }
  [[nodiscard]] int descriptor() const { return fd_; }
  // Datagrams the kernel dropped because the receive queue was full, since the socket was opened.
  [[nodiscard]] std::uint32_t queue_drops() const { return queue_drops_; }

 private:
  explicit StampSocket(int fd) : fd_(fd) {}
  bool set_timestamping(bool on);
  void prepare(const OutgoingDatagram& datagram, DatagramBatch::Headers& headers,
               std::size_t i) const;
  void note_token(StampToken token);

  int fd_ = -1;
  bool is_v4_ = true;
  bool wildcard_ = false;
  std::uint16_t local_port_ = 0;
  std::uint32_t queue_drops_ = 0;
  // Tokens of the packets whose stamps are outstanding, by the kernel's id modulo the size.
  std::vector<StampToken> tokens_;
  std::uint32_t next_id_ = 0;
  std::uint32_t drained_id_ = 0;  // ids below it have had their stamps, or never will
  // After a failed send the kernel's counter may or may not have moved: ids from here on are not
  // believed until the counter is reset, once the queue is drained.
  bool ids_in_doubt_ = false;
  std::uint32_t doubt_from_ = 0;
};

struct ClockReading {
  Now now;
  bool tight = false;  // both clocks within two microseconds
};
[[nodiscard]] ClockReading read_clocks();
[[nodiscard]] UnixNanos read_wall_clock();
[[nodiscard]] KernelClockState read_kernel_clock();

}  // namespace linkpilot::prober
