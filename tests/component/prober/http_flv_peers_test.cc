// HTTP-FLV dials against real servers: nginx with files, over TLS of every sort, and
// node-media-server live, directly and behind nginx. What curl fetches is the measure. Needs nginx,
// openssl, curl, ffmpeg and node-media-server (tools/setup).
#include <gtest/gtest.h>

#include <openssl/ssl.h>
#include <signal.h>

#include <fstream>
#include <map>

#include "prober/media/flv/flv_demuxer.h"
#include "tests/support/certificates.h"
#include "tests/support/http_flv_fixture.h"
#include "tests/support/node_media_server.h"
#include "tests/support/scripted_http_server.h"

namespace linkpilot::prober {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class CountingSink final : public TagSink {
 public:
  void on_tag_begin(const TagHeader& tag, Now) override { ++begun[tag.type]; }
  void on_tag_body(std::span<const std::uint8_t> part) override { octets += part.size(); }
  void on_tag_end(Now) override { ++tags; }
  std::map<TagType, std::uint64_t> begun;
  std::uint64_t octets = 0;
  std::uint64_t tags = 0;
};

std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// One nginx: static files over http, over https with each certificate, and in front of a live
// server.
class Nginx {
 public:
  explicit Nginx(const NodeMediaServer& live) {
    std::ofstream(directory_.path("x.flv"), std::ios::binary) << flv_body(seconds(8));
    std::string servers = server("http", "", "");
    for (const char* name : {"good", "expired", "early", "elsewhere", "unknown", "self"}) {
      servers += server(name, " ssl", tls(name));
    }
    servers += server("h2", " ssl http2", tls("good"));
    servers += fmt::format(
        "server {{ listen 127.0.0.1:{} ssl; {} location / {{ proxy_pass http://127.0.0.1:{}; "
        "proxy_http_version 1.1; proxy_buffering off; }} }}\n",
        port("live"), tls("good"), live.http_port());
    const std::string config = directory_.path("nginx.conf");
    std::ofstream(config) << fmt::format(
        "daemon off; master_process off; user root; pid {0}/nginx.pid; error_log {0}/error.log;\n"
        "events {{ worker_connections 256; }}\n"
        "http {{ access_log off; types {{ video/x-flv flv; }} client_body_temp_path {0}/b;\n"
        "proxy_temp_path {0}/p; fastcgi_temp_path {0}/f; uwsgi_temp_path {0}/u;\n"
        "scgi_temp_path {0}/s;\n{1}}}\n",
        directory_.path(""), servers);
    process_ = std::make_unique<ChildProcess>(
        std::vector<std::string>{"/usr/sbin/nginx", "-p", directory_.path(""), "-c", config},
        directory_.path("nginx.log"));
    SystemClock clock;
    const MonoTime end = clock.now().mono + seconds(20);
    while (!answers() && process_->is_running() && clock.now().mono < end) ::poll(nullptr, 0, 20);
  }

  [[nodiscard]] std::string url(const std::string& name, const std::string& path = "x.flv") {
    return fmt::format("{}://127.0.0.1:{}/{}", name == "http" ? "http" : "https", port(name), path);
  }
  [[nodiscard]] const Certificates& certificates() const { return certificates_; }
  [[nodiscard]] std::string path(const std::string& name) const { return directory_.path(name); }
  [[nodiscard]] std::uint16_t port(const std::string& name) {
    const auto found = ports_.find(name);
    return found != ports_.end() ? found->second : ports_[name] = rtmp::free_port();
  }
  [[nodiscard]] bool answers() {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = rtmp::loopback(port("live"));
    const bool accepted =
        ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
    ::close(fd);
    return accepted;
  }
  [[nodiscard]] std::string log() const { return process_->log() + text_of(path("error.log")); }

 private:
  std::string server(const std::string& name, const std::string& listen, const std::string& extra) {
    return fmt::format(
        "server {{ listen 127.0.0.1:{}{}; root {}; {} location /gone {{ return 410; }} "
        "location /moved {{ return 302 /x.flv; }} location /page {{ default_type text/html; return "
        "200 '<html>hello</html>'; }} }}\n",
        port(name), listen, directory_.path(""), extra);
  }
  [[nodiscard]] std::string tls(const std::string& name) const {
    return fmt::format("ssl_certificate {}; ssl_certificate_key {};",
                       certificates_.pair(name).chain, certificates_.pair(name).key);
  }

  TemporaryDirectory directory_;
  Certificates certificates_;
  std::map<std::string, std::uint16_t> ports_;
  std::unique_ptr<ChildProcess> process_;
};

class HttpFlvPeers : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    live_ = new NodeMediaServer;
    nginx_ = new Nginx(*live_);
    publisher_ = new ChildProcess(live_ffmpeg("250", live_->rtmp_url("live/camera")),
                                  live_->path("publisher.log"));
  }
  static void TearDownTestSuite() {
    delete publisher_;
    delete nginx_;
    delete live_;
  }
  void SetUp() override {
    ASSERT_TRUE(nginx_->answers()) << nginx_->log();
    ASSERT_TRUE(live_->answers()) << live_->log();
  }
  static DialRequest request_for(const std::string& url) {
    DialRequest request = http_request(url);
    request.ca_file = nginx_->certificates().authority();
    return request;
  }

  static NodeMediaServer* live_;
  static Nginx* nginx_;
  static ChildProcess* publisher_;
};
NodeMediaServer* HttpFlvPeers::live_ = nullptr;
Nginx* HttpFlvPeers::nginx_ = nullptr;
ChildProcess* HttpFlvPeers::publisher_ = nullptr;

TEST_F(HttpFlvPeers, AFileOfNginxComesAsCurlFetchesIt) {
  for (const char* server : {"http", "good", "h2"}) {
    SCOPED_TRACE(server);
    const std::string fetched = nginx_->path(std::string(server) + ".out");
    ChildProcess curl({"curl", "-sk", "-o", fetched, nginx_->url(server)},
                      nginx_->path("curl.log"));
    ASSERT_EQ(curl.wait(), 0) << curl.log();
    const std::string octets = text_of(fetched);
    CountingSink by_curl;
    FlvDemuxer demuxer(by_curl);
    ASSERT_TRUE(
        demuxer.consume({reinterpret_cast<const std::uint8_t*>(octets.data()), octets.size()}, {}));

    CountingSink by_dial;
    DialRequest request = request_for(nginx_->url(server));
    request.length = seconds(30);
    request.copy = &by_dial;
    const DialReport report = run_dial(std::move(request));
    EXPECT_EQ(failure_of(report), "ok");
    EXPECT_EQ(report.end, DialEnd::stream_ended);
    EXPECT_EQ(by_dial.tags, by_curl.tags);
    EXPECT_EQ(by_dial.octets, by_curl.octets);
    EXPECT_EQ(by_dial.begun, by_curl.begun);
    EXPECT_GT(by_dial.tags, 300U);
    std::size_t head = 0;  // what of octets_in is not the body, about
    for (const auto& [name, value] : report.hops[0].headers) head += name.size() + value.size() + 4;
    EXPECT_GE(report.octets_in, octets.size() + head);
    EXPECT_LE(report.octets_in, octets.size() + head + 64);
    ASSERT_TRUE(report.hops[0].server);
    EXPECT_EQ(report.hops[0].server_version.substr(0, 5), "nginx");
  }
}

TEST_F(HttpFlvPeers, HttpsNegotiatesWhatTheServerOffers) {
  const DialReport one = run_dial(request_for(nginx_->url("good")));
  const DialReport two = run_dial(request_for(nginx_->url("h2")));
  ASSERT_TRUE(one.hops[0].tls && two.hops[0].tls);
  EXPECT_EQ(two.hops[0].tls->alpn, "h2");
  EXPECT_NE(one.hops[0].tls->alpn, "h2");
  EXPECT_TRUE(one.hops[0].tls->version.starts_with("TLSv1."));
  EXPECT_EQ(one.carrier, "https-flv");
  for (const DialReport& report : {one, two}) {
    EXPECT_TRUE(report.success);
    EXPECT_FALSE(report.hops[0].tls->certificate_fault);
    const auto tcp = report.since_start(DialPhase::tcp);
    const auto tls = report.since_start(DialPhase::tls);
    const auto first = report.since_start(DialPhase::first_octet);
    const auto response = report.since_start(DialPhase::response);
    const auto header = report.since_start(DialPhase::flv_header);
    ASSERT_TRUE(tcp && tls && first && response && header);
    EXPECT_LT(*tcp, *tls);
    EXPECT_LT(*tls, *first);
    EXPECT_LE(*first, *response);
    EXPECT_LE(*response, *header);
  }
}

TEST_F(HttpFlvPeers, CertificateFaultsAreToldApart) {
  struct Case {
    const char* server;
    DialFault fault;
  };
  for (const Case& c : {Case{"expired", DialFault::certificate_expired},
                        Case{"early", DialFault::certificate_not_yet_valid},
                        Case{"elsewhere", DialFault::certificate_name},
                        Case{"unknown", DialFault::certificate_chain},
                        Case{"self", DialFault::certificate_self_signed}}) {
    SCOPED_TRACE(c.server);
    const DialReport refused = run_dial(request_for(nginx_->url(c.server)));
    ASSERT_TRUE(refused.failure);
    EXPECT_EQ(refused.failure->stage, DialStage::tls);
    EXPECT_EQ(refused.failure->kind, c.fault) << refused.failure->sentence;
    EXPECT_EQ(refused.octets_out, 0U);  // no request, and no token in it, has left
    DialRequest record = request_for(nginx_->url(c.server));
    record.tls_mode = TlsMode::record;
    const DialReport recorded = run_dial(std::move(record));
    EXPECT_TRUE(recorded.success);
    EXPECT_EQ(recorded.hops[0].tls->certificate_fault, c.fault);
  }
}

// The server sees the name, in SNI and Host, whatever address is dialled for it.
TEST_F(HttpFlvPeers, NamesMayBeAnsweredByHand) {
  for (const char* server : {"http", "good"}) {
    std::string url = nginx_->url(server);
    url.replace(url.find("127.0.0.1"), 9, "media.test");
    DialRequest request = request_for(url);
    request.resolver.overrides = {{.host = "media.test", .address = IpAddress::v4(127, 0, 0, 1)}};
    const DialReport report = run_dial(std::move(request));
    EXPECT_EQ(failure_of(report), "ok");
    EXPECT_EQ(report.hops[0].dns.resolver, "override");
    EXPECT_FALSE(has_phase(report, DialPhase::dns));
  }
  std::string url = nginx_->url("good");
  url.replace(url.find("127.0.0.1"), 9, "cdn.example");
  DialRequest request = request_for(url);
  request.resolver.overrides = {{.host = "cdn.example", .address = IpAddress::v4(127, 0, 0, 1)}};
  EXPECT_EQ(run_dial(std::move(request)).failure->kind, DialFault::certificate_name);
}

TEST_F(HttpFlvPeers, TlsThatIsNoneAndHttpWhereTlsIs) {
  std::string url = nginx_->url("http");
  url.replace(0, 4, "https");
  EXPECT_EQ(run_dial(request_for(url)).failure->kind, DialFault::not_tls);
  url = nginx_->url("good");
  url.replace(0, 5, "http");
  EXPECT_EQ(failure_of(run_dial(request_for(url))), "response http_status 400");
}

TEST_F(HttpFlvPeers, BrokenTlsHandshakesEndInTheirStage) {
  const auto fault = [](const ScriptedHttpServer::Script& script) {
    ScriptedHttpServer server(script);
    std::string url = server.url();
    url.replace(0, 4, "https");
    DialRequest request = http_request(url);
    request.deadlines.tls = milliseconds(400);
    const DialReport report = run_dial(std::move(request));
    EXPECT_EQ(report.failure->stage, DialStage::tls);
    return report.failure->kind;
  };
  EXPECT_EQ(fault([](HttpPeer& peer) { peer.stay(); }), DialFault::timeout);
  EXPECT_EQ(fault([](HttpPeer& peer) {
              peer.trickle(std::string("\x16\x03\x03\x40\x00", 5) + std::string(9000, '\2'), 1,
                           milliseconds(20));
            }),
            DialFault::timeout);
  EXPECT_EQ(fault([](HttpPeer& peer) {
              peer.pause(milliseconds(100));
              peer.half_close();
              peer.stay();
            }),
            DialFault::closed);
  EXPECT_EQ(fault([](HttpPeer& peer) {
              peer.pause(milliseconds(100));
              peer.reset();
            }),
            DialFault::reset);
  EXPECT_EQ(fault([](HttpPeer& peer) {
              peer.send("HTTP/1.1 400 Bad Request\r\n\r\n");
              peer.stay();
            }),
            DialFault::not_tls);
  EXPECT_EQ(fault([](HttpPeer& peer) {  // an alert: handshake failure
              peer.send(std::string("\x15\x03\x03\x00\x02\x02\x28", 7));
              peer.stay();
            }),
            DialFault::tls_failed);
}

// A server of our own above TLS, for what nginx does not do.
class TlsPeer {
 public:
  TlsPeer(HttpPeer& peer, const Certificates::Pair& pair, int more_certificates = 0)
      : context_(SSL_CTX_new(TLS_server_method())), ssl_(nullptr) {
    // OpenSSL writes with write(): in this thread of the server's, and no other, SIGPIPE waits.
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
    SSL_CTX_use_certificate_chain_file(context_, pair.chain.c_str());
    SSL_CTX_use_PrivateKey_file(context_, pair.key.c_str(), SSL_FILETYPE_PEM);
    for (int i = 0; i < more_certificates; ++i) {
      X509* copy = X509_dup(SSL_CTX_get0_certificate(context_));
      SSL_CTX_add_extra_chain_cert(context_, copy);
    }
    ssl_ = SSL_new(context_);
    SSL_set_fd(ssl_, peer.fd());
    SSL_accept(ssl_);
  }
  ~TlsPeer() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }
  TlsPeer(const TlsPeer&) = delete;
  TlsPeer& operator=(const TlsPeer&) = delete;

  void read_request() {
    std::array<char, 4096> buffer{};
    std::string text;
    while (text.find("\r\n\r\n") == std::string::npos) {
      const int got = SSL_read(ssl_, buffer.data(), static_cast<int>(buffer.size()));
      if (got <= 0) return;
      text.append(buffer.data(), static_cast<std::size_t>(got));
    }
  }
  bool send(const std::string& text) {
    return SSL_write(ssl_, text.data(), static_cast<int>(text.size())) > 0;
  }
  bool update_key() { return SSL_key_update(ssl_, SSL_KEY_UPDATE_REQUESTED) == 1; }

 private:
  SSL_CTX* context_;
  SSL* ssl_;
};

TEST_F(HttpFlvPeers, AnEndWithoutCloseNotifyIsToldFromATruncation) {
  const std::string flv = flv_body(seconds(1));
  const auto answered = [&](const std::string& fields, const std::string& body) {
    ScriptedHttpServer server([&](HttpPeer& peer) {
      TlsPeer tls(peer, nginx_->certificates().pair("good"));
      tls.read_request();
      tls.send("HTTP/1.1 200 OK\r\n" + fields + "\r\n" + body);
    });
    std::string url = server.url();
    url.replace(0, 4, "https");
    return run_dial(request_for(url));
  };
  const DialReport unframed = answered("", flv);
  EXPECT_EQ(failure_of(unframed), "ok");
  EXPECT_EQ(unframed.end, DialEnd::stream_ended);
  EXPECT_EQ(unframed.end_code, "connection closed");
  const DialReport truncated =
      answered("Transfer-Encoding: chunked\r\n", fmt::format("{:x}\r\n{}\r\n", flv.size(), flv));
  ASSERT_TRUE(truncated.failure);
  EXPECT_EQ(truncated.failure->kind, DialFault::closed);
  EXPECT_TRUE(truncated.success);
}

TEST_F(HttpFlvPeers, AHugeChainOfCertificatesEndsTheHandshake) {
  ScriptedHttpServer server(
      [](HttpPeer& peer) { const TlsPeer tls(peer, nginx_->certificates().pair("good"), 2000); });
  std::string url = server.url();
  url.replace(0, 4, "https");
  const DialReport report = run_dial(request_for(url));
  ASSERT_TRUE(report.failure);
  EXPECT_EQ(report.failure->stage, DialStage::tls);
}

TEST_F(HttpFlvPeers, AFloodOfKeyUpdatesEndsTheDial) {
  const std::string flv = flv_body(seconds(1));
  ScriptedHttpServer server([&](HttpPeer& peer) {
    TlsPeer tls(peer, nginx_->certificates().pair("good"));
    tls.read_request();
    tls.send("HTTP/1.1 200 OK\r\n\r\n" + flv);
    while (tls.update_key() && tls.send("x")) {
    }
  });
  std::string url = server.url();
  url.replace(0, 4, "https");
  DialRequest request = request_for(url);
  request.length = milliseconds(500);
  const DialReport report = run_dial(std::move(request));
  EXPECT_NE(report.end, DialEnd::running);
  EXPECT_TRUE(report.success);
}

TEST_F(HttpFlvPeers, NginxAnswersAreJudged) {
  EXPECT_EQ(failure_of(run_dial(request_for(nginx_->url("http", "missing.flv")))),
            "response not_found 404");
  EXPECT_EQ(failure_of(run_dial(request_for(nginx_->url("h2", "gone")))), "response not_found 410");
  EXPECT_EQ(failure_of(run_dial(request_for(nginx_->url("good", "page")))),
            "flv_header not_flv text/html");
  const DialReport moved = run_dial(request_for(nginx_->url("h2", "moved")));
  EXPECT_EQ(failure_of(moved), "ok");
  EXPECT_EQ(moved.hops.size(), 2U);
}

TEST_F(HttpFlvPeers, LiveStreamsComeOverHttpHttpsAndHttp2) {
  struct Case {
    std::string url;
    const char* alpn;
  };
  for (const Case& c : {Case{live_->http_url("live/camera.flv"), ""},
                        Case{nginx_->url("live", "live/camera.flv"), ""},
                        Case{live_->https_url("live/camera.flv"), "h2"}}) {
    SCOPED_TRACE(c.url);
    DialRequest request = request_for(c.url);
    request.tls_mode = TlsMode::record;  // node-media-server's own certificate
    request.length = seconds(4);
    request.deadlines.response = seconds(60);  // until ffmpeg publishes
    const DialReport report = run_dial(std::move(request));
    EXPECT_EQ(failure_of(report), "ok") << (report.failure ? report.failure->sentence : "");
    EXPECT_EQ(report.end, DialEnd::watched);
    EXPECT_TRUE(report.success);
    EXPECT_EQ(report.playback.video_config ? report.playback.video_config->width : 0, 320U);
    EXPECT_GT(report.playback.video.frames, 60U);
    EXPECT_GT(report.playback.audio.frames, 60U);
    const auto& tls = report.hops[0].tls;
    EXPECT_EQ(tls && tls->alpn == "h2", std::string_view(c.alpn) == "h2");
  }
}

// node-media-server keeps the request and says nothing, not even a status.
TEST_F(HttpFlvPeers, AMissingLiveStreamIsSilence) {
  DialRequest request = request_for(live_->http_url("live/missing.flv"));
  request.deadlines.response = milliseconds(800);
  const DialReport report = run_dial(std::move(request));
  EXPECT_EQ(failure_of(report), "response timeout");
  EXPECT_FALSE(report.success);
  EXPECT_EQ(report.verdict.kind, VerdictKind::cannot_open);
}

TEST_F(HttpFlvPeers, RtmpAndHttpFlvOfOneStreamAgree) {
  DialRequest over_http = request_for(live_->http_url("live/camera.flv"));
  DialRequest over_rtmp = request_for(live_->rtmp_url("live/camera"));
  over_http.deadlines.response = over_rtmp.deadlines.first_media = seconds(60);
  over_http.length = over_rtmp.length = seconds(5);
  const DialReport http = run_dial(std::move(over_http));
  const DialReport rtmp = run_dial(std::move(over_rtmp));
  EXPECT_TRUE(http.success && rtmp.success);
  EXPECT_EQ(http.playback.video_config, rtmp.playback.video_config);
  EXPECT_EQ(http.playback.audio_config, rtmp.playback.audio_config);
  EXPECT_EQ(http.end, rtmp.end);
  EXPECT_NEAR(http.playback.video.rate_by_time, rtmp.playback.video.rate_by_time, 0.5);
}

}  // namespace
}  // namespace linkpilot::prober
