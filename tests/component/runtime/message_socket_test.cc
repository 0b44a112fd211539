// The ZeroMQ seam over real sockets on loopback: who may talk, what is refused, what a bad peer can
// do.
#include "base/runtime/message_socket.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include <asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/runtime/files.h"

namespace linkpilot {
namespace {

using namespace std::chrono_literals;
using Text = std::string;

std::span<const std::uint8_t> octets(const Text& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
Text text_of(std::span<const std::uint8_t> bytes) { return {bytes.begin(), bytes.end()}; }

// Runs the loop until `done` says so; false after `limit`, which is generous: machines are busy.
bool run_until(asio::io_context& loop, const std::function<bool()>& done,
               std::chrono::milliseconds limit = 60s) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    loop.restart();
    loop.run_one_for(2ms);
  }
  return true;
}

class MessageSockets : public ::testing::Test {
 protected:
  struct Received {
    PeerId from;
    Text text;
  };

  void start_server(const std::string& bind = "tcp://127.0.0.1:0") {
    MessageServer::Options options;
    options.bind = bind;
    options.keys = server_keys;
    options.message_bytes_max = 1 << 20;
    options.queue_messages_max = 16;
    auto made = MessageServer::create(
        loop, options,
        [this](const std::string& key, const std::string& address) {
          return key == client_keys.public_key && address == "127.0.0.1";
        },
        [this](const PeerId& from, std::span<const std::uint8_t> bytes) {
          EXPECT_EQ(reinterpret_cast<std::uintptr_t>(bytes.data()) % 8, 0u);
          at_server.push_back({from, text_of(bytes)});
        });
    ASSERT_TRUE(made) << made.error().message;
    server = std::move(*made);
  }

  MessageClient::Options client_options() const {
    MessageClient::Options options;
    options.connect = server->bound_endpoint();
    options.server_public_key = server_keys.public_key;
    options.keys = client_keys;
    options.message_bytes_max = 4 << 20;
    options.queue_messages_max = 64;
    options.reconnect_min_ms = 20;
    options.reconnect_max_ms = 200;
    return options;
  }

  std::unique_ptr<MessageClient> start_client(const MessageClient::Options& options) {
    auto made = MessageClient::create(
        loop, options,
        [this](std::span<const std::uint8_t> bytes) { at_client.push_back(text_of(bytes)); },
        [this](MessageClient::State next) { states.push_back(next); });
    EXPECT_TRUE(made);
    return made ? std::move(*made) : nullptr;
  }

  bool saw(MessageClient::State state) const {
    return std::find(states.begin(), states.end(), state) != states.end();
  }
  bool run_until_connected() {
    return run_until(loop, [this] {
      return !states.empty() && states.back() == MessageClient::State::connected;
    });
  }

  asio::io_context loop;
  CurveKeyPair server_keys = make_curve_key_pair();
  CurveKeyPair client_keys = make_curve_key_pair();
  std::unique_ptr<MessageServer> server;
  std::vector<Received> at_server;
  std::vector<Text> at_client;
  std::vector<MessageClient::State> states;
};

TEST_F(MessageSockets, AnAllowedKeyTalksBothWaysUnderItsProvenName) {
  start_server();
  const auto client = start_client(client_options());
  ASSERT_TRUE(run_until_connected());
  ASSERT_TRUE(client->send(octets("hello")));
  ASSERT_TRUE(run_until(loop, [this] { return !at_server.empty(); }));
  EXPECT_EQ(at_server[0].text, "hello");
  EXPECT_EQ(at_server[0].from.public_key, client_keys.public_key);

  ASSERT_TRUE(server->send(at_server[0].from.connection, octets("welcome")));
  ASSERT_TRUE(run_until(loop, [this] { return !at_client.empty(); }));
  EXPECT_EQ(at_client[0], "welcome");
  EXPECT_EQ(server->counters().messages_received, 1u);
  EXPECT_EQ(server->counters().messages_sent, 1u);
  EXPECT_EQ(server->counters().refused_keys, 0u);
}

TEST_F(MessageSockets, NothingIsQueuedBeforeTheConnectionStands) {
  start_server();
  MessageClient::Options options = client_options();
  server.reset();
  const auto client = start_client(options);
  EXPECT_FALSE(client->send(octets("lost?")));
  EXPECT_EQ(client->counters().dropped_queue_full, 1u);
}

TEST_F(MessageSockets, AnUnknownKeyIsRefusedCountedAndLetInOnceItIsEnrolled) {
  start_server();
  const CurveKeyPair enrolled = client_keys;
  MessageClient::Options options = client_options();
  client_keys = make_curve_key_pair();  // the server now expects another key
  const auto client = start_client(options);
  ASSERT_TRUE(run_until(loop, [this] { return saw(MessageClient::State::handshake_refused); }));
  EXPECT_FALSE(saw(MessageClient::State::connected));
  EXPECT_FALSE(client->send(octets("let me in")));
  EXPECT_GE(server->counters().refused_keys, 1u);
  EXPECT_TRUE(at_server.empty());

  client_keys = enrolled;
  ASSERT_TRUE(run_until_connected());
  EXPECT_TRUE(client->send(octets("thanks")));
  EXPECT_TRUE(run_until(loop, [this] { return !at_server.empty(); }));
}

TEST_F(MessageSockets, AWrongServerKeyIsAHandshakeRefused) {
  start_server();
  MessageClient::Options options = client_options();
  options.server_public_key = make_curve_key_pair().public_key;
  const auto client = start_client(options);
  ASSERT_TRUE(run_until(loop, [this] { return saw(MessageClient::State::handshake_refused); }));
  EXPECT_FALSE(saw(MessageClient::State::connected));
}

TEST_F(MessageSockets, AnOversizedMessageIsRefusedAndTheConnectionServesOn) {
  start_server();
  const auto client = start_client(client_options());
  ASSERT_TRUE(run_until_connected());
  EXPECT_TRUE(client->send(octets(Text((1 << 20) + 1, 'x'))));
  EXPECT_TRUE(client->send(octets(Text(1 << 20, 'y'))));
  ASSERT_TRUE(run_until(loop, [this] { return !at_server.empty(); }));
  EXPECT_EQ(at_server[0].text.front(), 'y');
  EXPECT_EQ(server->counters().refused_malformed, 1u);
}

TEST_F(MessageSockets, AVastlyOversizedMessageEndsTheConnectionAndTheClientComesBack) {
  start_server();
  const auto client = start_client(client_options());
  ASSERT_TRUE(run_until_connected());
  EXPECT_TRUE(client->send(octets(Text(3 << 20, 'x'))));
  ASSERT_TRUE(run_until(loop, [this] { return saw(MessageClient::State::disconnected); }));
  ASSERT_TRUE(run_until_connected());
  EXPECT_TRUE(client->send(octets("back")));
  ASSERT_TRUE(run_until(loop, [this] { return !at_server.empty(); }));
  EXPECT_EQ(at_server[0].text, "back");
}

TEST_F(MessageSockets, ADisconnectedPeerGetsTheLastWordAndItsTcpConnectionEnds) {
  start_server();
  const auto client = start_client(client_options());
  ASSERT_TRUE(run_until_connected());
  ASSERT_TRUE(client->send(octets("hello")));
  ASSERT_TRUE(run_until(loop, [this] { return !at_server.empty(); }));
  const PeerId from = at_server[0].from;
  EXPECT_NE(from.transport.cookie, 0u);
  client_keys = make_curve_key_pair();  // the old key may not come back
  ASSERT_TRUE(server->send(from.connection, octets("go away")));
  server->disconnect(from.transport);
  ASSERT_TRUE(run_until(loop, [this] { return saw(MessageClient::State::disconnected); }));
  ASSERT_TRUE(run_until(loop, [this] { return saw(MessageClient::State::handshake_refused); }));
  ASSERT_EQ(at_client.size(), 1u);
  EXPECT_EQ(at_client[0], "go away");
  EXPECT_FALSE(server->send(from.connection, octets("still there?")));
  EXPECT_EQ(server->counters().disconnected, 1u);
}

TEST_F(MessageSockets, DisconnectingAConnectionThatIsGoneHarmsNoOther) {
  start_server();
  auto client = start_client(client_options());
  ASSERT_TRUE(run_until_connected());
  ASSERT_TRUE(client->send(octets("first")));
  ASSERT_TRUE(run_until(loop, [this] { return !at_server.empty(); }));
  const PeerId gone = at_server[0].from;
  client.reset();
  states.clear();
  const auto next = start_client(client_options());
  ASSERT_TRUE(run_until_connected());
  ASSERT_TRUE(next->send(octets("second")));
  ASSERT_TRUE(run_until(loop, [this] { return at_server.size() == 2; }));
  // The descriptor may be the same one again; the cookie is not.
  server->disconnect({at_server[1].from.transport.descriptor, gone.transport.cookie});
  server->disconnect(gone.transport);
  asio::steady_timer wait(loop, 300ms);
  bool over = false;
  wait.async_wait([&](const asio::error_code&) { over = true; });
  ASSERT_TRUE(run_until(loop, [&] { return over; }));
  EXPECT_FALSE(saw(MessageClient::State::disconnected));
}

// A DEALER of our own with the right keys, so that it can send what MessageClient never would.
class RawDealer {
 public:
  RawDealer(const MessageClient::Options& options, const std::string& routing_id = "")
      : context_(zmq_ctx_new()), socket_(zmq_socket(context_, ZMQ_DEALER)) {
    const int linger = 0;
    zmq_setsockopt(socket_, ZMQ_LINGER, &linger, sizeof linger);
    set(ZMQ_CURVE_SERVERKEY, options.server_public_key);
    set(ZMQ_CURVE_PUBLICKEY, options.keys.public_key);
    set(ZMQ_CURVE_SECRETKEY, options.keys.secret_key);
    if (!routing_id.empty()) set(ZMQ_ROUTING_ID, routing_id);
    zmq_connect(socket_, options.connect.c_str());
  }
  ~RawDealer() {
    zmq_close(socket_);
    zmq_ctx_term(context_);
  }
  void send(const std::vector<Text>& frames) {
    for (std::size_t i = 0; i < frames.size(); ++i) {
      zmq_send(socket_, frames[i].data(), frames[i].size(),
               i + 1 < frames.size() ? ZMQ_SNDMORE : 0);
    }
  }

 private:
  void set(int option, const Text& value) {
    ASSERT_EQ(zmq_setsockopt(socket_, option, value.data(), value.size()), 0);
  }
  void* context_;
  void* socket_;
};

TEST_F(MessageSockets, WrongFramesAndVersionsAreCountedAndSkipped) {
  start_server();
  RawDealer raw(client_options());
  raw.send({"\x01"});
  raw.send({"\x02", "payload"});
  raw.send({"", "payload"});
  raw.send({"\x01", "payload", "more"});
  raw.send({"\x01\x01", "payload"});
  raw.send({"\x02", "a", "b", "c", "d"});
  raw.send({"\x01", "good"});
  ASSERT_TRUE(run_until(loop, [this] { return !at_server.empty(); }));
  EXPECT_EQ(at_server[0].text, "good");
  EXPECT_EQ(server->counters().refused_malformed, 6u);
}

TEST_F(MessageSockets, APeerThatNamesItselfIsRefused) {
  start_server();
  RawDealer raw(client_options(), "another agent");
  raw.send({"\x01", "payload"});
  ASSERT_TRUE(run_until(loop, [this] { return server->counters().refused_malformed == 1; }));
  EXPECT_TRUE(at_server.empty());
}

UniqueFd connect_tcp(const std::string& endpoint) {
  const Endpoint to = *Endpoint::parse(endpoint.substr(std::strlen("tcp://")));
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(to.port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  return fd;
}

TEST_F(MessageSockets, GarbageOnThePortDoesNotHurtOthers) {
  start_server();
  const auto client = start_client(client_options());
  ASSERT_TRUE(run_until_connected());
  std::vector<UniqueFd> strangers;
  for (int i = 0; i < 32; ++i) {
    strangers.push_back(connect_tcp(server->bound_endpoint()));
    const std::vector<std::uint8_t> noise = random_bytes(4096);
    [[maybe_unused]] const ssize_t sent =
        ::send(strangers.back().get(), noise.data(), noise.size(), MSG_NOSIGNAL);
  }
  // The start of a ZMTP 3.0 greeting with the NULL mechanism: no CURVE, no entry.
  Text greeting("\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL", 16);
  greeting.resize(64, '\0');
  [[maybe_unused]] const ssize_t sent =
      ::send(strangers.front().get(), greeting.data(), greeting.size(), MSG_NOSIGNAL);
  ASSERT_TRUE(client->send(octets("still here")));
  ASSERT_TRUE(run_until(loop, [this] { return !at_server.empty(); }));
  EXPECT_EQ(at_server[0].text, "still here");
}

TEST_F(MessageSockets, TheClientReconnectsAfterAServerRestart) {
  start_server();
  const std::string endpoint = server->bound_endpoint();
  const auto client = start_client(client_options());
  ASSERT_TRUE(run_until_connected());
  server.reset();
  ASSERT_TRUE(run_until(loop, [this] { return saw(MessageClient::State::disconnected); }));
  start_server(endpoint);
  ASSERT_TRUE(run_until_connected());
  ASSERT_TRUE(client->send(octets("again")));
  ASSERT_TRUE(run_until(loop, [this] { return !at_server.empty(); }));
  EXPECT_EQ(at_server[0].text, "again");
}

TEST_F(MessageSockets, AMessageToAConnectionThatIsGoneIsCounted) {
  start_server();
  auto client = start_client(client_options());
  ASSERT_TRUE(run_until_connected());
  ASSERT_TRUE(client->send(octets("hello")));
  ASSERT_TRUE(run_until(loop, [this] { return !at_server.empty(); }));
  client.reset();
  const std::string connection = at_server[0].from.connection;
  ASSERT_TRUE(run_until(loop, [&] {
    server->send(connection, octets("anyone?"));
    return server->counters().dropped_unroutable > 0;
  }));
}

// The queue to a peer that does not read fills, drops and counts; the process lives, other peers
// are served, and the stalled one finds its way back.
TEST_F(MessageSockets, AStalledReaderCostsOnlyItself) {
  start_server();
  asio::io_context stalled_loop;
  std::size_t stalled_received = 0;
  auto stalled = MessageClient::create(
      stalled_loop, client_options(), [&](std::span<const std::uint8_t>) { ++stalled_received; },
      nullptr);
  ASSERT_TRUE(stalled);
  ASSERT_TRUE(run_until(loop, [&] { return (*stalled)->send(octets("first")); }));
  ASSERT_TRUE(run_until(loop, [this] { return !at_server.empty(); }));
  const std::string connection = at_server[0].from.connection;
  const Text big(256 * 1024, 'b');
  ASSERT_TRUE(run_until(loop, [&] {
    server->send(connection, octets(big));
    return server->counters().dropped_queue_full > 100;
  }));
  const auto other = start_client(client_options());
  ASSERT_TRUE(run_until_connected());
  ASSERT_TRUE(other->send(octets("second")));
  ASSERT_TRUE(run_until(loop, [this] { return at_server.size() == 2; }));
  ASSERT_TRUE(run_until(stalled_loop, [&] { return stalled_received > 0; }));
}

TEST_F(MessageSockets, AFloodingPeerDoesNotStarveTimers) {
  start_server();
  const auto client = start_client(client_options());
  ASSERT_TRUE(run_until_connected());
  asio::steady_timer timer(loop);
  std::size_t at_timer = 0;
  std::size_t sent = 0;
  timer.expires_after(0ms);
  timer.async_wait([&](const asio::error_code&) { at_timer = at_server.size() + 1; });
  while (sent < 5'000) {
    if (client->send(octets("x"))) ++sent;
    loop.poll_one();
  }
  ASSERT_TRUE(run_until(loop, [&] { return at_server.size() == sent; }));
  EXPECT_GT(at_timer, 0u);
  EXPECT_LT(at_timer, sent);
}

TEST_F(MessageSockets, AnEndpointInUseIsAnErrorThatNamesIt) {
  start_server();
  MessageServer::Options options;
  options.bind = server->bound_endpoint();
  options.keys = make_curve_key_pair();
  const auto second = MessageServer::create(
      loop, options, [](const std::string&, const std::string&) { return true; },
      [](const PeerId&, std::span<const std::uint8_t>) {});
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find(options.bind), std::string::npos);
}

TEST_F(MessageSockets, AClientMayBeDestroyedInItsOwnCallback) {
  start_server();
  std::unique_ptr<MessageClient> client;
  bool connected = false;
  auto made = MessageClient::create(
      loop, client_options(), [&](std::span<const std::uint8_t>) { client.reset(); },
      [&](MessageClient::State state) { connected = state == MessageClient::State::connected; });
  ASSERT_TRUE(made);
  client = std::move(*made);
  ASSERT_TRUE(run_until(loop, [&] { return connected; }));
  ASSERT_TRUE(client->send(octets("hello")));
  ASSERT_TRUE(run_until(loop, [this] { return !at_server.empty(); }));
  ASSERT_TRUE(server->send(at_server[0].from.connection, octets("go away")));
  ASSERT_TRUE(run_until(loop, [&] { return client == nullptr; }));
}

}  // namespace
}  // namespace linkpilot
