// From what agents report to causes by name: which kind, told once, after how many seconds.
#include "collector/evidence/fault_finder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "collector/evidence/diagnosis_causes.h"
#include "collector/evidence/evidence_record.h"
#include "collector/faults/describe.h"
#include "tests/unit/collector/fault_fleet.h"

namespace linkpilot::collector {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// Six nodes in two regions, two ISPs of three nodes each across both.
class SixNodes : public FaultFleet {
 public:
  SixNodes() : FaultFleet({"a", "b", "c", "d", "e", "f"}) {
    for (const char* name : {"a", "b", "c"}) nodes.at(node(name)).region = "north";
    for (const char* name : {"d", "e", "f"}) nodes.at(node(name)).region = "east";
    for (const char* name : {"a", "d", "e"}) nodes.at(node(name)).isps = {"Telecom"};
    for (const char* name : {"b", "c", "f"}) nodes.at(node(name)).isps = {"Unicom"};
    packets_a_look = 20;
    pass(90);
    told.clear();
  }
  [[nodiscard]] std::vector<std::string> keys() const {
    std::vector<std::string> out;
    for (const auto& [key, cause] : finder.causes()) out.push_back(key);
    return out;
  }
  // Seconds until exactly this is named; 0: not within so many.
  int until(const std::string& key, int most) {
    for (int second = 1; second <= most; ++second) {
      pass(1);
      if (keys() == std::vector{key}) return second;
    }
    return 0;
  }
  [[nodiscard]] std::string said(const std::string& key) const {
    return sentence_of(finder.causes().at(key), nodes);
  }
};

TEST(FaultFinder, AQuietFleetHasNoCause) {
  SixNodes fleet;
  fleet.pass(600);
  EXPECT_THAT(fleet.keys(), IsEmpty());
  EXPECT_THAT(fleet.told, IsEmpty());
}

TEST(FaultFinder, ACutNodeIsNamedWithinTwoSecondsAndToldOnce) {
  SixNodes fleet;
  fleet.kill("c");
  const int after = fleet.until("node:c", 10);
  EXPECT_GE(after, 1);
  EXPECT_LE(after, 2);
  fleet.pass(300);
  EXPECT_THAT(fleet.told, SizeIs(1));
}

TEST(FaultFinder, ACutDirectionOfALinkIsNamedWithinTwoSeconds) {
  SixNodes fleet;
  fleet.way("a", "e").state = LinkState::dead;
  const int after = fleet.until("link:a:e", 10);
  EXPECT_GE(after, 1);
  EXPECT_LE(after, 2);
  EXPECT_FALSE(fleet.finder.causes().at("link:a:e").both_ways);
  EXPECT_EQ(fleet.said("link:a:e"), "nothing gets through from a to e");
}

TEST(FaultFinder, ALinkOfFivePercentLossIsNamedWithinThirtySeconds) {
  SixNodes fleet;
  fleet.way("a", "e").loss_ratio = 0.05;
  const int after = fleet.until("link:a:e", 60);
  EXPECT_GE(after, 1);
  EXPECT_LE(after, 30);
  EXPECT_THAT(fleet.said("link:a:e"), HasSubstr("from a to e loses"));
}

TEST(FaultFinder, ASlowerNodeIsNamedWithinTwentySeconds) {
  SixNodes fleet;
  for (const char* peer : {"a", "b", "c", "d", "f"}) {
    fleet.both("e", peer, {LinkState::alive, 65, 0, true});
  }
  const int after = fleet.until("node:e", 60);
  EXPECT_GE(after, 1);
  EXPECT_LE(after, 20);
  EXPECT_THAT(fleet.said("node:e"), HasSubstr("5 of its 5 measured peers"));
}

TEST(FaultFinder, LossBetweenTwoRegionsIsOfThePair) {
  SixNodes fleet;
  for (const char* from : {"a", "b", "c"}) {
    for (const char* to : {"d", "e", "f"}) fleet.both(from, to, {LinkState::alive, 40, 0.04, true});
  }
  EXPECT_GE(fleet.until("regions:east:north", 60), 1);
  EXPECT_THAT(fleet.said("regions:east:north"),
              HasSubstr("everything between north and east loses"));
  fleet.pass(60);
  ASSERT_THAT(fleet.told, SizeIs(1));
  EXPECT_EQ(subject_of(fleet.told[0].fault), "regions north - east");
}

TEST(FaultFinder, LossBetweenTwoIspsIsOfTheirs) {
  SixNodes fleet;
  for (const char* from : {"a", "d", "e"}) {
    for (const char* to : {"b", "c", "f"}) fleet.both(from, to, {LinkState::alive, 40, 0.05, true});
  }
  EXPECT_GE(fleet.until("isps:Telecom:Unicom", 60), 1);
  EXPECT_THAT(fleet.said("isps:Telecom:Unicom"), HasSubstr("between Telecom and Unicom loses"));
}

TEST(FaultFinder, ALinkThatIsLossyFromItsFirstMinuteOnIsNamedAtLast) {
  FaultFleet fleet({"a", "b", "c", "d"});
  fleet.packets_a_look = 20;
  fleet.way("a", "b").loss_ratio = 0.1;
  fleet.way("c", "d").loss_ratio = 0.02;  // so much may be usual
  fleet.pass(180);
  ASSERT_THAT(fleet.told, SizeIs(1));
  EXPECT_EQ(fleet.told[0].fault.key, "link:a:b");
}

TEST(FaultFinder, ASickAgentIsNamedAndItsWordDiscounted) {
  SixNodes fleet;
  fleet.late.insert(
      "b");  // late with every third of its own probes, and its links look lossy to it
  const int after = fleet.until("agent:b", 30);
  EXPECT_GE(after, 1);
  EXPECT_LE(after, 10);
  EXPECT_EQ(
      fleet.said("agent:b"),
      "agent b itself is sick: it is overloaded and late with its own probes; what it says of "
      "links is discounted");
  fleet.pass(60);
  EXPECT_THAT(fleet.told, SizeIs(1));
  fleet.late.clear();
  fleet.pass(200);
  ASSERT_THAT(fleet.told, SizeIs(2));
  EXPECT_EQ(fleet.told[1].event, FaultEvent::resolved);
}

TEST(FaultFinder, AnAgentThatFallsSilentWhileItsNodeAnswersIsNotItsNode) {
  SixNodes fleet;
  fleet.nodes.at(fleet.node("f")).heard = false;
  EXPECT_GE(fleet.until("agent:f", 30), 1);
  EXPECT_THAT(fleet.said("agent:f"), HasSubstr("nothing is heard of agent f"));
}

TEST(FaultFinder, ASilentCollectorUplinkIsTheCollectorsOwnAndNothingElse) {
  SixNodes fleet;
  for (auto& [id, facts] : fleet.nodes) facts.heard = false;
  fleet.pass(120);
  EXPECT_THAT(fleet.keys(), ElementsAre("collector:network"));
  ASSERT_THAT(fleet.told, SizeIs(1));
}

TEST(FaultFinder, ARegionOfFortyNodesCutAtOnceIsOneFault) {
  std::vector<std::string> names;
  for (int i = 0; i < 46; ++i) names.push_back("n" + std::to_string(i));
  FaultFleet fleet(names);
  for (int i = 0; i < 40; ++i)
    fleet.nodes.at(fleet.node(names[static_cast<std::size_t>(i)])).region = "east";
  fleet.pass(30);
  for (int i = 0; i < 40; ++i) fleet.kill(names[static_cast<std::size_t>(i)]);
  fleet.pass(40);
  ASSERT_THAT(fleet.told, SizeIs(1));
  EXPECT_EQ(fleet.told[0].fault.key, "region:east");
  EXPECT_EQ(fleet.told[0].fault.detail, "all 40 nodes of the region are down");
}

TEST(FaultFinder, AsksBothEndsOfALinkInDoubtAndRestsInBetween) {
  SixNodes fleet;
  fleet.packets_a_look = 2;
  fleet.way("a", "e").loss_ratio = 0.1;
  std::vector<ProbeRequest> asked;
  int bursts = 0;
  for (int second = 0; second < 20; ++second) {
    fleet.pass(1);
    const std::vector<ProbeRequest> now = fleet.finder.take_requests();
    bursts += now.empty() ? 0 : 1;
    asked.insert(asked.end(), now.begin(), now.end());
  }
  ASSERT_GE(bursts, 1);
  EXPECT_LE(bursts, 7);
  ASSERT_THAT(asked, SizeIs(2 * bursts));
  EXPECT_EQ(asked[0].link, asked[1].link.reversed());
  EXPECT_EQ(std::minmax(asked[0].link.from.node, asked[0].link.to.node),
            std::minmax(fleet.node("a"), fleet.node("e")));
  EXPECT_GE(asked[0].request, Questioner::kFirstRequest);
}

TEST(FaultFinder, EndsThatContradictEachOtherForAMinuteAreNotWaitedForForEver) {
  SixNodes fleet;
  // Only a's own probes to e get lost.
  fleet.lies[{"a", "e"}] = 0.2;
  fleet.pass(50);
  EXPECT_THAT(fleet.keys(), IsEmpty());
  EXPECT_GE(fleet.until("link:a:e", 60), 1);
}

TEST(EvidenceRecord, IsReadAsItWasWrittenAndGivesTheSameDiagnosis) {
  SixNodes fleet;
  fleet.both("a", "e", {LinkState::alive, 61.7, 0, true});
  fleet.way("b", "f").loss_ratio = 0.07;
  fleet.kill("c");
  fleet.nodes.at(fleet.node("d")).heard = false;
  fleet.pass(60);
  const FaultFinder& finder = fleet.finder;
  EvidenceRecord record = record_evidence(*finder.evidence(), finder.diagnosis(), finder.options(),
                                          finder.maker().index(), fleet.nodes, fleet.now.wall);
  record.fault = "0123456789ab";
  record.key = "node:c";
  ASSERT_THAT(record.causes, SizeIs(testing::Ge(4)));
  const std::string text = encode_evidence(record);
  EXPECT_LT(text.size(), 4'000u);
  const Result<EvidenceRecord> read = decode_evidence(text);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(encode_evidence(*read), text);
  EXPECT_EQ(read->fault, record.fault);
  EXPECT_TRUE(
      same_diagnosis(record.causes, optimizer::localise(read->evidence, read->options).causes));
  const RecordNames names = names_of(*read);
  std::vector<std::string> told;
  for (const auto& cause : read->causes) {
    told.push_back(cause_text(cause.id, read->evidence, names.index, names.nodes));
  }
  EXPECT_THAT(told, testing::Contains("node c"));
  EXPECT_EQ(decode_evidence(text.substr(0, text.size() / 2)).error().code, ErrorCode::corrupt);
  EXPECT_FALSE(decode_evidence("{}"));
}

}  // namespace
}  // namespace linkpilot::collector
