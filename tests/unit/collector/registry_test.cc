#include "collector/registry/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "collector/registry/door.h"

namespace linkpilot::collector {
namespace {

using Kind = RegistryChange::Kind;
constexpr UnixNanos kEnrolNow{1'000};

std::vector<Kind> kinds(const std::vector<RegistryChange>& changes) {
  std::vector<Kind> out;
  for (const RegistryChange& change : changes) out.push_back(change.kind);
  return out;
}

TEST(Registry, NumbersAreAssignedOnceAndComeBackWithTheName) {
  Registry registry({});
  EXPECT_EQ(kinds(registry.apply({{"a", "ka"}, {"b", "kb"}}, kEnrolNow)),
            (std::vector{Kind::enrolled, Kind::enrolled}));
  const NodeId a = registry.find_name("a")->id;
  EXPECT_EQ(kinds(registry.apply({{"b", "kb"}}, kEnrolNow)), std::vector{Kind::revoked});
  EXPECT_EQ(registry.find_key("ka"), nullptr);
  EXPECT_EQ(kinds(registry.apply({{"b", "kb"}, {"c", "kc"}}, kEnrolNow)),
            std::vector{Kind::enrolled});
  EXPECT_NE(registry.find_name("c")->id, a);
  EXPECT_EQ(kinds(registry.apply({{"a", "new"}, {"b", "kb"}, {"c", "kc"}}, kEnrolNow)),
            std::vector{Kind::enrolled});
  EXPECT_EQ(registry.find_key("new")->id, a);
}

TEST(Registry, NumbersOfAnEarlierRunAreKept) {
  Registry registry({{NodeId{7}, "a", "ka", kEnrolNow, true}});
  EXPECT_EQ(registry.find_key("ka"), nullptr) << "the directory decides who is enrolled";
  (void)registry.apply({{"a", "ka"}, {"b", "kb"}}, kEnrolNow);
  EXPECT_EQ(registry.find_key("ka")->id, NodeId{7});
  EXPECT_EQ(registry.find_key("kb")->id, NodeId{8});
}

TEST(Registry, ANewKeyOfANameKeepsItsNumberAndShutsOutTheOldKey) {
  Registry registry({});
  (void)registry.apply({{"a", "old"}}, kEnrolNow);
  EXPECT_EQ(kinds(registry.apply({{"a", "new"}}, kEnrolNow)), std::vector{Kind::rekeyed});
  EXPECT_EQ(registry.find_key("old"), nullptr);
  EXPECT_EQ(registry.find_key("new")->id, NodeId{1});
}

TEST(Registry, DuringAChangeOverEitherKeyIsTheNodes) {
  Registry registry({});
  (void)registry.apply({{"a", "old"}, {"b", "kb"}}, kEnrolNow);
  EXPECT_EQ(kinds(registry.apply({{"a", "old", "new"}, {"b", "kb"}}, kEnrolNow)),
            std::vector{Kind::rekeyed});
  EXPECT_EQ(registry.find_key("old")->id, NodeId{1});
  EXPECT_EQ(registry.find_key("new")->id, NodeId{1});
  EXPECT_TRUE(registry.find_key("new")->has_key("old"));
  EXPECT_FALSE(registry.find_key("new")->has_key(""));
  EXPECT_EQ(registry.enrolled_count(), 2U);
  EXPECT_TRUE(registry.apply({{"a", "old", "new"}, {"b", "kb"}}, kEnrolNow).empty());
  EXPECT_EQ(kinds(registry.apply({{"a", "new"}, {"b", "kb"}}, kEnrolNow)), std::vector{Kind::rekeyed});
  EXPECT_EQ(registry.find_key("old"), nullptr);
  const auto changes = registry.apply({{"a", "new"}, {"b", "kb", "new"}}, kEnrolNow);
  EXPECT_EQ(kinds(changes), (std::vector{Kind::refused, Kind::revoked}))
      << "another node's key, even as the second one";
}

TEST(Registry, OneKeyUnderTwoNamesAndBadNamesAreRefusedOnce) {
  Registry registry({});
  const std::vector<KeyFile> files = {{"a", "k"}, {"b", "k"}, {"Bad_Name", "k2"}};
  const auto changes = registry.apply(files, kEnrolNow);
  EXPECT_EQ(kinds(changes), (std::vector{Kind::refused, Kind::enrolled, Kind::refused}));
  EXPECT_THAT(changes[2].reason, testing::HasSubstr("already enrolled as a"));
  EXPECT_TRUE(registry.apply(files, kEnrolNow).empty());
}

TEST(Registry, NearNamesFindTypos) {
  const std::vector<std::string> known = {"tokyo", "paris", "sydney", "sao-paulo"};
  EXPECT_EQ(near_names("tokio", known), std::vector<std::string>{"tokyo"});
  EXPECT_EQ(near_names("paulo", known).front(), "sao-paulo");
  EXPECT_TRUE(near_names("completely-different", known).empty());
}

TEST(Door, AdmitsEnrolledKeysAndKeepsABoundedListOfTheOthers) {
  Door door;
  door.set_enrolled({"known"});
  EXPECT_TRUE(door.admit("known", "10.0.0.1", kEnrolNow));
  EXPECT_EQ(door.address_of("known"), "10.0.0.1");
  EXPECT_FALSE(door.admit("stranger", "10.0.0.2", kEnrolNow));
  EXPECT_FALSE(door.admit("stranger", "10.0.0.3", kEnrolNow + std::chrono::seconds(1)));
  ASSERT_EQ(door.refused().size(), 1u);
  EXPECT_EQ(door.refused()[0].count, 2u);
  EXPECT_EQ(door.refused()[0].address, "10.0.0.3");
  EXPECT_EQ(door.take_new().size(), 1u);
  EXPECT_TRUE(door.take_new().empty());
  for (int i = 0; i < 1'000; ++i) EXPECT_FALSE(door.admit(std::to_string(i), "x", kEnrolNow));
  EXPECT_EQ(door.refused().size(), kRefusedKeysMax);
}

TEST(Door, KeepOnlyShutsOutAndLetsNobodyIn) {
  Door door;
  door.set_enrolled({"a", "b"});
  door.keep_only([](const std::string& key) { return key != "b"; });
  EXPECT_TRUE(door.admit("a", "", kEnrolNow));
  EXPECT_FALSE(door.admit("b", "", kEnrolNow));
  EXPECT_FALSE(door.admit("c", "", kEnrolNow));
}

}  // namespace
}  // namespace linkpilot::collector
