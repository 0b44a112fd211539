// linkpilot-routes-sync against a collector that the test plays, over real CURVE sockets on
// loopback.
#include "agent/route_client/route_sync.h"

#include <gtest/gtest.h>

#include <asio/io_context.hpp>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <set>

#include "agent/route_client/table_store.h"
#include "base/runtime/message_socket.h"
#include "schemas/codec.h"
#include "tests/unit/route_client/table_samples.h"

namespace linkpilot {
namespace {

constexpr std::chrono::seconds kPatience{20};  // a bound against hanging, not a measurement

// The samples are of 2023: shifted so that they have not expired.
RouteTable current_table(std::uint64_t version) {
  RouteTable table = samples::small_table(version);
  const UnixNanos now = SystemClock().now().wall;
  table.created = now;
  table.valid_until_soft = now + std::chrono::hours(1);
  table.valid_until_hard = now + std::chrono::hours(2);
  return table;
}

class RouteSyncing : public testing::Test {
 protected:
  void SetUp() override {
    server_ = MessageServer::create(
                  loop_, {.bind = "tcp://127.0.0.1:*", .keys = collector_keys_},
                  [this](const std::string& key, const std::string&) { return key == allowed_; },
                  [this](const PeerId& from, std::span<const std::uint8_t> bytes) {
                    on_message(from, bytes);
                  })
                  .value();
    ASSERT_TRUE(save_curve_key_pair(directory_.file("node.key"), node_keys_));
  }
  void TearDown() override {
    sync_.reset();
    server_.reset();
  }

  void start() {
    std::string error;
    RouteSync::Options options;
    options.name = "ams-1";
    options.collectors = collectors_before_;
    options.collectors.push_back(server_->bound_endpoint());
    options.collector_public_key = collector_keys_.public_key;
    options.key_file = directory_.file("node.key");
    options.signer_public_keys = {directory_.file("signer.pub")};
    options.route_file = route_file_;
    sync_ = RouteSync::start(
        options,
        [this](const RouteSync::Notice& notice) {
          const std::lock_guard lock(mutex_);
          notices_.push_back(notice);
        },
        error);
    ASSERT_NE(sync_, nullptr) << error;
  }

  void on_message(const PeerId& from, std::span<const std::uint8_t> bytes) {
    const auto message = schemas::decode_agent_message(bytes);
    ASSERT_TRUE(message);
    if (const auto* hello = std::get_if<Hello>(&*message)) {
      hello_ = *hello;
      connection_ = from.connection;
      send(Welcome{
          .id = NodeId(1), .name = "ams-1", .collector = "test", .time = {}, .acked_sequence = 0});
    } else if (const auto* ack = std::get_if<TableAck>(&*message)) {
      acks_.push_back(*ack);
    }
  }
  void send(const CollectorMessage& message) {
    server_->send(connection_, schemas::encode(message));
  }
  // Runs the collector's loop until it holds, or patience ends.
  bool eventually(const std::function<bool()>& holds) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!holds()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      loop_.restart();
      loop_.run_for(std::chrono::milliseconds(10));
    }
    return true;
  }
  bool noticed(RouteSync::Event event) {
    const std::lock_guard lock(mutex_);
    return std::any_of(notices_.begin(), notices_.end(),
                       [&](const RouteSync::Notice& notice) { return notice.event == event; });
  }

  samples::TemporaryDirectory directory_;
  std::string route_file_ = directory_.file("routes.bin");
  CurveKeyPair collector_keys_ = make_curve_key_pair();
  CurveKeyPair node_keys_ = make_curve_key_pair();
  std::string allowed_ = node_keys_.public_key;
  SigningKey signer_ = make_signing_key();
  bool signer_saved_ = save_signing_key(directory_.file("signer"), signer_).has_value();
  asio::io_context loop_;
  std::unique_ptr<MessageServer> server_;
  std::optional<Hello> hello_;
  std::string connection_;
  std::vector<std::string> collectors_before_;
  std::vector<TableAck> acks_;
  std::mutex mutex_;
  std::vector<RouteSync::Notice> notices_;
  std::unique_ptr<RouteSync> sync_;
};

TEST_F(RouteSyncing, FetchesVerifiesStoresAndAcknowledges) {
  start();
  ASSERT_TRUE(eventually([&] { return hello_.has_value(); }));
  EXPECT_EQ(hello_->kind, ClientKind::route_reader);
  EXPECT_EQ(hello_->self.name, "ams-1");
  const SignedTable table = samples::sign_table(signer_, current_table(12));
  send(table);
  ASSERT_TRUE(eventually([&] { return acks_.size() == 1; }));
  EXPECT_TRUE(acks_[0].accepted) << acks_[0].reason;
  EXPECT_EQ(samples::get_file(route_file_), route_client::to_file(table));

  SignedTable forged = samples::sign_table(signer_, current_table(13));
  forged.signature[1] ^= 1;
  send(forged);
  ASSERT_TRUE(eventually([&] { return acks_.size() == 2; }));
  EXPECT_FALSE(acks_[1].accepted);
  EXPECT_EQ(acks_[1].in_use, (TableVersion{3, 12}));
  EXPECT_EQ(samples::get_file(route_file_), route_client::to_file(table));
  EXPECT_TRUE(noticed(RouteSync::Event::table_refused));
}

TEST_F(RouteSyncing, TellsTheCollectorWhatItHasAfterARestart) {
  samples::put_file(route_file_,
                    route_client::to_file(samples::sign_table(signer_, current_table(12))));
  start();
  ASSERT_TRUE(eventually([&] { return hello_.has_value(); }));
  EXPECT_EQ(hello_->loaded, (TableVersion{3, 12}));
}

TEST_F(RouteSyncing, LeavesACollectorThatSaysNothingForTheNextOfItsList) {
  bool was_greeted = false;
  const auto silent = MessageServer::create(
                          loop_, {.bind = "tcp://127.0.0.1:*", .keys = collector_keys_},
                          [](const std::string&, const std::string&) { return true; },
                          [&](const PeerId&, std::span<const std::uint8_t>) { was_greeted = true; })
                          .value();
  collectors_before_ = {silent->bound_endpoint()};
  start();
  ASSERT_TRUE(eventually([&] { return hello_.has_value(); }));
  EXPECT_TRUE(was_greeted) << "the first of the list was asked first";
  const SignedTable table = samples::sign_table(signer_, current_table(12));
  send(table);
  ASSERT_TRUE(eventually([&] { return acks_.size() == 1; }));
  EXPECT_TRUE(acks_[0].accepted) << acks_[0].reason;
}

TEST_F(RouteSyncing, SaysThatTheCollectorDoesNotKnowItsKey) {
  allowed_.clear();
  start();
  EXPECT_TRUE(eventually([&] { return noticed(RouteSync::Event::refused); }));
}

TEST_F(RouteSyncing, SaysWhichKeyItCannotRead) {
  std::string error;
  EXPECT_EQ(RouteSync::start({.name = "ams-1",
                              .collectors = {"tcp://127.0.0.1:1"},
                              .collector_public_key = collector_keys_.public_key,
                              .key_file = directory_.file("missing.key"),
                              .signer_public_keys = {directory_.file("signer.pub")},
                              .route_file = route_file_},
                             nullptr, error),
            nullptr);
  EXPECT_NE(error.find("missing.key"), std::string::npos) << error;
}

}  // namespace
}  // namespace linkpilot
