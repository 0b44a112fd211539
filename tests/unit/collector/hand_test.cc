#include "collector/hand/hand.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "collector/hand/audit_log.h"

namespace linkpilot::collector {
namespace {

using testing::HasSubstr;

constexpr UnixNanos kHandNow{1'000'000'000'000};

// Regions east (a, b) and west (c); all work.
HandFleet fleet() { return {{{"a", "east", true}, {"b", "east", true}, {"c", "west", true}}, {}}; }

Order order_for(OrderAction action, const std::string& node = "") {
  Order order;
  order.action = action;
  order.node = node;
  order.author = "ana@ops";
  order.reason = "test";
  return order;
}

TEST(Hand, ADrainHasAuthorReasonAndEndAndIsUndoneByTime) {
  Hand hand;
  Order order = order_for(OrderAction::drain, "a");
  order.lasts = std::chrono::minutes(5);
  const Result<HandOutcome> outcome = hand.apply(order, fleet(), kHandNow);
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_TRUE(hand.drained("a"));
  EXPECT_FALSE(hand.drained("b"));
  ASSERT_EQ(outcome->change.put.size(), 1U);
  EXPECT_EQ(outcome->change.put[0].author, "ana@ops");
  EXPECT_EQ(outcome->change.put[0].expires, kHandNow + std::chrono::minutes(5));
  EXPECT_TRUE(hand.expire(kHandNow + std::chrono::minutes(4)).empty());
  EXPECT_EQ(hand.expire(kHandNow + std::chrono::minutes(5)).size(), 1U);
  EXPECT_FALSE(hand.drained("a"));
}

TEST(Hand, TheLastWorkingNodeOfARegionIsNeverDrained) {
  Hand hand;
  const Result<HandOutcome> only = hand.apply(order_for(OrderAction::drain, "c"), fleet(), kHandNow);
  ASSERT_FALSE(only);
  EXPECT_THAT(only.error().message, HasSubstr("c is the last working node of region west"));
  ASSERT_TRUE(hand.apply(order_for(OrderAction::drain, "a"), fleet(), kHandNow));
  EXPECT_FALSE(hand.apply(order_for(OrderAction::drain, "b"), fleet(), kHandNow)) << "a is drained";
  ASSERT_TRUE(hand.apply(order_for(OrderAction::undrain, "a"), fleet(), kHandNow));
  HandFleet broken = fleet();
  broken.nodes[0].working = false;
  EXPECT_FALSE(hand.apply(order_for(OrderAction::drain, "b"), broken, kHandNow)) << "a is dead";
  EXPECT_TRUE(hand.apply(order_for(OrderAction::drain, "a"), broken, kHandNow)) << "b works";
}

TEST(Hand, TheSameOrderAgainTakesTheFirstOnesPlace) {
  Hand hand;
  Order order = order_for(OrderAction::drain, "a");
  const std::uint64_t first = hand.apply(order, fleet(), kHandNow)->done.id;
  order.lasts = std::chrono::hours(9);
  const Result<HandOutcome> again = hand.apply(order, fleet(), kHandNow);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->change.ended, std::vector{first});
  ASSERT_EQ(hand.in_force().size(), 1U);
  EXPECT_EQ(hand.in_force()[0].expires, kHandNow + std::chrono::hours(9));
}

TEST(Hand, WhatIsNotInForceCannotBeEndedAndTheSentenceSaysWhereToLook) {
  Hand hand;
  for (const OrderAction action :
       {OrderAction::undrain, OrderAction::thaw, OrderAction::auto_on, OrderAction::unpin}) {
    Order order = order_for(action, "a");
    order.target = "c";
    const Result<HandOutcome> outcome = hand.apply(order, fleet(), kHandNow);
    ASSERT_FALSE(outcome) << to_string(action);
    EXPECT_THAT(outcome.error().message, HasSubstr("linkpilot hand list"));
  }
}

TEST(Hand, PinsThatCannotBeAreRefusedAndOnesOverDeadLinksSaySo) {
  Hand hand;
  Order order = order_for(OrderAction::pin, "a");
  order.target = "c";
  order.via = {"a"};
  EXPECT_THAT(hand.apply(order, fleet(), kHandNow).error().message, HasSubstr("passed twice"));
  order.via = {"z"};
  EXPECT_THAT(hand.apply(order, fleet(), kHandNow).error().message,
              HasSubstr("no enrolled node \"z\""));
  ASSERT_TRUE(hand.apply(order_for(OrderAction::drain, "b"), fleet(), kHandNow));
  order.via = {"b"};
  EXPECT_THAT(hand.apply(order, fleet(), kHandNow).error().message, HasSubstr("b is drained"));
  ASSERT_TRUE(hand.apply(order_for(OrderAction::undrain, "b"), fleet(), kHandNow));

  HandFleet cut = fleet();
  cut.trouble = [](const std::string& from, const std::string& to) {
    return from == "b" && to == "c" ? "the link b/0>c/0 is dead" : "";
  };
  const Result<HandOutcome> outcome = hand.apply(order, cut, kHandNow);
  ASSERT_TRUE(outcome);
  ASSERT_EQ(outcome->done.warnings.size(), 1U);
  EXPECT_THAT(outcome->done.warnings[0], HasSubstr("not followed now: the link b/0>c/0 is dead"));
}

TEST(Hand, AutoOffHoldsARegionOrAllAndFreezeAndRollbackEndWithAThaw) {
  Hand hand;
  Order off = order_for(OrderAction::auto_off);
  off.region = "west";
  ASSERT_TRUE(hand.apply(off, fleet(), kHandNow));
  EXPECT_TRUE(hand.held("west"));
  EXPECT_FALSE(hand.held("east"));
  off.region = "north";
  EXPECT_FALSE(hand.apply(off, fleet(), kHandNow)) << "no such region";
  off.region.clear();
  ASSERT_TRUE(hand.apply(off, fleet(), kHandNow));
  EXPECT_TRUE(hand.held("east"));

  EXPECT_EQ(hand.frozen(), nullptr);
  ASSERT_TRUE(hand.apply(order_for(OrderAction::freeze), fleet(), kHandNow));
  Order back = order_for(OrderAction::rollback);
  back.version = {3, 17};
  ASSERT_TRUE(hand.apply(back, fleet(), kHandNow));
  EXPECT_NE(hand.frozen(), nullptr);
  EXPECT_EQ(hand.apply(order_for(OrderAction::thaw), fleet(), kHandNow)->change.ended.size(), 2U);
  EXPECT_EQ(hand.frozen(), nullptr);
}

TEST(Hand, OverridesAreBounded) {
  HandFleet many;
  for (std::size_t i = 0; i < 40; ++i) many.nodes.push_back({"n" + std::to_string(i), "r", true});
  Hand hand;
  std::size_t accepted = 0;
  Result<HandOutcome> last = HandOutcome{};
  for (std::size_t i = 0; i < 40 && last; ++i) {
    for (std::size_t j = 0; j < 40 && last; ++j) {
      if (i == j) continue;
      Order order = order_for(OrderAction::pin, many.nodes[i].name);
      order.target = many.nodes[j].name;
      last = hand.apply(order, many, kHandNow);
      accepted += last ? 1 : 0;
    }
  }
  EXPECT_EQ(accepted, kOverridesMax);
  EXPECT_EQ(last.error().code, ErrorCode::limit_exceeded);
}

TEST(ParseOrder, ReadsAWholeOrderAndNamesEveryMistake) {
  const Result<Order> good = parse_order(
      R"({"action":"pin","node":"a","target":"c","via":["b"],"author":"ana","reason":"x\ny",
          "for_ms":60000})");
  ASSERT_TRUE(good) << good.error().message;
  EXPECT_EQ(good->via, std::vector<std::string>{"b"});
  EXPECT_EQ(good->lasts, Duration(std::chrono::minutes(1)));
  EXPECT_EQ(good->reason, "x y") << "no line breaks into logs";

  struct Case {
    const char* body;
    const char* want;
  };
  for (const Case& each : {
           Case{"", "JSON object"},
           Case{"[]", "JSON object"},
           Case{R"({"author":"a","reason":"r"})", "\"action\" must be one of drain"},
           Case{R"({"action":"dance","author":"a","reason":"r"})", "\"action\" must be one of"},
           Case{R"({"action":"drain","author":"a","reason":"r"})", "drain needs \"node\""},
           Case{R"({"action":"drain","node":"a","reason":"r"})", "\"author\" is missing"},
           Case{R"({"action":"drain","node":"a","author":"a","reason":" \t"})",
                "\"reason\" is missing"},
           Case{R"({"action":"drain","node":5,"author":"a","reason":"r"})", "node must be text"},
           Case{R"({"action":"freeze","for_ms":5,"author":"a","reason":"r"})",
                "between one second"},
           Case{R"({"action":"freeze","for_ms":99999999999999,"author":"a","reason":"r"})",
                "between one second"},
           Case{R"({"action":"freeze","for_ms":-1,"author":"a","reason":"r"})", "whole number"},
           Case{R"({"action":"freeze","forever":1,"author":"a","reason":"r"})", "unknown key"},
           Case{R"({"action":"pin","node":"a","target":"c","via":["b","d","e"],"author":"a",
                    "reason":"r"})",
                "at most 2"},
           Case{R"({"action":"rollback","author":"a","reason":"r"})", "needs \"version\""},
           Case{R"({"action":"enrol","node":"a","public_key":"x","author":"a","reason":"r"})",
                "40 characters"},
       }) {
    const Result<Order> order = parse_order(each.body);
    ASSERT_FALSE(order) << each.body;
    EXPECT_THAT(order.error().message, HasSubstr(each.want)) << each.body;
    EXPECT_EQ(order.error().code, ErrorCode::invalid_argument);
  }
}

TEST(AuditLog, NumbersEntriesAndKeepsTheNewest) {
  AuditLog log({});
  for (std::size_t i = 0; i < kAuditRestored + 5; ++i) (void)log.add({});
  EXPECT_EQ(log.entries()->size(), kAuditRestored);
  EXPECT_EQ(log.entries()->back().id, kAuditRestored + 5);
  EXPECT_EQ(log.entries()->front().id, 6U);
}

}  // namespace
}  // namespace linkpilot::collector
