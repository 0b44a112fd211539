#include "collector/ingest/plausibility.h"

#include <gtest/gtest.h>

namespace linkpilot::collector {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr UnixNanos kNow{1'800'000'000'000'000'000};
const NodeId kSelf{3};

LinkSample good() {
  LinkSample sample;
  sample.link = {{kSelf, PortIndex{0}}, {NodeId{4}, PortIndex{1}}};
  sample.start = kNow - seconds(2);
  sample.length = seconds(1);
  sample.sent = 3;
  sample.answered = 2;
  sample.lost_forward = 1;
  sample.rtt_min = milliseconds(10);
  sample.rtt_max = milliseconds(20);
  sample.rtt_sum = milliseconds(30);
  sample.rtt.add(milliseconds(10));
  sample.rtt.add(milliseconds(20));
  return sample;
}

TEST(Plausibility, AGoodSampleIsFolded) {
  EXPECT_EQ(judge_sample(good(), kSelf, kNow).fate, SampleFate::fold);
}

TEST(Plausibility, OldSamplesAreKeptButTeachNothing) {
  LinkSample sample = good();
  sample.start = kNow - std::chrono::hours(1);
  EXPECT_EQ(judge_sample(sample, kSelf, kNow).fate, SampleFate::keep);
}

TEST(Plausibility, WhatCannotBeTrueIsRefused) {
  struct Case {
    const char* name;
    void (*spoil)(LinkSample&);
  };
  const Case cases[] = {
      {"another node's link", [](LinkSample& s) { s.link = s.link.reversed(); }},
      {"a link to itself", [](LinkSample& s) { s.link.to.node = kSelf; }},
      {"a link to nobody", [](LinkSample& s) { s.link.to.node = NodeId{}; }},
      {"a port beyond the last", [](LinkSample& s) { s.link.to.port = PortIndex{8}; }},
      {"the future", [](LinkSample& s) { s.start = kNow + std::chrono::hours(1); }},
      {"no time at all", [](LinkSample& s) { s.length = {}; }},
      {"more answers than probes", [](LinkSample& s) { s.answered = 9; }},
      {"a sum below the minimum", [](LinkSample& s) { s.rtt_sum = milliseconds(1); }},
      {"a minimum above the maximum", [](LinkSample& s) { s.rtt_min = seconds(1); }},
      {"a negative minimum", [](LinkSample& s) { s.rtt_min = -milliseconds(1); }},
      {"a sketch of more answers", [](LinkSample& s) { s.rtt.add(milliseconds(15)); }},
      {"a delay of hours",
       [](LinkSample& s) { s.forward_delay = {1, std::chrono::hours(2), {}, {}}; }},
  };
  for (const Case& each : cases) {
    SCOPED_TRACE(each.name);
    LinkSample sample = good();
    each.spoil(sample);
    const SampleVerdict verdict = judge_sample(sample, kSelf, kNow);
    EXPECT_EQ(verdict.fate, SampleFate::refuse);
    EXPECT_FALSE(verdict.reason.empty());
  }
}

TEST(Plausibility, AlarmsSpeakOfTheirOwnNodeOnly) {
  Alarm alarm;
  alarm.link = {{NodeId{1}, PortIndex{0}}, {kSelf, PortIndex{0}}};
  alarm.state = LinkState::dead;
  EXPECT_FALSE(refuse_alarm(alarm, kSelf, kNow));
  alarm.link.to.node = NodeId{2};
  EXPECT_TRUE(refuse_alarm(alarm, kSelf, kNow));
}

TEST(Plausibility, AHelloMustAgreeWithItsKeyAndNameItsPorts) {
  Hello hello;
  hello.kind = ClientKind::agent;
  hello.self.name = "a";
  EXPECT_TRUE(refuse_hello(hello, "a")) << "no port";
  Port port;
  port.advertised = IpAddress::v4(192, 0, 2, 1);
  hello.self.ports = {port};
  EXPECT_FALSE(refuse_hello(hello, "a"));
  EXPECT_TRUE(refuse_hello(hello, "b"));
  hello.self.ports.push_back(port);
  EXPECT_TRUE(refuse_hello(hello, "a")) << "two ports with one number";
}

}  // namespace
}  // namespace linkpilot::collector
