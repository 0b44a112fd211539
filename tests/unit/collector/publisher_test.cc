#include "collector/publish/publisher.h"

#include <gtest/gtest.h>

#include "schemas/route_file_codec.h"

namespace linkpilot::collector {
namespace {

constexpr UnixNanos kPublishNow{1'800'000'000'000'000'000};
constexpr TableLifetimes kLifetimes{std::chrono::seconds(100), std::chrono::seconds(1'000)};

RouteTable table(std::uint16_t node, std::uint16_t target) {
  RouteTable out;
  out.node = NodeId{node};
  out.nodes = {{NodeId{1}, "a", "", "", {"192.0.2.1"}}, {NodeId{2}, "b", "", "", {"192.0.2.2"}}};
  for (const Direction direction : {Direction::push, Direction::pull}) {
    CandidatePath path;
    path.hops = {{NodeId{target}, PortIndex{0}, PortIndex{0}}};
    path.delay = std::chrono::milliseconds(10);
    path.cost_us = 10'000;
    path.loop_free = true;
    out.routes.push_back({NodeId{target}, direction, {path}});
  }
  return out;
}

class PublisherTest : public testing::Test {
 protected:
  SigningKey key_ = make_signing_key();
  Publisher publisher_{key_, 9, kLifetimes};
};

TEST_F(PublisherTest, ATableFollowsTheOneBeforeAndIsSignedOverItsBytes) {
  const auto first = publisher_.publish({table(1, 2), table(2, 1)}, kPublishNow);
  ASSERT_TRUE(first) << first.error().message;
  const auto second = publisher_.publish({table(1, 2)}, kPublishNow + std::chrono::seconds(1));
  ASSERT_TRUE(second);
  const RouteTable& chained = *second->front().table;
  EXPECT_EQ(chained.version, (TableVersion{9, 2}));
  EXPECT_EQ(chained.previous, (TableVersion{9, 1}));
  const SignedTable& envelope = *second->front().envelope;
  EXPECT_TRUE(verify(key_.public_key, envelope.body, envelope.signature));
  const auto decoded = schemas::decode_route_file(envelope.body);
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(decoded->version, envelope.version);
  EXPECT_EQ(decoded->valid_until_soft, kPublishNow + std::chrono::seconds(101));
  EXPECT_EQ(publisher_.current(NodeId{2})->table->version.version, 1u);
}

TEST_F(PublisherTest, WhatComesNearItsExpiryIsPublishedAgainUnchanged) {
  ASSERT_TRUE(publisher_.publish({table(1, 2)}, kPublishNow));
  EXPECT_TRUE(publisher_.refresh(kPublishNow + std::chrono::seconds(59))->empty());
  const auto renewed = publisher_.refresh(kPublishNow + std::chrono::seconds(60));
  ASSERT_TRUE(renewed);
  ASSERT_EQ(renewed->size(), 1u);
  EXPECT_EQ(renewed->front().table->routes, table(1, 2).routes);
  EXPECT_EQ(renewed->front().table->valid_until_soft, kPublishNow + std::chrono::seconds(160));
}

TEST_F(PublisherTest, TablesOfAnEarlierRunStayInForceAndAreFollowed) {
  const auto old = publisher_.publish({table(1, 2)}, kPublishNow);
  Publisher next(key_, 10, kLifetimes);
  next.restore({*old->front().envelope});
  ASSERT_NE(next.current(NodeId{1}), nullptr);
  EXPECT_TRUE(next.refresh(kPublishNow + std::chrono::hours(1))->empty());
  const auto fresh = next.publish({table(1, 2)}, kPublishNow);
  EXPECT_EQ(fresh->front().table->previous, (TableVersion{9, 1}));
  EXPECT_EQ(fresh->front().table->version, (TableVersion{10, 1}));
}

TEST_F(PublisherTest, ANewSignerSignsAllTablesInForceAnew) {
  ASSERT_TRUE(publisher_.publish({table(1, 2), table(2, 1)}, kPublishNow));
  const SigningKey next = make_signing_key();
  publisher_.set_key(next);
  const auto again = publisher_.republish(kPublishNow + std::chrono::seconds(1));
  ASSERT_TRUE(again);
  ASSERT_EQ(again->size(), 2U);
  for (const PublishedTable& each : *again) {
    const SignedTable& envelope = *each.envelope;
    EXPECT_TRUE(verify(next.public_key, envelope.body, envelope.signature));
    EXPECT_FALSE(verify(key_.public_key, envelope.body, envelope.signature));
    EXPECT_EQ(envelope.version.version, 2U) << "a version of its own";
  }
}

TEST_F(PublisherTest, RestoredTablesAreRenewedOnlyWhereRoutesAreFrozen) {
  const auto old = publisher_.publish({table(1, 2)}, kPublishNow);
  Publisher next(key_, 10, kLifetimes);
  next.restore({*old->front().envelope});
  EXPECT_TRUE(next.refresh(kPublishNow + std::chrono::hours(1))->empty());
  EXPECT_EQ(next.refresh(kPublishNow + std::chrono::hours(1), true)->size(), 1U);
}

TEST_F(PublisherTest, ATableThatNoReaderWouldTakeIsNotPublished) {
  RouteTable bad = table(1, 2);
  bad.routes[0].candidates[0].cost_us = 0;
  EXPECT_FALSE(publisher_.publish({bad}, kPublishNow));
  EXPECT_EQ(publisher_.current(NodeId{1}), nullptr);
  EXPECT_EQ(publisher_.newest_version(), 0u);
}

}  // namespace
}  // namespace linkpilot::collector
