// Peers that stop in the middle of a greeting, a handshake or a message: they hold nothing up and
// bring nothing down.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <asio/ip/tcp.hpp>
#include <asio/write.hpp>
#include <map>
#include <vector>

#include "tests/component/collector/fleet.h"

namespace linkpilot::collector {
namespace {

using asio::ip::tcp;

tcp::endpoint address_of(const CollectorProcess& process) {
  const std::string& endpoint = process.endpoint();
  const auto port = static_cast<std::uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1)));
  return {asio::ip::make_address("127.0.0.1"), port};
}

std::string name_of_cut(std::size_t octets) { return "cut-" + std::to_string(octets); }

// Stands between an agent and the collector, and after `octets_max` from the agent passes on
// nothing more, in either direction, and closes nothing.
class StallingRelay {
 public:
  StallingRelay(asio::io_context& loop, tcp::endpoint to, std::size_t octets_max)
      : acceptor_(loop, {asio::ip::make_address("127.0.0.1"), 0}),
        near_(loop),
        far_(loop),
        left_(octets_max) {
    far_.connect(to);
    acceptor_.async_accept(near_, [this](const asio::error_code& error) {
      if (error) return;
      pass(near_, far_, from_near_, true);
      pass(far_, near_, from_far_, false);
    });
  }
  [[nodiscard]] std::string endpoint() const {
    return "tcp://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port());
  }
  [[nodiscard]] bool stalled() const { return left_ == 0; }
  [[nodiscard]] std::size_t left() const { return left_; }

 private:
  using Buffer = std::array<char, 4096>;
  void pass(tcp::socket& from, tcp::socket& to, Buffer& buffer, bool counted) {
    from.async_read_some(asio::buffer(buffer),
                         [&, counted, this](const asio::error_code& error, std::size_t got) {
                           if (error || stalled()) return;
                           const std::size_t part = counted ? std::min(got, left_) : got;
                           if (counted) left_ -= part;
                           asio::error_code ignored;
                           asio::write(to, asio::buffer(buffer.data(), part), ignored);
                           pass(from, to, buffer, counted);
                         });
  }

  tcp::acceptor acceptor_;
  tcp::socket near_;
  tcp::socket far_;
  Buffer from_near_{};
  Buffer from_far_{};
  std::size_t left_;
};

TEST(CollectorStall, HalfAGreetingHalfAHandshakeAndHalfAMessageHoldNothingUp) {
  CollectorProcess process;
  process.start();
  ScriptedFleet fleet(process);
  fleet.add("a");
  ASSERT_TRUE(fleet.greet("a"));
  ASSERT_TRUE(fleet.live([&] { return fleet.at("a").acked() >= 2; }));

  // Raw connections: silence, parts of a ZMTP 3.1 greeting (RFC 37), and one followed by part of a
  // CURVE HELLO (RFC 26: a command frame of 200 octets).
  std::string greeting("\xff\0\0\0\0\0\0\0\1\x7f\3\1CURVE", 17);
  greeting.resize(64);
  const std::string hello("\4\xc8\5HELLO\1\0", 10);
  const std::vector<std::string> beginnings{"",
                                            greeting.substr(0, 5),
                                            greeting.substr(0, 11),
                                            greeting,
                                            greeting + hello,
                                            greeting + hello + std::string(100, 'x'),
                                            greeting + std::string(300, '\xff'),
                                            "GET / HTTP/1.1"};
  std::vector<tcp::socket> stalled;
  for (const std::string& beginning : beginnings) {
    stalled.emplace_back(fleet.loop);
    stalled.back().connect(address_of(process));
    asio::write(stalled.back(), asio::buffer(beginning));
  }
  // Real agents whose connection dies away at some octet of handshake or report.
  std::vector<std::unique_ptr<StallingRelay>> relays;
  std::vector<std::unique_ptr<ScriptedAgent>> cut;
  std::map<std::size_t, CurveKeyPair> keys;
  for (const std::size_t octets : {70U, 200U, 300U, 500U, 700U, 1'000U, 1'500U, 4'000U}) {
    keys[octets] = process.enrol(name_of_cut(octets));
  }
  // A relay lets one connection through: the first must not be refused.
  ASSERT_TRUE(fleet.live([&] {
    const std::string agents = process.get("/v1/agents").body;
    return std::all_of(keys.begin(), keys.end(), [&](const auto& entry) {
      return agents.find('"' + name_of_cut(entry.first) + '"') != std::string::npos;
    });
  }));
  for (const auto& [octets, pair] : keys) {
    relays.push_back(std::make_unique<StallingRelay>(fleet.loop, address_of(process), octets));
    cut.push_back(std::make_unique<ScriptedAgent>(fleet.loop, name_of_cut(octets), pair,
                                                  process.public_key(), relays.back()->endpoint()));
  }
  const auto all_stalled = [&] {
    return std::all_of(relays.begin(), relays.end(), [](const auto& r) { return r->stalled(); });
  };
  ASSERT_TRUE(fleet.run(
      all_stalled,
      [&] {
        for (auto& agent : cut) {
          agent->hello();
          agent->send(agent->make_report(++agent->sequence, fleet.rtt));
        }
      },
      std::chrono::seconds(40)))
      << "left of the first and the last: " << relays.front()->left() << ", "
      << relays.back()->left();

  // Longer than the handshake's time limit: the collector lets go of them, and goes on.
  const std::uint64_t acked = fleet.at("a").acked();
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(7);
  EXPECT_TRUE(fleet.live([&] { return std::chrono::steady_clock::now() > until; }));
  EXPECT_GT(fleet.at("a").acked(), acked + 10);
  EXPECT_EQ(process.get("/healthz").status, 200);
  EXPECT_EQ(process.stop(), 0);
}

TEST(CollectorStall, AReplayedReportIsAcknowledgedAndCountedOnce) {
  CollectorProcess process;
  process.start();
  ScriptedFleet fleet(process);
  fleet.add("a");
  fleet.add("b");
  ASSERT_TRUE(fleet.greet("a"));
  ASSERT_TRUE(fleet.greet("b"));
  ASSERT_TRUE(fleet.live([&] { return fleet.at("a").acked() >= 3; }));
  fleet.mute = {"a", "b"};
  ScriptedAgent& a = fleet.at("a");
  for (int i = 0; i < 50; ++i) a.send(a.make_report(2, fleet.rtt));
  ASSERT_TRUE(fleet.run(
      [&] {
        const auto agents = process.get("/v1/agents?node=a").json();
        return agents["agents"][0]["reports"]["duplicate"].get<int>() >= 50;
      },
      [] {}));
  const auto agents = process.get("/v1/agents?node=a").json();
  EXPECT_EQ(agents["agents"][0]["reports"]["received"].get<std::uint64_t>(), a.sequence);
}

}  // namespace
}  // namespace linkpilot::collector
