// What a dial is asked to do: one test of one stream URL, as a viewer (pull) or a broadcaster
// (push). Values only; the same request serves the command line, the agent and the tests.
//
// Deadlines are absolute from the start of their stage: octets that trickle do not move them. The
// stages begin anew with each hop, the opening does not: a dial ends at the latest after its
// opening and the length it was asked to watch (a push after both and those of its read-back), or
// when the whole of it is over.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/time.h"
#include "prober/media/dial/target_policy.h"
#include "prober/media/flv/flv_muxer.h"
#include "prober/media/flv/synthetic_stream.h"
#include "prober/media/playback/verdict.h"
#include "prober/media/rtmp/handshake.h"

namespace linkpilot::prober {

enum class DialDirection : std::uint8_t { pull, push };

// prompt: TCP_NODELAY and TCP_QUICKACK, so that delayed acknowledgements of our own kernel are not
// counted as the server's slowness. player_like: sockets as the system gives them to players.
enum class SocketMode : std::uint8_t { prompt, player_like };

// enforce: a certificate that cannot be trusted fails the dial. record: it is told, and the dial
// goes on.
enum class TlsMode : std::uint8_t { enforce, record };

enum class AddressFamily : std::uint8_t { any, v4, v6 };

struct HostOverride {  // as in /etc/hosts, for one dial
  std::string host;
  IpAddress address;
};

struct ClientSubnet {  // EDNS client subnet (RFC 7871) sent with the query
  IpAddress address;
  std::uint8_t bits = 24;  // of the address, as its family counts
};

struct ResolverOptions {
  std::vector<Endpoint> servers;  // asked instead of the system's; empty: the system's
  AddressFamily family = AddressFamily::any;
  std::vector<HostOverride> overrides;
  std::optional<ClientSubnet> client_subnet;
};

struct DialDeadlines {
  Duration dns = std::chrono::seconds(5);
  Duration tcp = std::chrono::seconds(5);
  Duration tls = std::chrono::seconds(5);
  Duration handshake = std::chrono::seconds(5);      // RTMP
  Duration connect = std::chrono::seconds(5);        // RTMP
  Duration create_stream = std::chrono::seconds(5);  // RTMP
  Duration start = std::chrono::seconds(5);          // RTMP: play or publish
  Duration response = std::chrono::seconds(5);       // HTTP: status line and all headers
  Duration flv_header = std::chrono::seconds(5);     // HTTP: behind the headers
  Duration first_media = std::chrono::seconds(10);   // first audio or video tag
  // All hops and stages together, to the first media or the word to publish.
  Duration opening = std::chrono::seconds(60);
  std::optional<Duration> whole{};  // of the dial, whatever it is at then
};

struct PushOptions {
  SyntheticOptions stream{};
  // Tags of an FLV file, sent in a loop instead of the synthetic stream; shared by many dials.
  std::shared_ptr<const std::vector<OwnedTag>> file;
  Duration hold = std::chrono::seconds(2);  // a close this soon after the start is a refusal
  bool read_back = true;                    // pull the stream again while it is pushed
  std::string read_back_url;                // empty: where it is pushed to
};

struct DialRequest {
  std::string url;  // rtmp, rtmps, http, https
  DialDirection direction = DialDirection::pull;
  // How long to watch, from the first tag (pull) or the server's word to publish (push).
  Duration length = std::chrono::seconds(20);
  bool hide_stream_name = false;   // of a pull, as of every push: the name is a publisher's key
  bool stop_at_key_frame = false;  // success is enough: end at the first decodable key frame
  SocketMode socket_mode = SocketMode::prompt;
  TlsMode tls_mode = TlsMode::enforce;
  std::string ca_file;                    // trusted instead of the system's; PEM
  std::optional<IpAddress> only_address;  // of those the name has, or any: this one is dialled
  std::optional<std::uint32_t> receive_octets;  // SO_RCVBUF; unset: the kernel's own tuning
  ResolverOptions resolver;
  DialDeadlines deadlines;
  TargetPolicy policy;
  VerdictOptions verdict;
  PushOptions push;
  rtmp::HandshakeForm handshake = rtmp::HandshakeForm::simple;
  bool subscribe = false;   // FCSubscribe before play
  std::uint64_t seed = 1;   // of handshakes and made-up names; no secret
  TagSink* copy = nullptr;  // also gets every pulled tag (a file); must outlive the dial
};

}  // namespace linkpilot::prober
