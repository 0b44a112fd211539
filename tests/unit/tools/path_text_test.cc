#include "tools/linkpilot/path_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace linkpilot::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

prober::PathHop answered_hop(std::uint8_t ttl, const char* address, std::uint64_t lost) {
  prober::PathHop hop;
  hop.ttl = ttl;
  hop.addresses = {{.address = IpAddress::parse(address).value(), .answers = 10}};
  hop.probes = {lost, 10};
  for (int i = 0; i < 3; ++i) hop.rtt.add(std::chrono::milliseconds(5 + i));
  hop.reply_ttl = static_cast<std::uint8_t>(64 - ttl + 1);
  return hop;
}

PathTarget some_target() {
  PathTarget target{.host = "edge.example", .options = {}};
  target.options.first.source = IpAddress::parse("192.0.2.1").value();
  target.options.first.destination = IpAddress::parse("198.51.100.7").value();
  target.options.first.destination_port = 33434;
  return target;
}

prober::TraceReport two_flows() {
  prober::TraceReport report;
  report.rounds = 10;
  report.width = 2;
  for (const char* middle : {"10.0.0.2", "10.0.0.3"}) {
    prober::FlowPath path{.flow = some_target().options.first, .hops = {}};
    path.flow.source_port = static_cast<std::uint16_t>(20000 + report.flows.size());
    path.end = prober::FlowEnd::reached;
    prober::PathHop silent;
    silent.ttl = 1;
    silent.probes = {10, 10};
    path.hops = {silent, answered_hop(2, middle, 0), answered_hop(3, "198.51.100.7", 2)};
    report.flows.push_back(path);
  }
  report.blames = {{.flow = 1, .after = 2, .at = 3, .loss_ratio = 0.2}};
  return report;
}

TEST(TraceText, ShowsARowForEachAddressAndSaysWhereLossIs) {
  const std::string text = trace_text(some_target(), two_flows());
  EXPECT_THAT(text, HasSubstr("edge.example (198.51.100.7)"));
  EXPECT_THAT(text, HasSubstr("2 flows, 10 rounds"));
  EXPECT_THAT(text, HasSubstr("10.0.0.2"));
  EXPECT_THAT(text, HasSubstr("* > 10.0.0.3 > 198.51.100.7  (port 20001)"));
  EXPECT_THAT(text, HasSubstr("Loses packets: 20.0 % between 10.0.0.3 (hop 2) and 198.51.100.7"));
  EXPECT_THAT(text, Not(HasSubstr("did not answer")));
}

TEST(TraceText, SaysWhereAnswersEndAndWhatToTry) {
  prober::TraceReport report = two_flows();
  for (prober::FlowPath& path : report.flows) {
    path.hops.pop_back();
    path.end = prober::FlowEnd::silent;
  }
  report.blames.clear();
  EXPECT_THAT(trace_text(some_target(), report), HasSubstr("nobody did beyond hop 2"));
  report.flows.resize(1);
  report.flows[0].hops.clear();
  EXPECT_THAT(trace_text(some_target(), report), HasSubstr("not even the first hop"));
}

TEST(TraceJson, HasTheHopsOfEachFlow) {
  const Json object = trace_json(some_target(), two_flows());
  EXPECT_EQ(object["flows"][0]["hops"][0]["address"], nullptr);
  EXPECT_EQ(object["flows"][1]["hops"][1]["address"], "10.0.0.3");
  EXPECT_EQ(object["flows"][1]["hops"][2]["lost"], 2);
  EXPECT_EQ(object["flows"][1]["hops"][1]["jitter_ms"], 1.0);
  EXPECT_EQ(object["blamed"][0]["after_hop"], 2);
  EXPECT_EQ(object["width"], 2);
}

TEST(MtuText, NamesABlackHoleAndItsPlace) {
  PathMtu mtu;
  mtu.found.verdict = prober::MtuVerdict::black_hole;
  mtu.found.octets = 1400;
  mtu.last_hop = answered_hop(2, "10.0.0.2", 0);
  EXPECT_THAT(mtu_text(some_target(), mtu),
              testing::AllOf(HasSubstr("MTU 1400 (TCP segments of 1360)"),
                             HasSubstr("vanish after 10.0.0.2 (hop 2)")));
  const Json object = mtu_json(some_target(), mtu);
  EXPECT_EQ(object["verdict"], "black_hole");
  EXPECT_EQ(object["last_hop"]["ttl"], 2);
}

}  // namespace
}  // namespace linkpilot::cli
