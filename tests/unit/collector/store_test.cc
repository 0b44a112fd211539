#include "collector/store/store.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <filesystem>
#include <mutex>

#include "base/rng.h"
#include "collector/store/event_log.h"

namespace linkpilot::collector {
namespace {

constexpr UnixNanos kStoreNow{1'800'000'000'000'000'000};

class StoreTest : public testing::Test {
 protected:
  StoreTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "lp-store-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    options_.path = folder_ + "/sub/store.sqlite";
    options_.retention = std::chrono::hours(24 * 36'500);
    options_.size_max = Bytes{1ULL << 40};
    options_.commit_interval = std::chrono::milliseconds(1);
  }
  ~StoreTest() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  // Opens, does, and stops: everything put is durable afterwards. Returns what was there at the
  // start.
  Restored with_store(const std::function<void(Store&)>& act, UnixNanos now = kStoreNow) {
    Restored restored;
    Result<std::unique_ptr<Store>> store = Store::open(options_, now, restored);
    EXPECT_TRUE(store) << store.error().message;
    if (!store) return restored;
    (*store)->start(
        [this](Commit commit) {
          const std::lock_guard lock(mutex_);
          for (const DurableMark& mark : commit.marks) marks_.push_back(mark);
        },
        [](Status) {});
    act(**store);
    (*store)->stop();
    return restored;
  }

  static StoredReport report(std::uint64_t sequence, std::size_t octets = 800) {
    StoredReport out;
    out.node = NodeId{3};
    out.id = {0xffff'ffff'ffff'fff0ULL, sequence};
    out.received = kStoreNow;
    out.mark = {out.id.epoch, sequence, 0};
    Rng rng(sequence);
    for (std::size_t i = 0; i < octets; ++i)
      out.bytes.push_back(static_cast<std::uint8_t>(rng.below(4)));
    return out;
  }

  std::string folder_;
  StoreOptions options_;
  std::mutex mutex_;
  std::vector<DurableMark> marks_;
};

TEST_F(StoreTest, WhatWasCommittedIsReadBackBitForBit) {
  with_store([](Store& store) {
    for (std::uint64_t i = 1; i <= 5; ++i) store.put_report(report(i));
  });
  EXPECT_EQ(marks_.size(), 5u);
  const auto rows = read_reports(options_.path, 0, 100);
  ASSERT_TRUE(rows) << rows.error().message;
  ASSERT_EQ(rows->size(), 5u);
  for (std::uint64_t i = 0; i < 5; ++i) {
    const StoredReport wanted = report(i + 1);
    const ReportRow& row = (*rows)[i];
    EXPECT_EQ(row.id, wanted.id);
    EXPECT_EQ(row.node, wanted.node);
    EXPECT_TRUE(std::equal(row.bytes().begin(), row.bytes().end(), wanted.bytes.begin(),
                           wanted.bytes.end()));
  }
  EXPECT_EQ(read_reports(options_.path, (*rows)[2].row, 100)->size(), 2u);
}

TEST_F(StoreTest, MarksNodesTablesAndEventsSurviveAndTheEpochGrows) {
  const Restored first = with_store([](Store& store) {
    StoredReport early = report(12);
    early.mark = {early.id.epoch, 10, 2};
    store.put_report(report(10));
    store.put_report(std::move(early));
    store.put_nodes({{{NodeId{3}, "a", "key", kStoreNow, true}, {1, 2, 3}}});
    store.put_nodes({{{NodeId{3}, "a", "new-key", kStoreNow, true}, {}}});
    SignedTable table;
    table.node = NodeId{3};
    for (std::uint64_t version = 1; version <= 30; ++version) {
      table.version = {7, version};
      table.body = {static_cast<std::uint8_t>(version)};
      store.put_table(table, kStoreNow);
    }
    EventLog log(store, {});
    log.add({0, kStoreNow, EventLevel::warn, "x", "a", "", "detail"});
  });
  const Restored second = with_store([](Store&) {});
  EXPECT_GT(second.epoch, first.epoch);
  EXPECT_GE(first.epoch, static_cast<std::uint64_t>(kStoreNow.ns / 1'000'000'000));
  ASSERT_EQ(second.dedup.size(), 1u);
  EXPECT_EQ(second.dedup[0].mark, (EpochMark{0xffff'ffff'ffff'fff0ULL, 10, 2}));
  EXPECT_EQ(second.dedup[0].ahead, std::vector<std::uint64_t>{12});
  ASSERT_EQ(second.nodes.size(), 1u);
  EXPECT_EQ(second.nodes[0].entry.public_key, "new-key");
  EXPECT_EQ(second.nodes[0].hello.size(), 3u);
  ASSERT_EQ(second.tables.size(), 1u);
  EXPECT_EQ(second.tables[0].version, (TableVersion{7, 30}));
  ASSERT_EQ(second.events.size(), 1u);
  EXPECT_EQ(second.events[0].name, "x");
}

TEST_F(StoreTest, AFullQueueSaysNoAndCounts) {
  options_.queue_reports_max = 2;
  options_.commit_interval = std::chrono::seconds(1);
  with_store([](Store& store) {
    EXPECT_TRUE(store.put_report(report(1)));
    EXPECT_TRUE(store.put_report(report(2)));
    EXPECT_FALSE(store.has_room(10));
    EXPECT_FALSE(store.put_report(report(3)));
    EXPECT_EQ(store.figures().refused, 1u);
  });
}

TEST_F(StoreTest, AStoreOfANewerProgramIsNotTouched) {
  with_store([](Store&) {});
  const std::string command = "sqlite3 " + options_.path + " 'PRAGMA user_version = 99'";
  if (std::system(command.c_str()) != 0) {
    const std::string python = "python3 -c \"import sqlite3; c = sqlite3.connect('" +
                               options_.path +
                               "'); c.execute('PRAGMA user_version = 99'); c.commit()\"";
    ASSERT_EQ(std::system(python.c_str()), 0);
  }
  Restored restored;
  const auto store = Store::open(options_, kStoreNow, restored);
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, ErrorCode::corrupt);
}

TEST_F(StoreTest, EventsArePagedByTheirNumber) {
  with_store([](Store& store) {
    EventLog log(store, {});
    for (int i = 0; i < 10; ++i)
      log.add({0, kStoreNow, EventLevel::info, "e", "", "", "bad \n octets \x01"});
    const EventLog::Page page = log.after(3, 4);
    ASSERT_EQ(page.events.size(), 4u);
    EXPECT_EQ(page.events[0].id, 4u);
    EXPECT_EQ(page.last_id, 7u);
    EXPECT_EQ(page.events[0].detail, "bad ? octets ?");
    EXPECT_EQ(log.after(10, 4).last_id, 10u);
    EXPECT_EQ(log.newest(3).events.front().id, 8u);
  });
}

TEST_F(StoreTest, ExpiryRunsBesideTheCommitsAndIsCounted) {
  options_.retention = -std::chrono::hours(24 * 365 * 50);  // what is of 2027 is too old, too
  // Expiry works whenever it comes to it: what counts is all runs together.
  StoreFigures figures;
  std::uint64_t expired = 0;
  const auto stop = [&](Store& store) {
    store.stop();
    figures = store.figures();
    expired += figures.expired;
  };
  with_store([&](Store& store) {
    for (std::uint64_t i = 1; i <= 10; ++i) store.put_report(report(i));
    stop(store);
  });
  with_store([&](Store& store) {
    store.put_report(report(11));
    stop(store);
  });
  with_store([&](Store& store) {
    store.put_event({1, kStoreNow, EventLevel::info, "x", "", "", ""});
    stop(store);
  });
  EXPECT_EQ(expired, 10u) << "the newest stay";
  EXPECT_GT(figures.bytes, 0u);
}

TEST_F(StoreTest, OverridesAndTheAuditLogSurviveAndTheirNumbersAreNeverUsedAgain) {
  Override pin;
  pin.id = 4;
  pin.kind = HandKind::pin;
  pin.node = "a";
  pin.target = "c";
  pin.via = {"b", "d"};
  pin.author = "ana@ops";
  pin.reason = "it's \"dear\"";
  pin.created = kStoreNow;
  pin.expires = kStoreNow + std::chrono::hours(1);
  Override drain = pin;
  drain.id = 5;
  drain.kind = HandKind::drain;
  drain.via.clear();
  Override region = drain;
  region.id = 6;
  region.kind = HandKind::rollback;
  region.version = {~std::uint64_t{0} >> 1, 17};
  AuditEntry entry;
  entry.id = 9;
  entry.time = kStoreNow;
  entry.author = "ana@ops";
  entry.action = "pin";
  entry.subject = "a to c";
  entry.outcome = "done";
  entry.reason = "r";
  entry.detail = "d";
  with_store([&](Store& store) {
    HandChange change;
    change.put = {pin, drain, region};
    change.audit = {entry};
    EXPECT_GT(store.put_hand(change), 0U);
  });
  Restored restored = with_store([&](Store& store) {
    HandChange change;
    change.ended = {5, 6};
    (void)store.put_hand(change);
  });
  EXPECT_EQ(restored.overrides, (std::vector{pin, drain, region}));
  EXPECT_EQ(restored.audit, std::vector{entry});
  EXPECT_EQ(restored.next_override, 7U);
  restored = with_store([](Store&) {});
  EXPECT_EQ(restored.overrides, std::vector{pin});
  EXPECT_EQ(restored.next_override, 7U);
}

}  // namespace
}  // namespace linkpilot::collector
