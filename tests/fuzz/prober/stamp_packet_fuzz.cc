// Any octets as a STAMP packet: decoding is bounded, re-encoding gives the same fields, and
// reflecting TLVs never changes their number, types or lengths.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "prober/stamp/stamp_auth.h"
#include "prober/stamp/stamp_packet.h"
#include "prober/stamp/tlv.h"
#include "tests/fuzz/fuzz_target.h"

namespace {

using namespace linkpilot;
using namespace linkpilot::prober;

void decode_and_encode(std::span<const std::uint8_t> bytes, PacketMode mode) {
  for (const Strictness strictness : {Strictness::strict, Strictness::twamp_light}) {
    std::vector<std::uint8_t> out(base_size(mode));
    if (const auto packet = decode_sender_packet(bytes, mode, strictness)) {
      encode(*packet, mode, out);
      require(decode_sender_packet(out, mode, Strictness::strict) == packet);
    }
    if (const auto packet = decode_reflector_packet(bytes, mode, strictness)) {
      encode(*packet, mode, out);
      require(decode_reflector_packet(out, mode, Strictness::strict) == packet);
      const UnixNanos reference{1'790'000'000'000'000'000};
      const UnixNanos time = decode_timestamp(packet->timestamp, packet->error.format, reference);
      require(time > reference - std::chrono::hours(24 * 366 * 70));
      require(time < reference + std::chrono::hours(24 * 366 * 70));
      require(packet->error.error() >= Duration(0));
    }
  }
}

void reflect(std::span<const std::uint8_t> bytes) {
  std::vector<std::uint8_t> reflected(bytes.begin(), bytes.end());
  reflect_tlvs(reflected, {}, {}, false);
  mark_integrity_failure(reflected);
  TlvWalker before(bytes);
  TlvWalker after(reflected);
  while (const auto tlv = before.next()) {
    const auto other = after.next();
    require(other && other->type == tlv->type && other->value.size() == tlv->value.size());
  }
  require(!after.next() && before.malformed_at() == after.malformed_at());
}

}  // namespace

FUZZ_TARGET(stamp_packet_fuzz, data, size) {
  const std::span<const std::uint8_t> bytes(data, size);
  decode_and_encode(bytes, PacketMode::unauthenticated);
  decode_and_encode(bytes, PacketMode::authenticated);
  reflect(bytes);
  const SessionKey key{};
  (void)check_seal(key, bytes);
  if (size >= kAuthenticatedSize) {
    std::vector<std::uint8_t> sealed(bytes.begin(), bytes.end());
    seal(key, sealed);
    require(check_seal(key, sealed) != SealState::bad_base);
  }
  return 0;
}
