#include "agent/route_client/table_store.h"

#include <gtest/gtest.h>

#include "tests/unit/route_client/table_samples.h"

namespace linkpilot::route_client {
namespace {

constexpr UnixNanos kStoreNow = samples::kCreated + std::chrono::seconds(1);

class TableStores : public testing::Test {
 protected:
  TableStore make(NodeId self = NodeId(1)) {
    return TableStore({.path = path_, .signers = {key_.public_key}, .self = self});
  }
  SignedTable signed_table(std::uint64_t version) {
    return samples::sign_table(key_, samples::small_table(version));
  }

  samples::TemporaryDirectory directory_;
  std::string path_ = directory_.file("routes.bin");
  SigningKey key_ = make_signing_key();
};

TEST_F(TableStores, WriteWhatTheyAcceptAsBodyAndTrailer) {
  TableStore store = make();
  ASSERT_TRUE(store.load(kStoreNow)) << "no file is no mistake";
  EXPECT_EQ(store.in_use(), nullptr);
  const SignedTable table = signed_table(12);
  const TableAck ack = store.accept(table, kStoreNow);
  EXPECT_TRUE(ack.accepted) << ack.reason;
  EXPECT_EQ(ack.version, table.version);
  EXPECT_EQ(ack.in_use, table.version);
  EXPECT_EQ(ack.loaded, kStoreNow);
  ASSERT_NE(store.in_use(), nullptr);
  EXPECT_EQ(*store.in_use(), samples::small_table(12));
  const samples::Octets file = samples::get_file(path_);
  ASSERT_EQ(file.size(), table.body.size() + 96);
  EXPECT_TRUE(std::equal(table.body.begin(), table.body.end(), file.begin()));
  EXPECT_EQ(from_file(file).value(), table);
}

TEST_F(TableStores, KeepTheOldTableWhenTheyRefuse) {
  TableStore store = make();
  ASSERT_TRUE(store.accept(signed_table(12), kStoreNow).accepted);
  const samples::Octets before = samples::get_file(path_);
  SignedTable bad = signed_table(13);
  bad.signature[0] ^= 1;
  const TableAck ack = store.accept(bad, kStoreNow);
  EXPECT_FALSE(ack.accepted);
  EXPECT_EQ(ack.version, (TableVersion{3, 13}));
  EXPECT_EQ(ack.in_use, (TableVersion{3, 12}));
  EXPECT_EQ(ack.reason, "bad signature: the signature does not fit the table");
  EXPECT_EQ(samples::get_file(path_), before);
  EXPECT_EQ(store.version(), (TableVersion{3, 12}));
}

TEST_F(TableStores, AcceptTheTableInUseAgainButNoOtherOfItsVersion) {
  TableStore store = make();
  ASSERT_TRUE(store.accept(signed_table(12), kStoreNow).accepted);
  const TableAck again = store.accept(signed_table(12), kStoreNow + std::chrono::seconds(1));
  EXPECT_TRUE(again.accepted);
  EXPECT_EQ(again.loaded, kStoreNow);
  RouteTable other = samples::small_table(12);
  other.routes[0].candidates[0].cost_us += 1;
  EXPECT_FALSE(store.accept(samples::sign_table(key_, other), kStoreNow).accepted);
}

TEST_F(TableStores, LoadTheLastGoodTableAfterARestartEvenIfItHasExpired) {
  ASSERT_TRUE(make().accept(signed_table(12), kStoreNow).accepted);
  TableStore store = make(NodeId());
  ASSERT_TRUE(store.load(samples::kHard + std::chrono::hours(1)));
  ASSERT_NE(store.in_use(), nullptr);
  EXPECT_EQ(store.version(), (TableVersion{3, 12}));
  store.set_self(NodeId(1));
  EXPECT_NE(store.in_use(), nullptr);
  store.set_self(NodeId(2));
  EXPECT_EQ(store.in_use(), nullptr) << "another node's";
}

TEST_F(TableStores, DoNotLoadAFileThatDoesNotPass) {
  ASSERT_TRUE(make().accept(signed_table(12), kStoreNow).accepted);
  const samples::Octets good = samples::get_file(path_);
  samples::Octets changed = good;
  changed[200] ^= 1;
  const samples::Octets cases[] = {changed, samples::Octets(good.begin(), good.end() - 1),
                                   samples::Octets(good.begin(), good.end() - 96),
                                   samples::Octets{}, samples::Octets(8U << 20)};
  for (const samples::Octets& file : cases) {
    samples::put_file(path_, file);
    TableStore store = make();
    EXPECT_FALSE(store.load(kStoreNow)) << file.size();
    EXPECT_EQ(store.in_use(), nullptr);
    EXPECT_TRUE(store.accept(signed_table(13), kStoreNow).accepted) << "and a good one replaces it";
  }
  samples::put_file(path_, good);
  EXPECT_FALSE(make(NodeId(2)).load(kStoreNow)) << "another node's";
}

TEST_F(TableStores, RefuseWhenTheDiskDoes) {
  TableStore store({.path = directory_.file("missing") + "/routes.bin",
                    .signers = {key_.public_key},
                    .self = NodeId(1)});
  const TableAck ack = store.accept(signed_table(12), kStoreNow);
  EXPECT_FALSE(ack.accepted);
  EXPECT_NE(ack.reason.find("store the table"), std::string::npos) << ack.reason;
  EXPECT_EQ(store.in_use(), nullptr);
}

}  // namespace
}  // namespace linkpilot::route_client
