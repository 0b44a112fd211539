// A whole client that is fed what a server might send: it never sends much more than it got, keeps
// to the contract of its sink, shows no secret, and always comes to an end.
//
// Input: an octet of flags (1: push, 2: digest handshake, 4: not a handshake first), an octet that
// chooses the cut, then the server's octets; without flag 4 behind a handshake that went well.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "prober/media/rtmp/rtmp_client.h"
#include "tests/fuzz/fuzz_target.h"

namespace {

using linkpilot::Now;
using linkpilot::prober::TagHeader;
using namespace linkpilot::rtmp;

class StrictSink final : public linkpilot::prober::TagSink {
 public:
  void on_tag_begin(const TagHeader& tag, Now /*now*/) override { left_ = tag.octets; }
  void on_tag_body(std::span<const std::uint8_t> part) override {
    require(!part.empty() && part.size() <= left_);
    left_ -= static_cast<std::uint32_t>(part.size());
  }
  void on_tag_end(Now /*now*/) override { require(left_ == 0); }

 private:
  std::uint32_t left_ = 0;
};

}  // namespace

FUZZ_TARGET(rtmp_client_fuzz, data, size) {
  if (size < 2) return 0;
  RtmpClientOptions options;
  options.url =
      parse_rtmp_url("rtmp://alice:wonderland@host.example/live/name?sign=topsecret").value();
  options.direction = (data[0] & 1) != 0 ? Direction::push : Direction::pull;
  if ((data[0] & 2) != 0) options.handshake = HandshakeForm::digest_schema_1;
  std::vector<std::uint8_t> server;
  if ((data[0] & 4) == 0) server.assign(1 + 2 * kHandshakeOctets, 3);
  server.insert(server.end(), data + 2, data + size);
  StrictSink sink;
  RtmpClient client(options, sink);
  Now now{.mono = {1'000'000'000}, .wall = {1}};
  client.start(now);
  const std::size_t cut = (data[0] & 4) == 0 ? 1 + data[1] * 8U : 1 + data[1] % 64U;
  std::size_t sent = 0;
  for (std::size_t at = 0; at < server.size() && !client.outcome(); at += cut) {
    client.on_bytes(std::span(server).subspan(at, std::min(cut, server.size() - at)), now);
    if (client.is_publishing()) (void)client.publish_tag({}, std::span(data, size));
    sent += client.output().size();
    client.on_sent(client.output().size());
    now.mono += std::chrono::milliseconds(1);
    while (const auto event = client.take_event()) {
      require(event->text.find("topsecret") == std::string::npos);
    }
  }
  require(client.counters().tags_out > 0 || sent < 16384 + 8 * server.size());
  while (const auto wakeup = client.next_wakeup()) {
    require(*wakeup > now.mono);
    now.mono = *wakeup;
    client.on_timer(now);
  }
  client.on_closed(PeerClose::finished, now);
  require(client.outcome().has_value());
  if (client.outcome()->failure) {
    const std::string& sentence = client.outcome()->failure->sentence;
    require(!sentence.empty() && sentence.find("topsecret") == std::string::npos &&
            sentence.find("wonderland") == std::string::npos);
  }
  return 0;
}
