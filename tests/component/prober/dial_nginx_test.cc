// Dials of a real server: nginx with its RTMP module, fed by ffmpeg or by our own push, read by
// ffprobe and rtmpdump; TLS by nginx in front of itself. Needs nginx, its RTMP and stream modules,
// ffmpeg and openssl (tools/setup).
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>

#include "prober/media/dial/push_feeder.h"
#include "prober/media/dial/report_json.h"
#include "tests/support/certificates.h"
#include "tests/support/dial_run.h"
#include "tests/support/nginx_rtmp.h"

namespace linkpilot::prober {
namespace {

using rtmp::ffmpeg_arguments;
using rtmp::NginxRtmp;

class DialOnNginx : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    certificates_ = new Certificates;
    tls_port_ = rtmp::free_port();
    const Certificates::Pair good = certificates_->pair("good");
    nginx_ = new NginxRtmp(fmt::format(
        "stream {{ server {{ listen 127.0.0.1:{} ssl; ssl_certificate {}; ssl_certificate_key {}; "
        "proxy_pass 127.0.0.1:RTMP_PORT; }} }}",
        tls_port_, good.chain, good.key));
  }
  static void TearDownTestSuite() {
    delete nginx_;
    delete certificates_;
  }
  void SetUp() override {
    ASSERT_TRUE(nginx_->answers()) << "nginx with its modules does not run; tools/setup installs "
                                      "them\n"
                                   << nginx_->log();
  }
  static NginxRtmp* nginx_;
  static Certificates* certificates_;
  static std::uint16_t tls_port_;
  DialRun run_;
};
NginxRtmp* DialOnNginx::nginx_ = nullptr;
Certificates* DialOnNginx::certificates_ = nullptr;
std::uint16_t DialOnNginx::tls_port_ = 0;

DialRequest request_for(std::string url, Duration length = std::chrono::seconds(2)) {
  return patient(loopback_request(std::move(url), length));
}

// ffmpeg in real time, until the object goes; the stream is there when this returns.
class Publisher {
 public:
  Publisher(const NginxRtmp& nginx, const std::string& name, DialRun& run)
      : ffmpeg_(ffmpeg_arguments(true, "120", nginx.url("live/" + name)),
                nginx.path(name + ".log")) {
    DialRequest request = request_for(nginx.url("live/" + name));
    request.stop_at_key_frame = true;
    request.deadlines.first_media = std::chrono::seconds(40);
    EXPECT_TRUE(run.run(request).success) << ffmpeg_.log();
  }

 private:
  ChildProcess ffmpeg_;
};

bool in_order(const DialReport& report, std::initializer_list<DialPhase> phases) {
  auto at = report.phases.begin();
  for (const DialPhase phase : phases) {
    at = std::find_if(at, report.phases.end(), [phase](auto& mark) { return mark.phase == phase; });
    if (at == report.phases.end()) {
      ADD_FAILURE() << "no " << to_string(phase) << " in its place";
      return false;
    }
  }
  return true;
}

TEST_F(DialOnNginx, PullsEveryPhaseAsANumberAndFindsTheStreamFine) {
  const Publisher publisher(*nginx_, "camera", run_);
  const DialReport report =
      run_.run(request_for(nginx_->url("live/camera?token=verysecret"), std::chrono::seconds(4)));
  EXPECT_EQ(verdict_of(report), "opened") << dial_report_json(report);
  EXPECT_TRUE(report.success);
  EXPECT_EQ(report.end, DialEnd::watched);
  in_order(report, {DialPhase::tcp, DialPhase::first_octet, DialPhase::server_hello,
                    DialPhase::handshake, DialPhase::connected, DialPhase::stream_created,
                    DialPhase::started, DialPhase::first_tag, DialPhase::key_frame});
  EXPECT_TRUE(report.since_start(DialPhase::first_audio));
  EXPECT_FALSE(report.since_start(DialPhase::dns)) << "a literal address needs no DNS";
  ASSERT_TRUE(report.playback.video_config);
  EXPECT_EQ(report.playback.video_config->width, 320U);
  EXPECT_EQ(report.playback.video_config->height, 180U);
  EXPECT_NEAR(report.playback.video.rate_by_time, 25, 0.5);
  ASSERT_TRUE(report.tcp);
  // The kernel may have more than was read by the end.
  EXPECT_GE(report.tcp->octets_received, report.octets_in);
  EXPECT_LT(report.tcp->octets_received, report.octets_in + (1 << 20));
  const std::string json = dial_report_json(report);
  EXPECT_EQ(json.find("verysecret"), std::string::npos);
  EXPECT_TRUE(nlohmann::json::accept(json));
}

TEST_F(DialOnNginx, EndsAtTheFirstKeyFrameWhenThatIsEnough) {
  const Publisher publisher(*nginx_, "short", run_);
  DialRequest request = request_for(nginx_->url("live/short"), std::chrono::seconds(60));
  request.stop_at_key_frame = true;
  request.socket_mode = SocketMode::player_like;
  const DialReport report = run_.run(request);
  EXPECT_TRUE(report.success) << dial_report_json(report);
  EXPECT_EQ(report.socket_mode, SocketMode::player_like);
}

TEST_F(DialOnNginx, NamesWhyAStreamCannotBeOpened) {
  struct Case {
    const char* path;
    const char* want;
  };
  for (const Case& one :
       {Case{"live/missing", "media no_media"},
        Case{"strict/missing", "start not_found NetStream.Play.StreamNotFound"},
        Case{"noplay/any", "media dropped"}, Case{"unknown/any", "connect closed"}}) {
    SCOPED_TRACE(one.path);
    DialRequest request = request_for(nginx_->url(one.path));
    request.deadlines.first_media = std::chrono::seconds(1);
    const DialReport report = run_.run(request);
    EXPECT_EQ(verdict_of(report), one.want);
    EXPECT_EQ(report.verdict.kind, VerdictKind::cannot_open);
    EXPECT_GT(report.verdict.sentence.size(), 20U);
    EXPECT_FALSE(report.success);
  }
}

TEST_F(DialOnNginx, PullsThroughTlsWithACertificateThatIsTrusted) {
  const Publisher publisher(*nginx_, "secure", run_);
  DialRequest request = request_for(fmt::format("rtmps://media.test:{}/live/secure", tls_port_));
  request.resolver.overrides = {{.host = "media.test", .address = IpAddress::v4(127, 0, 0, 1)}};
  request.ca_file = certificates_->authority();
  const DialReport report = run_.run(request);
  EXPECT_EQ(verdict_of(report), "opened") << dial_report_json(report);
  in_order(report, {DialPhase::tcp, DialPhase::tls, DialPhase::first_octet, DialPhase::key_frame});
  ASSERT_TRUE(report.hops.back().tls);
  EXPECT_FALSE(report.hops.back().tls->certificate_fault);
  EXPECT_EQ(report.hops.back().dns.resolver, "override");
}

TEST_F(DialOnNginx, FindsTheSystemsTrustMissingAndGoesOnIfOnlyToldToRecord) {
  const Publisher publisher(*nginx_, "recorded", run_);
  DialRequest request = request_for(fmt::format("rtmps://127.0.0.1:{}/live/recorded", tls_port_));
  EXPECT_EQ(run_.run(request).failure.value_or(DialFailure{}).kind, DialFault::certificate_chain);
  request.tls_mode = TlsMode::record;
  const DialReport report = run_.run(request);
  EXPECT_EQ(verdict_of(report), "opened") << dial_report_json(report);
  EXPECT_EQ(report.hops.back().tls->certificate_fault, DialFault::certificate_chain);
}

TEST_F(DialOnNginx, PushesAStreamOfItsOwnAndReadsItBack) {
  DialRequest request = request_for(nginx_->url("live/"), std::chrono::seconds(8));
  request.direction = DialDirection::push;
  request.deadlines.first_media = std::chrono::seconds(5);
  const DialReport report = run_.run(request);
  EXPECT_EQ(verdict_of(report), "opened") << dial_report_json(report);
  EXPECT_TRUE(report.success);
  ASSERT_TRUE(report.push);
  EXPECT_TRUE(report.push->accepted && report.push->held);
  EXPECT_TRUE(report.push->stream_name.starts_with("linkpilot-"));
  ASSERT_EQ(report.read_back.size(), 1U);
  EXPECT_GT(report.read_back[0].playback.push_delay.samples, 20U);
  EXPECT_GT(report.read_back[0].playback.push_delay.least, Duration(0));
}

TEST_F(DialOnNginx, ShowsThePublishersKeyNowhere) {
  DialRequest request = request_for(nginx_->url("live/topsecret"), std::chrono::seconds(4));
  request.direction = DialDirection::push;
  const DialReport report = run_.run(request);
  EXPECT_EQ(verdict_of(report), "opened") << dial_report_json(report);
  ASSERT_EQ(report.read_back.size(), 1U);
  EXPECT_TRUE(report.read_back[0].success);
  EXPECT_EQ(dial_report_json(report).find("topsecret"), std::string::npos)
      << dial_report_json(report);
}

TEST_F(DialOnNginx, TellsBusyDeniedAndUnknownApart) {
  DialRequest first = request_for(nginx_->url("live/taken"), std::chrono::seconds(60));
  first.direction = DialDirection::push;
  first.push.read_back = false;
  const auto holder = make_dial(run_.loop(), first);
  holder->start();
  while (!holder->done() && !holder->report().push->held) {
    run_.loop().turn(std::chrono::milliseconds(20));
  }
  ASSERT_FALSE(holder->done());
  DialRequest second = first;
  const DialReport busy = run_.run(second);
  EXPECT_EQ(verdict_of(busy), "start busy NetStream.Publish.BadName");
  EXPECT_EQ(busy.verdict.sentence.find("taken"), std::string::npos) << "a stream's name is a key";
  second.url = nginx_->url("nopublish/any");
  EXPECT_EQ(verdict_of(run_.run(second)), "media dropped");
  second.url = nginx_->url("unknown/any");
  EXPECT_EQ(verdict_of(run_.run(second)), "connect closed");
  EXPECT_FALSE(holder->done());
  holder->stop();
  EXPECT_EQ(holder->report().end, DialEnd::stopped);
}

TEST_F(DialOnNginx, FfprobeFindsNothingWrongWithWhatIsPushed) {
  DialRequest request = request_for(nginx_->url("live/judged"), std::chrono::seconds(60));
  request.direction = DialDirection::push;
  request.push.read_back = false;
  std::unique_ptr<ChildProcess> ffprobe;
  const std::string log = nginx_->path("ffprobe.json");
  const DialReport report = run_.run(request, [&](Dial& dial) {
    if (!ffprobe && dial.report().push->held) {
      ffprobe = std::make_unique<ChildProcess>(
          std::vector<std::string>{"ffprobe", "-v", "warning", "-rw_timeout", "20000000",
                                   "-show_streams", "-show_packets", "-read_intervals", "%+4",
                                   "-of", "json", nginx_->url("live/judged")},
          log);
    }
    if (ffprobe && !ffprobe->is_running()) dial.stop();
  });
  ASSERT_TRUE(ffprobe) << dial_report_json(report);
  const auto judged = nlohmann::json::parse(ffprobe->log(), nullptr, false);
  ASSERT_FALSE(judged.is_discarded()) << "ffprobe warned: " << ffprobe->log();
  std::map<std::string, nlohmann::json> streams;
  for (const auto& stream : judged["streams"]) streams[stream["codec_name"]] = stream;
  ASSERT_TRUE(streams.contains("h264") && streams.contains("aac")) << ffprobe->log();
  EXPECT_EQ(streams["h264"]["width"], 640);
  EXPECT_EQ(streams["h264"]["height"], 360);
  EXPECT_EQ(streams["h264"]["avg_frame_rate"], "25/1");
  std::map<int, std::int64_t> last;
  for (const auto& packet : judged["packets"]) {
    const std::int64_t dts = packet["dts"];
    const int index = packet["stream_index"];
    if (last.contains(index)) {
      EXPECT_GT(dts, last[index]);
    }
    last[index] = dts;
  }
}

TEST_F(DialOnNginx, RtmpdumpSavesEveryFrameThatIsPushed) {
  DialRequest request = request_for(nginx_->url("live/dumped"), std::chrono::seconds(60));
  request.direction = DialDirection::push;
  request.push.read_back = false;
  const std::string saved = nginx_->path("dumped.flv");
  std::unique_ptr<ChildProcess> rtmpdump;
  const DialReport report = run_.run(request, [&](Dial& dial) {
    if (!rtmpdump && dial.report().push->held) {
      rtmpdump = std::make_unique<ChildProcess>(
          std::vector<std::string>{"rtmpdump", "--live", "--stop", "4", "-r",
                                   nginx_->url("live/dumped"), "-o", saved},
          nginx_->path("rtmpdump.log"));
    }
    if (rtmpdump && !rtmpdump->is_running()) dial.stop();
  });
  ASSERT_TRUE(rtmpdump) << dial_report_json(report);
  std::ifstream file(saved, std::ios::binary);
  const std::vector<char> text{std::istreambuf_iterator<char>(file), {}};
  const std::vector<std::uint8_t> bytes(text.begin(), text.end());
  const auto tags = read_flv_tags(bytes, bytes.size());
  ASSERT_TRUE(tags) << tags.error().message << '\n' << rtmpdump->log();
  constexpr std::size_t kHeaderOctets = 5;  // frame type, packet type, composition time
  std::vector<std::uint32_t> frames;
  std::size_t sounds = 0;
  for (const OwnedTag& tag : *tags) {
    if (tag.type == TagType::audio) ++sounds;
    const bool frame =
        tag.type == TagType::video && tag.body.size() > kHeaderOctets && tag.body[1] == 1;
    if (frame) frames.push_back(tag.timestamp_ms);
  }
  ASSERT_GE(frames.size(), 75U) << rtmpdump->log();
  EXPECT_GE(sounds, 100U);
  for (std::size_t i = 1; i < frames.size(); ++i) EXPECT_EQ(frames[i] - frames[i - 1], 40U) << i;
}

TEST_F(DialOnNginx, NginxMakesHlsOfWhatIsPushed) {
  DialRequest request = request_for(nginx_->url("hls/packaged"), std::chrono::seconds(60));
  request.direction = DialDirection::push;
  request.push.read_back = false;
  request.push.stream.gop_frames = 25;
  const std::string list = nginx_->path("packaged.m3u8");
  std::unique_ptr<ChildProcess> ffprobe;
  run_.run(request, [&](Dial& dial) {
    std::ifstream file(list);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const bool has_two = text.find(".ts") != text.rfind(".ts");
    if (!ffprobe && has_two) {
      ffprobe = std::make_unique<ChildProcess>(
          std::vector<std::string>{"ffprobe", "-v", "warning", "-show_entries",
                                   "stream=codec_name,width,height", "-of", "csv=p=0", list},
          nginx_->path("hls.csv"));
    }
    if (ffprobe && !ffprobe->is_running()) dial.stop();
  });
  ASSERT_TRUE(ffprobe) << "no playlist with two segments came";
  EXPECT_NE(ffprobe->log().find("h264,640,360"), std::string::npos) << ffprobe->log();
  EXPECT_NE(ffprobe->log().find("aac"), std::string::npos) << ffprobe->log();
}

TEST_F(DialOnNginx, SaysWhatEndedAStreamWhosePublisherLeft) {
  DialRequest push = request_for(nginx_->url("live/leaving"), std::chrono::seconds(60));
  push.direction = DialDirection::push;
  push.push.read_back = false;
  const auto publisher = make_dial(run_.loop(), push);
  publisher->start();
  while (!publisher->report().push->held) run_.loop().turn(std::chrono::milliseconds(20));
  const DialReport report =
      run_.run(request_for(nginx_->url("live/leaving"), std::chrono::seconds(60)), [&](Dial& dial) {
        if (dial.progress().newest == DialPhase::first_gop) publisher->stop();
      });
  EXPECT_EQ(report.end, DialEnd::stream_ended) << dial_report_json(report);
  EXPECT_FALSE(report.end_code.empty());
  EXPECT_TRUE(report.success && !report.failure);
}

}  // namespace
}  // namespace linkpilot::prober
