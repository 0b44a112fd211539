// The ledger: what the emulator did to every packet, so that a test can demand that the agents'
// figures match exactly, per direction. A file of one header and fixed 64-octet records,
// little-endian, in the order in which fates were decided (deliveries in the order of their
// writes). tools/lab/ledger.py reads it into numpy.
//
// File: LedgerHeader, then `names_bytes` octets of node names, each ended by a zero octet and the
// whole padded with zeros to a multiple of 64, then records until the end of the file. A process
// that was killed leaves a whole number of records but for a torn last one, which readers drop. All
// times are CLOCK_REALTIME nanoseconds, which every network namespace shares.
#pragma once

#include <array>
#include <cstdint>
#include <type_traits>

namespace linkpilot::lab {

// What became of a packet. Values are part of the file format: never reused.
enum class Fate : std::uint8_t {
  unspecified = 0,
  delivered = 1,
  blackhole = 2,    // by a fault, at entry: packets already on their way still arrive
  loss = 3,         // independent loss
  burst = 4,        // inside a loss burst
  queue = 5,        // waited too long for a limited rate
  rate = 6,         // reserved
  mtu = 7,          // larger than the path carries; the sender was told where that is allowed
  ttl = 8,          // expired at a virtual router, which answered where that is allowed
  node_down = 9,    // sender or receiver is down, the latter judged on arrival
  region_cut = 10,  // the region of one end is cut off, at entry
  unroutable = 11,  // an address that is none of the nodes'
  not_ours = 12,    // multicast and link-local: router solicitations and the like
  malformed = 13,   // not an IP packet
  overloaded =
      14,  // the emulator had no room: its own failure, and the run is void for exact counts
  write_failed = 15,  // the receiver's device refused it
  // Records that are not packets. `delivered_ns` is 0; `values` says what happened.
  device_drops = 128,  // source = node; values[0] new drops of its wan0 queue, values[1] in all
  fault_set = 129,     // values[0] fault number, values[1] its kind
  fault_healed = 130,  // values[0] fault number, values[1] its kind
  records_lost = 131,  // values[0] records that found the ring full, in all
  health = 132,        // once a second: values[0] p99 lateness of that second in ns,
                       // values[1] = packets read << 8 | Health bits
};

inline constexpr std::uint8_t kRecordDuplicate = 1;   // the second copy of a duplicated packet
inline constexpr std::uint8_t kRecordReordered = 2;   // held back on purpose
inline constexpr std::uint8_t kRecordFromRouter = 4;  // an ICMP error the emulator made itself

inline constexpr std::uint8_t kHealthNoisy = 1;
inline constexpr std::uint8_t kHealthOverloaded = 2;

struct LedgerRecord {
  std::int64_t arrival_ns = 0;    // read from the sender's device; wake latency is before it
  std::int64_t delivered_ns = 0;  // right before the write to the receiver's device; 0: never
  std::int64_t intended_ns =
      0;                     // delay that was decided, in ns; lateness = delivered - arrival - it
  std::uint32_t number = 0;  // of the packet, in order of arrival over all nodes; wraps
  std::uint16_t source = 0;  // node index, 0xffff: none
  std::uint16_t destination = 0;       // node index, 0xffff: none
  std::uint16_t source_port = 0;       // of UDP and TCP; ICMP echo: identifier
  std::uint16_t destination_port = 0;  // of UDP and TCP; ICMP echo: sequence
  std::uint16_t length = 0;            // octets of the IP packet
  std::uint8_t ip_version = 0;
  std::uint8_t protocol = 0;
  std::uint8_t flow = 0;  // ECMP sibling
  std::uint8_t flags = 0;
  Fate fate = Fate::unspecified;
  std::uint8_t icmp_type = 0;
  std::uint32_t reserved = 0;
  union {
    // First octets after the UDP, TCP (with options) or 8-octet ICMP header.
    std::array<std::uint8_t, 16> payload;
    std::array<std::uint64_t, 2> values = {0, 0};
  };
};
static_assert(sizeof(LedgerRecord) == 64);
static_assert(std::is_trivially_copyable_v<LedgerRecord>);

inline constexpr std::uint16_t kNoNode = 0xffff;
inline constexpr std::array<char, 8> kLedgerMagic = {'L', 'P', 'L', 'E', 'D', 'G', 'R', '1'};

struct LedgerHeader {
  std::array<char, 8> magic = kLedgerMagic;
  std::uint32_t version = 1;
  std::uint32_t record_bytes = sizeof(LedgerRecord);
  std::uint32_t nodes = 0;
  std::uint32_t names_bytes = 0;
  std::uint64_t seed = 0;
  std::int64_t started_ns = 0;
  std::array<std::uint8_t, 24> reserved{};
};
static_assert(sizeof(LedgerHeader) == 64);

// Where the core puts its records; the file in production, a list in tests.
class LedgerSink {
 public:
  virtual ~LedgerSink() = default;
  virtual void record(const LedgerRecord& record) = 0;
};

}  // namespace linkpilot::lab
