// What comes before RTMP: names, asked of a DNS server of the test's own, and certificates, shown
// by openssl's server, each with one fault.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>

#include "prober/media/dial/report_json.h"
#include "tests/support/certificates.h"
#include "tests/support/dial_run.h"
#include "tests/support/rtmp_dial.h"
#include "tests/support/scripted_dns.h"
#include "tests/support/scripted_server.h"

namespace linkpilot::prober {
namespace {

using rtmp::ScriptedPeer;
using rtmp::ScriptedServer;

const IpAddress kHere = IpAddress::v4(127, 0, 0, 1);

DialRequest request_by(const ScriptedDns& dns, std::uint16_t port) {
  DialRequest request = loopback_request(fmt::format("rtmp://media.test:{}/live/x", port));
  request.resolver.servers = {dns.endpoint()};
  return request;
}

TEST(DialOfAName, MarksDnsAsAPhaseOfItsOwnAndTellsWhatItLearned) {
  const ScriptedServer server([](ScriptedPeer& p) { p.hold(); });
  const ScriptedDns dns([](const DnsQuery& query) {
    DnsAnswerWriter answer(query);
    if (query.type == 1) answer.address(kHere, 17).address(IpAddress::v4(127, 0, 0, 2), 0);
    return std::optional(answer.take());
  });
  DialRun run;
  const DialReport report = run.run(request_by(dns, server.port()));
  EXPECT_EQ(verdict_of(report), "handshake timeout");
  const DialHop& hop = report.hops.back();
  ASSERT_GE(hop.phases.size(), 2U);
  EXPECT_EQ(hop.phases[0].phase, DialPhase::dns);
  EXPECT_EQ(hop.phases[1].phase, DialPhase::tcp);
  EXPECT_EQ(hop.dns.answers_total, 2U);
  EXPECT_EQ(hop.dns.resolver, dns.endpoint().to_string());
  EXPECT_EQ(hop.dns.answers[0].ttl_s + hop.dns.answers[1].ttl_s, 17U);
}

TEST(DialOfAName, NamesEachWayInWhichANameCanFail) {
  struct Case {
    const char* name;
    const char* want;
    ScriptedDns::Script script;
  };
  const Case cases[] = {
      {"no such name", "dns no_such_name Domain name not found",
       [](const DnsQuery& q) { return std::optional(DnsAnswerWriter(q, 3).take()); }},
      {"server failure", "dns dns_failed DNS server returned general failure",
       [](const DnsQuery& q) { return std::optional(DnsAnswerWriter(q, 2).take()); }},
      {"refused", "dns dns_failed DNS server refused query",
       [](const DnsQuery& q) { return std::optional(DnsAnswerWriter(q, 5).take()); }},
      {"no address", "dns no_address DNS server returned answer with no data",
       [](const DnsQuery& q) { return std::optional(DnsAnswerWriter(q).take()); }},
      {"silence", "dns timeout", [](const DnsQuery&) { return std::nullopt; }},
      {"an alias of itself", "dns no_address DNS server returned answer with no data",
       [](const DnsQuery& q) {
         const std::vector<std::uint8_t> self(
             q.bytes.begin() + 12,
             q.bytes.begin() + static_cast<std::ptrdiff_t>(q.question_end) - 4);
         return std::optional(DnsAnswerWriter(q).alias(self).take());
       }},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.name);
    const ScriptedDns dns(one.script);
    DialRun run;
    const DialReport report = run.run(request_by(dns, 1935));
    EXPECT_EQ(verdict_of(report), one.want);
    EXPECT_NE(report.verdict.sentence.find("media.test"), std::string::npos);
  }
}

TEST(DialOfAName, JudgesAddressesAfterDns) {
  const ScriptedDns dns([](const DnsQuery& q) {
    DnsAnswerWriter answer(q);
    if (q.type == 1) answer.address(IpAddress::v4(169, 254, 169, 254), 60);
    return std::optional(answer.take());
  });
  DialRequest request = request_by(dns, 1935);
  request.policy.trust_given_target = false;
  request.policy.allowed = parse_ranges("loopback").value();
  DialRun run;
  const DialReport report = run.run(request);
  EXPECT_EQ(verdict_of(report), "policy forbidden");
  EXPECT_NE(report.verdict.sentence.find("metadata"), std::string::npos);
}

TEST(DialOfAName, TakesAnOverrideInAnyCase) {
  DialRequest request =
      loopback_request(fmt::format("rtmp://Media.test:{}/live/x", rtmp::free_port()));
  request.resolver.overrides = {{.host = "mEDIA.Test.", .address = IpAddress::v4(127, 0, 0, 1)}};
  DialRun run;
  EXPECT_EQ(verdict_of(run.run(request)), "tcp refused Connection refused");
}

TEST(DialOfAName, BoundsWhatIsKeptOfManyAddresses) {
  const ScriptedDns dns([](const DnsQuery& q) {
    DnsAnswerWriter answer(q);
    for (int i = 0; q.type == 1 && i < 72; ++i) {
      answer.address(IpAddress::v4(127, 1, 0, static_cast<std::uint8_t>(i)), 0);
    }
    return std::optional(answer.take());
  });
  DialRun run;
  const DialReport report = run.run(request_by(dns, rtmp::free_port()));
  EXPECT_EQ(verdict_of(report), "tcp refused Connection refused");
  EXPECT_EQ(report.hops[0].dns.answers_total, 72U);
  EXPECT_EQ(report.hops[0].dns.answers.size(), 64U);
  EXPECT_EQ(report.hops[0].attempts.size(), 4U);
}

TEST(DialOfAName, SendsTheClientSubnetAsTheResolverExpectsIt) {
  const ScriptedDns dns([](const DnsQuery& q) {
    DnsAnswerWriter answer(q);
    if (q.type == 1) answer.address(kHere, 5);
    return std::optional(answer.take());
  });
  DialRequest request = request_by(dns, rtmp::free_port());
  request.resolver.client_subnet =
      ClientSubnet{.address = IpAddress::v4(198, 51, 100, 77), .bits = 23};
  DialRun run;
  const DialReport report = run.run(request);
  EXPECT_EQ(verdict_of(report), "tcp refused Connection refused");
  EXPECT_EQ(report.hops[0].dns.client_subnet, "198.51.100.77/23");
  ASSERT_FALSE(dns.queries().empty());
  // RFC 7871 s6: code 8, length 7, family 1, source 23, scope 0, and the address cut to 23 bits.
  const std::vector<std::uint8_t> option{0, 8, 0, 7, 0, 1, 23, 0, 198, 51, 100};
  const auto bytes = dns.queries()[0].bytes;
  ASSERT_GE(bytes.size(), option.size() + 2);
  EXPECT_TRUE(std::equal(option.rbegin(), option.rend(), bytes.rbegin()));
  EXPECT_EQ(bytes[bytes.size() - option.size() - 1], option.size()) << "RDLENGTH of OPT";
}

TEST(DialOfAName, RefusesNamesThatCannotBe) {
  DialRun run;
  EXPECT_EQ(verdict_of(run.run(loopback_request("rtmp://b\xc3\xbc"
                                                "cher.test/live/x"))),
            "url bad_url");
  const std::string label(63, 'a');
  const std::string name = label + "." + label + "." + label + "." + label;
  EXPECT_EQ(verdict_of(run.run(loopback_request("rtmp://" + name + "/live/x"))),
            "dns no_such_name");
}

class DialOfTls : public testing::Test {
 protected:
  static void SetUpTestSuite() { certificates_ = new Certificates; }
  static void TearDownTestSuite() { delete certificates_; }

  // openssl's server with one certificate; it answers no RTMP.
  static std::unique_ptr<ChildProcess> serve(const std::string& name, std::uint16_t port) {
    const Certificates::Pair pair = certificates_->pair(name);
    auto server = std::make_unique<ChildProcess>(
        std::vector<std::string>{"openssl", "s_server", "-www", "-accept",
                                 "127.0.0.1:" + std::to_string(port), "-cert", pair.chain, "-key",
                                 pair.key},
        pair.key + ".log");
    const auto listens = [port] {
      const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      const sockaddr_in address = rtmp::loopback(port);
      const bool made =
          ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
      ::close(fd);
      return made;
    };
    for (int i = 0; i < 500 && !listens(); ++i) ::poll(nullptr, 0, 20);
    return server;
  }
  static DialRequest request_of(std::uint16_t port, const char* scheme = "rtmps") {
    DialRequest request = loopback_request(fmt::format("{}://media.test:{}/live/x", scheme, port));
    request.resolver.overrides = {{.host = "media.test", .address = kHere}};
    request.ca_file = certificates_->authority();
    return request;
  }
  static Certificates* certificates_;
  DialRun run_;
};
Certificates* DialOfTls::certificates_ = nullptr;

TEST_F(DialOfTls, TellsTheFaultsOfCertificatesApart) {
  struct Case {
    const char* certificate;
    DialFault fault;
  };
  for (const Case& one : {Case{"expired", DialFault::certificate_expired},
                          Case{"early", DialFault::certificate_not_yet_valid},
                          Case{"elsewhere", DialFault::certificate_name},
                          Case{"unknown", DialFault::certificate_chain},
                          Case{"self", DialFault::certificate_self_signed}}) {
    SCOPED_TRACE(one.certificate);
    const std::uint16_t port = rtmp::free_port();
    const auto server = serve(one.certificate, port);
    DialRequest request = request_of(port);
    const DialReport enforced = run_.run(request);
    ASSERT_TRUE(enforced.failure) << server->log();
    EXPECT_EQ(to_string(enforced.failure->kind), to_string(one.fault));
    EXPECT_EQ(enforced.failure->stage, DialStage::tls);
    EXPECT_FALSE(enforced.failure->code.empty());
    EXPECT_NE(enforced.verdict.sentence.find("media.test"), std::string::npos);
    request.tls_mode = TlsMode::record;
    const DialReport recorded = run_.run(request);
    EXPECT_EQ(recorded.failure.value_or(DialFailure{}).stage, DialStage::handshake);
    EXPECT_EQ(recorded.hops.back().tls.value_or(TlsReport{}).certificate_fault, one.fault);
  }
}

TEST_F(DialOfTls, GoesThroughWithAGoodCertificateByNameAndByAddress) {
  const std::uint16_t port = rtmp::free_port();
  const auto server = serve("good", port);
  DialRequest by_name = request_of(port);
  DialRequest by_address = by_name;
  by_address.url = fmt::format("rtmps://127.0.0.1:{}/live/x", port);
  for (const DialRequest& request : {by_name, by_address}) {
    const DialReport report = run_.run(request);
    ASSERT_TRUE(report.hops.back().tls) << report.verdict.sentence;
    EXPECT_FALSE(report.hops.back().tls->certificate_fault);
    EXPECT_EQ(report.hops.back().tls->version, "TLSv1.3");
    EXPECT_EQ(verdict_of(report), "handshake timeout") << "openssl speaks no RTMP";
  }
}

TEST_F(DialOfTls, NamesTheWrongProtocolOnEitherSide) {
  const std::uint16_t port = rtmp::free_port();
  const auto server = serve("good", port);
  EXPECT_EQ(verdict_of(run_.run(request_of(port, "rtmp"))), "handshake closed");
  struct Case {
    const char* name;
    const char* want;
    ScriptedServer::Script script;
  };
  const Case cases[] = {
      {"RTMP", "tls not_tls wrong version number",
       [](ScriptedPeer& p) { p.send(rtmp::joined({{3}, rtmp::filler(1536)})), p.hold(); }},
      {"HTTP", "tls not_tls wrong version number",
       [](ScriptedPeer& p) { p.send_text("HTTP/1.1 400 Bad Request\r\n\r\n"), p.hold(); }},
      {"silence", "tls timeout", [](ScriptedPeer& p) { p.hold(); }},
      {"a hello that trickles", "tls timeout",
       [](ScriptedPeer& p) {
         p.trickle({0x16, 3, 3, 0x40, 0, 2, 0, 0x3f, 0xfc, 3, 3, 1, 1, 1}), p.hold();
       }},
      {"reset", "tls reset Connection reset by peer",
       [](ScriptedPeer& p) { p.pause(std::chrono::milliseconds(50)), p.reset(); }},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.name);
    const ScriptedServer hostile(one.script);
    EXPECT_EQ(verdict_of(run_.run(request_of(hostile.port()))), one.want);
  }
}

}  // namespace
}  // namespace linkpilot::prober
