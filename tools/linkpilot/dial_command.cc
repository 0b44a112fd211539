#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "base/runtime/files.h"
#include "prober/media/dial/push_feeder.h"
#include "tools/linkpilot/context.h"
#include "tools/linkpilot/dial_run.h"

namespace linkpilot::cli {
namespace {

constexpr std::size_t kFlvFileOctetsMax = std::size_t{512} << 20;

// What the command line says, before it is understood.
struct DialWords {
  DialOrder order;
  double seconds = 20;
  double hold_seconds = 2;
  double stage_seconds = 0;
  double whole_seconds = 0;
  std::uint64_t megabytes_max = 0;
  std::uint64_t mbit_per_s_max = 0;
  bool push = false;
  bool player_like = false;
  bool first_frame = false;
  bool record = false;
  bool four = false;
  bool six = false;
  bool no_read_back = false;
  std::string handshake = "simple";
  std::vector<std::string> resolvers;
  std::vector<std::string> overrides;
  std::vector<std::string> allowed;
  std::string client_subnet;
  std::string size = "640x360";
  std::uint64_t kbit_per_s = 600;
  double fps = 25;
  double gop_seconds = 2;
  std::string flv_file;
};

Duration from_seconds(double seconds) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

auto bad(std::string words) { return fail(ErrorCode::invalid_argument, std::move(words)); }

Result<Endpoint> parse_resolver(const std::string& text) {
  if (const Result<IpAddress> address = IpAddress::parse(text)) return Endpoint{*address, 53};
  return Endpoint::parse(text);
}

Status read_resolver(const DialWords& words, prober::ResolverOptions& options) {
  for (const std::string& text : words.resolvers) {
    const Result<Endpoint> server = parse_resolver(text);
    if (!server) return fail(server.error().in("--resolver"));
    options.servers.push_back(*server);
  }
  for (const std::string& text : words.overrides) {
    const std::size_t colon = text.find(':');
    const Result<IpAddress> address = IpAddress::parse(
        colon == std::string::npos ? std::string_view() : std::string_view(text).substr(colon + 1));
    if (!address) return bad("--resolve wants HOST:IP, as in cdn.example:192.0.2.1");
    options.overrides.push_back({.host = text.substr(0, colon), .address = *address});
  }
  if (words.four) options.family = prober::AddressFamily::v4;
  if (words.six) options.family = prober::AddressFamily::v6;
  if (words.client_subnet.empty()) return {};
  const Result<prober::AddressRange> subnet = prober::AddressRange::parse(words.client_subnet);
  if (!subnet) return fail(subnet.error().in("--client-subnet"));
  const unsigned base = subnet->address.is_v4() ? 96 : 0;
  options.client_subnet = prober::ClientSubnet{
      .address = subnet->address, .bits = static_cast<std::uint8_t>(subnet->bits - base)};
  return {};
}

Status read_push(const DialWords& words, prober::PushOptions& push) {
  push.hold = from_seconds(words.hold_seconds);
  push.read_back = !words.no_read_back;
  prober::SyntheticOptions& stream = push.stream;
  const std::size_t cross = words.size.find('x');
  try {
    stream.picture.width = static_cast<std::uint32_t>(std::stoul(words.size.substr(0, cross)));
    stream.picture.height = static_cast<std::uint32_t>(std::stoul(words.size.substr(cross + 1)));
  } catch (const std::exception&) {
    return bad("--size wants WIDTHxHEIGHT, as in 640x360");
  }
  // Rates like 29.97 and 59.94 are multiples of 1000/1001.
  const bool whole = words.fps == static_cast<double>(static_cast<std::uint32_t>(words.fps));
  const double scale = whole ? 1 : 1001;
  stream.picture.rate = {
      .frames = static_cast<std::uint32_t>(words.fps * scale + (whole ? 0 : 0.5)),
      .seconds = static_cast<std::uint32_t>(scale)};
  stream.gop_frames =
      std::max<std::uint32_t>(1, static_cast<std::uint32_t>(words.fps * words.gop_seconds + 0.5));
  stream.video_rate = BitsPerSecond{words.kbit_per_s * 1000};
  if (words.flv_file.empty()) return {};
  const auto bytes = read_file(words.flv_file, kFlvFileOctetsMax);
  if (!bytes) return fail(bytes.error());
  Result<std::vector<prober::OwnedTag>> tags = prober::read_flv_tags(*bytes, kFlvFileOctetsMax);
  if (!tags) return fail(tags.error().in(words.flv_file));
  push.file = std::make_shared<const std::vector<prober::OwnedTag>>(std::move(*tags));
  return {};
}

Status understand(DialWords& words) {
  prober::DialRequest& request = words.order.request;
  request.length = from_seconds(words.seconds);
  request.direction = words.push ? prober::DialDirection::push : prober::DialDirection::pull;
  request.stop_at_key_frame = words.first_frame;
  if (words.player_like) request.socket_mode = prober::SocketMode::player_like;
  if (words.record) request.tls_mode = prober::TlsMode::record;
  request.policy.trust_given_target = true;
  request.policy.ceilings.length = std::chrono::hours(24);
  if (words.megabytes_max > 0)
    request.policy.ceilings.octets = Bytes{words.megabytes_max * 1'000'000};
  if (words.mbit_per_s_max > 0) {
    request.policy.ceilings.rate = BitsPerSecond{words.mbit_per_s_max * 1'000'000};
  }
  for (const std::string& text : words.allowed) {
    const auto ranges = prober::parse_ranges(text);
    if (!ranges) return fail(ranges.error().in("--allow"));
    request.policy.allowed.insert(request.policy.allowed.end(), ranges->begin(), ranges->end());
  }
  if (words.handshake == "digest") request.handshake = rtmp::HandshakeForm::digest_schema_0;
  if (words.stage_seconds > 0) {
    const Duration limit = from_seconds(words.stage_seconds);
    request.deadlines = {.dns = limit,
                         .tcp = limit,
                         .tls = limit,
                         .handshake = limit,
                         .connect = limit,
                         .create_stream = limit,
                         .start = limit,
                         .response = limit,
                         .flv_header = limit,
                         .first_media = 2 * limit,
                         .opening = std::max<Duration>(10 * limit, std::chrono::seconds(60)),
                         .whole = {}};
  }
  if (const Status status = read_resolver(words, request.resolver); !status) return status;
  if (words.whole_seconds > 0) request.deadlines.whole = from_seconds(words.whole_seconds);
  return words.push ? read_push(words, request.push) : Status{};
}

void add_pull_options(Command dial, DialWords& words) {
  dial.option("--seconds", words.seconds, "how long to watch once media comes")
      .range(0.1, 86400.0)
      .shows_default();
  dial.option("--count", words.order.count, "so many dials, one after another")
      .range(1, 100000)
      .shows_default();
  dial.flag("--first-frame", words.first_frame, "end at the first decodable key frame");
  dial.flag("--player-like", words.player_like,
            "sockets as players have them, without TCP_NODELAY and TCP_QUICKACK");
  dial.option("--save-flv", words.order.save_flv, "also write the stream to this file");
  dial.option("--html", words.order.html, "write a page with all figures and curves");
  dial.option("--stage-timeout", words.stage_seconds,
              "seconds each stage of the opening may take (default 5; first media twice that)")
      .range(0.1, 600.0);
  dial.option("--within", words.whole_seconds,
              "seconds the whole dial may take, whatever it is at (default: its opening 60, then "
              "--seconds)")
      .range(0.1, 172800.0);
  dial.option("--max-megabytes", words.megabytes_max,
              "end a dial that has taken so much (default 2147)")
      .range(1, 1'000'000'000);
  dial.option("--max-mbit-per-s", words.mbit_per_s_max,
              "end a dial of a higher rate, over five seconds (default 200)")
      .range(1, 1'000'000);
  dial.option("--handshake", words.handshake, "of RTMP: simple or digest")
      .one_of({"simple", "digest"});
  dial.flag("--subscribe", words.order.request.subscribe, "FCSubscribe before play");
}

void add_network_options(Command dial, DialWords& words) {
  dial.flag("--each-address", words.order.each_address, "dial every address of the name");
  dial.option("--resolve", words.overrides, "HOST:IP instead of asking DNS").one_value_each();
  dial.option("--resolver", words.resolvers, "ask this server, IP or IP:PORT").one_value_each();
  dial.option("--client-subnet", words.client_subnet,
              "as if asked from there (RFC 7871), as in 198.51.100.0/24");
  const Option four = dial.flag("-4", words.four, "IPv4 only");
  dial.flag("-6", words.six, "IPv6 only").excludes(four);
  dial.option("--allow", words.allowed,
              "let redirects lead to these addresses: a range, or loopback, private, "
              "link-local")
      .one_value_each();
  dial.flag("--allow-clear-redirects", words.order.request.policy.allow_clear_redirects,
            "follow from rtmps or https to a URL without TLS: its secrets can be read then");
  dial.option("--ca-file", words.order.request.ca_file, "trust these certificates only (PEM)");
  dial.flag("--record-certificates", words.record,
            "tell what is wrong with a certificate, and go on");
}

void add_push_options(Command dial, DialWords& words) {
  dial.flag("--push", words.push, "publish instead, and pull it back").group("Push");
  dial.option("--flv", words.flv_file, "push this file in a loop").group("Push");
  dial.option("--kbit-per-s", words.kbit_per_s, "video of the synthetic stream")
      .range(16, 100000)
      .group("Push")
      .shows_default();
  dial.option("--fps", words.fps, "its frame rate").range(1.0, 120.0).group("Push").shows_default();
  dial.option("--gop-seconds", words.gop_seconds, "between its key frames")
      .range(0.05, 60.0)
      .group("Push")
      .shows_default();
  dial.option("--size", words.size, "of its picture").group("Push").shows_default();
  dial.option("--hold", words.hold_seconds, "seconds the server must keep it to have accepted it")
      .range(0.1, 600.0)
      .group("Push")
      .shows_default();
  dial.option("--read-back", words.order.request.push.read_back_url,
              "pull it from this URL instead (another edge, HTTP-FLV); a '/' at its end gets "
              "the name")
      .group("Push");
  dial.flag("--no-read-back", words.no_read_back, "accepted and held is enough").group("Push");
}

}  // namespace

void add_dial(Command app, Context& context) {
  Command dial = app.verb(
      "dial", "Open a stream as a viewer or publisher would, and judge it; needs no collector");
  auto words = std::make_shared<DialWords>();
  dial.option("URL", words->order.request.url,
              "rtmp:// or rtmps://host[:port]/app/stream, http:// or https://host[:port]/path.flv")
      .required();
  add_pull_options(dial, *words);
  add_network_options(dial, *words);
  add_push_options(dial, *words);
  dial.footer(
      "Each phase of the opening is a number of its own; success is the first key frame that can\n"
      "be decoded. Three virtual players then watch: plain (no buffer), buffered (1 s), live_edge\n"
      "(chasing, 0.8 s behind). The verdict is one of: fine, cannot open, stutters, late, out of\n"
      "sync, audio or video missing, picture suspect, probe limited (by its own ceilings or "
      "load).\n"
      "Secrets in URLs are never shown.\n"
      "Exit codes: 0 fine, 1 any other verdict, 2 usage, 3 our own machine or limits, not the "
      "stream.\n\n"
      "  linkpilot dial rtmp://edge.example/live/camera\n"
      "  linkpilot dial rtmp://edge.example/live/camera --first-frame --count 20\n"
      "  linkpilot dial https://edge.example/live/camera.flv\n"
      "  linkpilot dial rtmps://edge.example/live/camera --each-address --html dial.html\n"
      "  linkpilot dial --push rtmp://ingest.example/live/ --seconds 10   # makes a unique name\n"
      "  linkpilot dial --push rtmp://ingest.example/live/test --read-back "
      "rtmp://edge.example/live/");
  on_run(dial, context, [&context, words] {
    if (const Status status = understand(*words); !status) return report_failure(status.error());
    words->order.json = context.json;
    return run_dials(words->order);
  });
}

}  // namespace linkpilot::cli
