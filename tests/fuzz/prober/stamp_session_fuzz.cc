// A sender session and a reflector that are fed garbage, bent probes and bent answers: no answer is
// longer than its probe, and every sample's counts add up.
//
// Input: a mode octet, then commands of one octet, a length octet and that many octets.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "prober/stamp/reflector.h"
#include "prober/stamp/sender_session.h"
#include "tests/fuzz/fuzz_target.h"

namespace {

using namespace linkpilot;
using namespace linkpilot::prober;

constexpr LinkId kLink{{NodeId(7), PortIndex(0)}, {NodeId(9), PortIndex(0)}};
const IpAddress kSender = IpAddress::v4(192, 0, 2, 1);

ProbeMode mode_of(std::uint8_t octet) {
  switch (octet % 3) {
    case 0:
      return ProbeMode::stamp;
    case 1:
      return ProbeMode::stamp_authenticated;
    default:
      return ProbeMode::twamp_light;
  }
}

class Exchange {
 public:
  explicit Exchange(ProbeMode mode)
      : session_(options_of(mode), MonoTime{1}), reflector_(ReflectorOptions{.sessions_max = 32}) {
    planned_.mode = mode;
    reflector_.set_peers(std::vector{planned_});
  }

  void run(std::uint8_t command, std::span<const std::uint8_t> bytes) {
    switch (command % 5) {
      case 0:
        give_probe(std::vector(bytes.begin(), bytes.end()), command);
        break;
      case 1:
        exchange(bytes, {});
        break;
      case 2:
        exchange({}, bytes);
        break;
      case 3:
        give_answer(bytes, command % 2);
        break;
      case 4:
        now_ += std::chrono::milliseconds(bytes.empty() ? 1 : bytes[0] * 16);
        collect();
        if (bytes.size() > 1) change_secret(bytes[1]);
        break;
    }
  }
  void finish() {
    session_.stop();
    now_ += std::chrono::seconds(10);
    collect();
    require(!session_.has_open_intervals());
  }

 private:
  // The pair goes from its secret, or none, to another; answers to earlier probes may still come.
  void change_secret(std::uint8_t octet) {
    if (planned_.mode == ProbeMode::twamp_light) return;
    planned_.also_mode = planned_.mode;
    planned_.also_secret = planned_.secret;
    planned_.mode = mode_of(octet % 2);
    planned_.secret.assign(octet % 4, octet);
    reflector_.set_peers(std::vector{planned_});
    std::optional<SessionKey> key;
    if (planned_.mode == ProbeMode::stamp_authenticated) {
      key = derive_session_key(planned_.secret, kLink.from.node, 0);
    }
    session_.reseal(planned_.mode, key, now_);
  }
  static SenderOptions options_of(ProbeMode mode) {
    SenderOptions options{
        .link = kLink, .mode = mode, .interval = std::chrono::milliseconds(20), .flows = 2};
    if (mode == ProbeMode::stamp_authenticated) {
      options.key = derive_session_key({}, kLink.from.node, 0);
    }
    return options;
  }
  [[nodiscard]] Now now() const { return {.mono = now_, .wall = {now_.ns + 1'790'000'000}}; }

  static void bend(std::vector<std::uint8_t>& bytes, std::span<const std::uint8_t> by) {
    for (std::size_t i = 0; i < std::min(bytes.size(), by.size()); ++i) bytes[i] ^= by[i];
  }
  std::vector<std::uint8_t> give_probe(std::vector<std::uint8_t> bytes, std::uint8_t port) {
    const std::size_t size = bytes.size();
    const auto outcome = reflector_.on_probe({.bytes = bytes,
                                              .source = {kSender, port},
                                              .port = PortIndex(0),
                                              .ttl = 1,
                                              .received = now().wall,
                                              .own_error = {}},
                                             now_);
    require(bytes.size() == size);
    if (outcome.verdict != Reflector::Verdict::answered) return {};
    Reflector::finish(outcome, now().wall, bytes);
    reflector_.on_transmit_stamp(outcome.answer, now().wall);
    return bytes;
  }
  void give_answer(std::span<const std::uint8_t> bytes, std::uint8_t flow) {
    session_.on_answer({.bytes = bytes,
                        .flow = flow,
                        .received = now_,
                        .received_wall = now().wall,
                        .kernel_stamp = true,
                        .own_clock_error = std::chrono::milliseconds(1)});
  }
  void exchange(std::span<const std::uint8_t> bend_probe,
                std::span<const std::uint8_t> bend_answer) {
    now_ += std::chrono::milliseconds(20);
    while (const auto due = session_.take_due(now())) {
      std::vector<std::uint8_t> bytes(session_.packet_size());
      session_.write_probe(*due, now().wall, {}, bytes);
      session_.on_transmit_stamp(*due, now_);
      bend(bytes, bend_probe);
      std::vector<std::uint8_t> answer = give_probe(std::move(bytes), due->flow);
      bend(answer, bend_answer);
      now_ += std::chrono::microseconds(100);
      if (!answer.empty()) give_answer(answer, due->flow);
    }
  }
  void collect() {
    while (const auto sample = session_.take_sample(now_)) {
      require(sample->sent == sample->answered + sample->late + sample->lost_forward +
                                  sample->lost_backward + sample->lost_unplaced);
      require(sample->rtt.count() <= sample->answered);
      require(sample->rtt_min >= Duration(0) && sample->rtt_min <= sample->rtt_max);
    }
  }

  MonoTime now_{1};
  PlannedLink planned_{.link = kLink.reversed(), .peer = {kSender, 862}, .secret = {}};
  SenderSession session_;
  Reflector reflector_;
};

}  // namespace

FUZZ_TARGET(stamp_session_fuzz, data, size) {
  if (size == 0) return 0;
  Exchange exchange(mode_of(data[0]));
  for (std::size_t offset = 1; offset + 2 <= size;) {
    const std::uint8_t command = data[offset];
    const std::size_t length = std::min<std::size_t>(data[offset + 1], size - offset - 2);
    exchange.run(command, {data + offset + 2, length});
    offset += 2 + length;
  }
  exchange.finish();
  return 0;
}
