#include <gtest/gtest.h>

#include <memory>

#include "agent/route_client/linkpilot_routes.h"
#include "agent/route_client/marks_file.h"
#include "tests/unit/route_client/table_samples.h"

namespace linkpilot {
namespace {

using route_client::MarksFile;
using route_client::MediaFlow;

constexpr std::int64_t kFresh = samples::kCreated.ns + 1;

// A directory with a table and marks, a client and one reader.
class Lookup : public testing::Test {
 protected:
  void SetUp() override {
    publish(samples::small_table());
    marks_ = MarksFile::open(marks_path_, NodeId(1), samples::kCreated).value();
    open();
  }
  void TearDown() override { close(); }

  void open() {
    const char* reason = "not set";
    client_ = lpr_open(table_path_.c_str(), marks_path_.c_str(), &reason);
    ASSERT_NE(client_, nullptr) << reason;
    EXPECT_EQ(reason, nullptr);
    reader_ = lpr_reader_new(client_);
    ASSERT_NE(reader_, nullptr);
  }
  void close() {
    lpr_reader_free(reader_);
    lpr_close(client_);
  }
  void publish(const RouteTable& table) {
    samples::put_file(table_path_, schemas::encode_route_file(table).value());
  }
  void mark(std::uint16_t peer, std::uint8_t near_port, std::uint8_t far_port, MediaFlow flow) {
    marks_->set_dead({NodeId(peer), PortIndex(near_port), PortIndex(far_port), flow}, true);
  }
  lpr_status look(const char* target, lpr_direction direction = LPR_PUSH,
                  std::int64_t now = kFresh) {
    return lpr_lookup(reader_, direction, target, now, &route_);
  }

  samples::TemporaryDirectory directory_;
  std::string table_path_ = directory_.file("routes.bin");
  std::string marks_path_ = directory_.file("marks.bin");
  std::unique_ptr<MarksFile> marks_;
  lpr_client* client_ = nullptr;
  lpr_reader* reader_ = nullptr;
  lpr_route route_{};
};

TEST_F(Lookup, GivesTheCandidatesBestFirst) {
  ASSERT_EQ(look("fra-1"), LPR_OK);
  ASSERT_EQ(route_.path_count, 3U);
  EXPECT_EQ(route_.chosen, 0U);
  EXPECT_EQ(route_.flags, 0U);
  EXPECT_EQ(route_.target, 2);
  EXPECT_EQ(route_.node, 1);
  EXPECT_EQ(route_.epoch, 3U);
  EXPECT_EQ(route_.version, 12U);
  EXPECT_EQ(route_.paths[0].hop_count, 1);
  EXPECT_EQ(route_.paths[0].hops[0].node, 2);
  EXPECT_EQ(route_.paths[0].hops[0].near_port, 0);
  EXPECT_EQ(route_.paths[0].hops[0].far_port, 1);
  EXPECT_EQ(route_.paths[0].delay_ns, 7'000'000U);
  EXPECT_EQ(route_.paths[0].flags, LPR_PATH_LOOP_FREE);
  EXPECT_EQ(route_.paths[2].hop_count, 2);
  EXPECT_EQ(route_.paths[2].flags, 0);
}

TEST_F(Lookup, FindsNamesOfEveryLengthAndNumbersAlike) {
  for (const char* name : {"x", "fra-1", "iad-1", "singapore-ingest-4"}) {
    const lpr_status by_name = look(name);
    const lpr_route found = route_;
    EXPECT_EQ(lpr_lookup_id(reader_, LPR_PUSH, found.target, kFresh, &route_), by_name) << name;
    EXPECT_EQ(route_.paths, found.paths) << name;
  }
  EXPECT_EQ(lpr_lookup_n(reader_, LPR_PUSH, "fra-1/live", 5, kFresh, &route_), LPR_OK);
}

TEST_F(Lookup, TellsUnknownDroppedAndOwnNamesApart) {
  EXPECT_EQ(look("fra-2"), LPR_UNKNOWN_TARGET);
  EXPECT_EQ(look(""), LPR_UNKNOWN_TARGET);
  EXPECT_EQ(look(std::string(64, 'a').c_str()), LPR_UNKNOWN_TARGET);
  EXPECT_EQ(look("x"), LPR_DROPPED);
  EXPECT_STREQ(route_.reason, "silent for 12 s");
  EXPECT_EQ(route_.path_count, 0U);
  EXPECT_EQ(lpr_lookup_id(reader_, LPR_PULL, 77, kFresh, &route_), LPR_DROPPED);
  EXPECT_STREQ(route_.reason, "drained by an operator");
  EXPECT_EQ(lpr_lookup_id(reader_, LPR_PULL, 78, kFresh, &route_), LPR_UNKNOWN_TARGET);
  EXPECT_EQ(lpr_lookup_id(reader_, LPR_PULL, 0, kFresh, &route_), LPR_UNKNOWN_TARGET);
  EXPECT_EQ(look("ams-1"), LPR_NO_ROUTE);
  EXPECT_EQ(look("fra-1", static_cast<lpr_direction>(3)), LPR_BAD_ARGUMENT);
}

TEST_F(Lookup, SkipsAFirstHopMarkedDeadInTheMediasDirection) {
  mark(2, 0, 1, MediaFlow::outbound);
  ASSERT_EQ(look("fra-1", LPR_PUSH), LPR_OK);
  EXPECT_EQ(route_.chosen, 1U);
  EXPECT_EQ(route_.flags, LPR_ROUTE_SKIPPED);
  ASSERT_EQ(look("fra-1", LPR_PULL), LPR_OK);
  EXPECT_EQ(route_.chosen, 0U) << "a pull comes in over the other direction";

  mark(2, 0, 1, MediaFlow::inbound);
  ASSERT_EQ(look("fra-1", LPR_PULL), LPR_OK);
  EXPECT_EQ(route_.chosen, 1U);
  marks_->clear_all();
  ASSERT_EQ(look("fra-1", LPR_PULL), LPR_OK);
  EXPECT_EQ(route_.chosen, 0U);
}

TEST_F(Lookup, IgnoresMarksWhoseAgentHasFallenSilent) {
  mark(2, 0, 1, MediaFlow::outbound);
  const std::int64_t written = samples::kCreated.ns;
  ASSERT_EQ(look("fra-1", LPR_PUSH, written + LP_MARKS_STALE_NS), LPR_OK);
  EXPECT_EQ(route_.chosen, 1U);
  ASSERT_EQ(look("fra-1", LPR_PUSH, written + LP_MARKS_STALE_NS + 1), LPR_OK);
  EXPECT_EQ(route_.chosen, 0U);
  EXPECT_EQ(route_.flags, 0U);
  ASSERT_EQ(look("fra-1", LPR_PUSH, written - 3'600'000'000'000), LPR_OK);
  EXPECT_EQ(route_.chosen, 1U) << "a clock set back by an hour";
  marks_->touch(UnixNanos{written + LP_MARKS_STALE_NS});
  ASSERT_EQ(look("fra-1", LPR_PUSH, written + LP_MARKS_STALE_NS + 1), LPR_OK);
  EXPECT_EQ(route_.chosen, 1U) << "it is back";
}

TEST_F(Lookup, SaysSoWhenEveryFirstHopIsDead) {
  mark(2, 0, 1, MediaFlow::outbound);
  mark(3, 1, 0, MediaFlow::outbound);
  ASSERT_EQ(look("iad-1"), LPR_OK);
  EXPECT_EQ(route_.chosen, 0U);
  EXPECT_EQ(route_.flags, LPR_ROUTE_ALL_DEAD);
}

TEST_F(Lookup, WarnsAfterSoftExpiryAndGoesDirectAfterHardExpiry) {
  ASSERT_EQ(look("singapore-ingest-4", LPR_PUSH, samples::kSoft.ns - 1), LPR_OK);
  EXPECT_EQ(route_.flags, 0U);
  ASSERT_EQ(look("singapore-ingest-4", LPR_PUSH, samples::kSoft.ns), LPR_OK);
  EXPECT_EQ(route_.flags, LPR_ROUTE_STALE);
  EXPECT_EQ(route_.path_count, 3U);
  ASSERT_EQ(look("singapore-ingest-4", LPR_PUSH, samples::kHard.ns), LPR_OK);
  EXPECT_EQ(route_.flags, LPR_ROUTE_STALE | LPR_ROUTE_EXPIRED);
  ASSERT_EQ(route_.path_count, 1U);
  EXPECT_EQ(route_.paths[0].hop_count, 1);
  EXPECT_EQ(route_.paths[0].delay_ns, 240'000'000U) << "the table has the direct path";
}

TEST_F(Lookup, MakesADirectPathAfterHardExpiryWhereTheTableHasNone) {
  RouteTable table = samples::small_table(13);
  for (Route& route : table.routes) {
    if (route.target == NodeId(4)) route.candidates.resize(2);
  }
  publish(table);
  ASSERT_EQ(lpr_poll(client_), 1);
  ASSERT_EQ(look("singapore-ingest-4", LPR_PULL, samples::kHard.ns), LPR_OK);
  EXPECT_EQ(route_.paths[0].hop_count, 1);
  EXPECT_EQ(route_.paths[0].hops[0].node, 4);
  EXPECT_EQ(route_.paths[0].delay_ns, 0U);
  EXPECT_EQ(look("x", LPR_PULL, samples::kHard.ns), LPR_OK) << "the reason has expired too";
  EXPECT_EQ(look("ams-1", LPR_PULL, samples::kHard.ns), LPR_NO_ROUTE);
}

TEST_F(Lookup, ReadsTheClockWhenAsked) {
  ASSERT_EQ(look("fra-1", LPR_PUSH, LPR_TIME_COARSE), LPR_OK);
  EXPECT_EQ(route_.flags, LPR_ROUTE_STALE | LPR_ROUTE_EXPIRED) << "the sample is of 2023";
}

TEST_F(Lookup, DescribesNodesAndHops) {
  lpr_node node;
  ASSERT_EQ(lpr_describe_node(reader_, 2, &node), 0);
  EXPECT_STREQ(node.name, "fra-1");
  EXPECT_STREQ(node.region, "region-fra");
  EXPECT_STREQ(node.media_base, "rtmp://fra-1.example/live");
  EXPECT_EQ(node.port_count, 2);
  EXPECT_STREQ(node.addresses[1], "192.0.1.2");
  EXPECT_STREQ(node.addresses[2], "");
  EXPECT_EQ(lpr_describe_node(reader_, 6, &node), -1);
  ASSERT_EQ(look("fra-1"), LPR_OK);
  EXPECT_STREQ(lpr_hop_address(reader_, &route_.paths[0].hops[0]), "192.0.1.2");
  const lpr_hop nowhere{6, 0, 0};
  EXPECT_STREQ(lpr_hop_address(reader_, &nowhere), "");

  lpr_table_info info;
  ASSERT_EQ(lpr_info(reader_, &info), 0);
  EXPECT_EQ(info.node, 1);
  EXPECT_EQ(info.version, 12U);
  EXPECT_EQ(info.previous_version, 11U);
  EXPECT_EQ(info.node_count, 5U);
  EXPECT_EQ(info.hard_expiry_ns, samples::kHard.ns);
}

TEST_F(Lookup, TakesInANewTableOnPollAndKeepsHeldAnswers) {
  ASSERT_EQ(look("fra-1"), LPR_OK);
  const lpr_route before = route_;
  publish(samples::small_table(13));
  EXPECT_EQ(lpr_poll(client_), 1);
  EXPECT_EQ(lpr_poll(client_), 0);
  EXPECT_EQ(before.paths[0].hops[0].node, 2) << "still mapped";
  EXPECT_STREQ(lpr_hop_address(reader_, &before.paths[0].hops[0]), "192.0.1.2");
  ASSERT_EQ(look("fra-1"), LPR_OK);
  EXPECT_EQ(route_.version, 13U);

  lpr_hold(reader_);
  publish(samples::small_table(14));
  EXPECT_EQ(lpr_poll(client_), 1);
  ASSERT_EQ(look("fra-1"), LPR_OK);
  EXPECT_EQ(route_.version, 13U) << "one batch, one table";
  lpr_release(reader_);
  ASSERT_EQ(look("fra-1"), LPR_OK);
  EXPECT_EQ(route_.version, 14U);
  lpr_reader_idle(reader_);
  ASSERT_EQ(look("fra-1"), LPR_OK);
}

TEST_F(Lookup, KeepsTheOldTableAndSaysWhyWhenTheNewOneIsBad) {
  samples::Octets torn = schemas::encode_route_file(samples::small_table(13)).value();
  torn[torn.size() / 2] ^= 1;
  samples::put_file(table_path_, torn);
  EXPECT_EQ(lpr_poll(client_), -1);
  EXPECT_NE(std::string(lpr_refusal(client_)).find("digest"), std::string::npos)
      << lpr_refusal(client_);
  ASSERT_EQ(look("fra-1"), LPR_OK);
  EXPECT_EQ(route_.version, 12U);

  samples::put_file(table_path_, {1, 2, 3});
  EXPECT_EQ(lpr_poll(client_), -1);
  publish(samples::small_table(11));
  EXPECT_EQ(lpr_poll(client_), -1);
  EXPECT_NE(std::string(lpr_refusal(client_)).find("older"), std::string::npos);
  publish(samples::small_table(13));
  EXPECT_EQ(lpr_poll(client_), 1);
  EXPECT_STREQ(lpr_refusal(client_), "");
}

TEST_F(Lookup, ServesOnWhenTheFileIsRemoved) {
  std::filesystem::remove(table_path_);
  EXPECT_EQ(lpr_poll(client_), 0);
  EXPECT_EQ(look("fra-1"), LPR_OK);
}

TEST_F(Lookup, StartsWithoutFilesAndFindsThemLater) {
  close();
  std::filesystem::remove(table_path_);
  std::filesystem::remove(marks_path_);
  open();
  EXPECT_EQ(look("fra-1"), LPR_NO_TABLE);
  lpr_node node;
  EXPECT_EQ(lpr_describe_node(reader_, 2, &node), -1);
  publish(samples::small_table());
  marks_ = MarksFile::open(marks_path_, NodeId(1), samples::kCreated).value();
  mark(2, 0, 1, MediaFlow::outbound);
  EXPECT_EQ(lpr_poll(client_), 1);
  ASSERT_EQ(look("fra-1"), LPR_OK);
  EXPECT_EQ(route_.chosen, 1U);
}

TEST_F(Lookup, RefusesToOpenWhereThereIsNoDirectory) {
  const char* reason = nullptr;
  EXPECT_EQ(lpr_open((directory_.file("missing") + "/routes.bin").c_str(), nullptr, &reason),
            nullptr);
  ASSERT_NE(reason, nullptr);
  EXPECT_EQ(errno, ENOENT);
}

TEST_F(Lookup, TakesASignedFileForWhatItIs) {
  const SigningKey key = make_signing_key();
  const SignedTable table = samples::sign_table(key, samples::small_table(20));
  samples::Octets file = table.body;
  file.insert(file.end(), table.signer.begin(), table.signer.end());
  file.insert(file.end(), table.signature.begin(), table.signature.end());
  samples::put_file(table_path_, file);
  EXPECT_EQ(lpr_poll(client_), 1);
}

// --- the relay's turn: node 1 is asked to pass on a request ---

class Turn : public Lookup {
 protected:
  lpr_status turn(std::vector<std::uint16_t> remaining, std::uint32_t hops_max = 3,
                  std::int64_t now = kFresh) {
    return lpr_turn(reader_, LPR_PUSH, remaining.data(),
                    static_cast<std::uint32_t>(remaining.size()), hops_max, now, &answer_);
  }
  lpr_turn_answer answer_{};
};

TEST_F(Turn, KeepsGoingWhileTheNextHopLives) {
  ASSERT_EQ(turn({2, 3, 4}), LPR_OK);
  EXPECT_EQ(answer_.turned, 0);
  EXPECT_EQ(answer_.path.hop_count, 3);
  EXPECT_EQ(answer_.path.delay_ns, 150'000'000U) << "the table has this very path";
  EXPECT_EQ(answer_.path.hops[0].far_port, 1);

  ASSERT_EQ(turn({3, 2}), LPR_OK) << "a path of somebody else's table";
  EXPECT_EQ(answer_.turned, 0);
  EXPECT_EQ(answer_.path.hops[1].node, 2);
}

TEST_F(Turn, KeepsGoingOverAnotherPortOfTheNextHop) {
  mark(2, 0, 1, MediaFlow::outbound);
  ASSERT_EQ(turn({2}), LPR_OK);
  EXPECT_EQ(answer_.turned, 0);
  EXPECT_EQ(answer_.path.hops[0].near_port, 1);
  EXPECT_EQ(answer_.path.hops[0].far_port, 0);
}

TEST_F(Turn, TurnsOnlyToALoopFreeCandidateThatAvoidsTheDeadHop) {
  mark(2, 0, 1, MediaFlow::outbound);
  mark(2, 1, 0, MediaFlow::outbound);
  ASSERT_EQ(turn({2, 3, 4}), LPR_OK);
  EXPECT_EQ(answer_.turned, 1);
  EXPECT_EQ(answer_.path.hop_count, 2);
  EXPECT_EQ(answer_.path.hops[0].node, 3);
  EXPECT_EQ(answer_.path.hops[1].node, 4);
  EXPECT_EQ(turn({2}), LPR_NO_TURN) << "the only way left is not loop-free";
}

TEST_F(Turn, StaysWithinTheHopBudget) {
  mark(2, 0, 1, MediaFlow::outbound);
  mark(2, 1, 0, MediaFlow::outbound);
  ASSERT_EQ(turn({2, 4}, 1), LPR_OK);
  EXPECT_EQ(answer_.path.hop_count, 1) << "the direct one";
  EXPECT_EQ(turn({2, 4}, 0), LPR_NO_TURN);
}

TEST_F(Turn, DoesNotTurnByAnExpiredTable) {
  mark(2, 0, 1, MediaFlow::outbound);
  mark(2, 1, 0, MediaFlow::outbound);
  marks_->touch(samples::kHard);
  EXPECT_EQ(turn({2, 3, 4}, 3, samples::kHard.ns), LPR_NO_TURN);
  EXPECT_EQ(turn({3, 4}, 3, samples::kHard.ns), LPR_OK) << "keeping on needs no table";
}

TEST_F(Turn, RefusesNonsense) {
  EXPECT_EQ(turn({}), LPR_BAD_ARGUMENT);
  EXPECT_EQ(turn({2, 3, 4, 5}), LPR_BAD_ARGUMENT);
  EXPECT_EQ(turn({2, 1, 4}), LPR_BAD_ARGUMENT) << "it would come back";
  EXPECT_EQ(turn({6}), LPR_UNKNOWN_TARGET);
  mark(2, 0, 1, MediaFlow::outbound);
  mark(2, 1, 0, MediaFlow::outbound);
  EXPECT_EQ(turn({2, 60000}), LPR_UNKNOWN_TARGET);
}

}  // namespace
}  // namespace linkpilot
