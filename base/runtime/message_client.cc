#include <array>
#include <asio/steady_timer.hpp>
#include <atomic>
#include <chrono>
#include <cstring>
#include <mutex>
#include <utility>

#include "base/runtime/message_socket.h"
#include "base/runtime/zmq_socket.h"

namespace linkpilot {
namespace {

constexpr int kClientSocketsMax = 16'384;
constexpr int kConnectTimeoutMs = 3'000;
constexpr int kMonitorEvents =
    ZMQ_EVENT_CONNECT_DELAYED | ZMQ_EVENT_CONNECT_RETRIED | ZMQ_EVENT_CLOSED |
    ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_SUCCEEDED |
    ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;

// All clients of a process share one context, so that a thousand of them (a load generator) are not
// two thousand threads.
std::shared_ptr<ZmqContext> client_context() {
  static std::mutex mutex;
  static std::weak_ptr<ZmqContext> shared;
  const std::lock_guard lock(mutex);
  std::shared_ptr<ZmqContext> context = shared.lock();
  if (!context) {
    context = std::make_shared<ZmqContext>(1, kClientSocketsMax);
    shared = context;
  }
  return context;
}

std::string unique_monitor_endpoint() {
  static std::atomic<std::uint64_t> next{1};
  return "inproc://linkpilot-monitor-" + std::to_string(next.fetch_add(1));
}

// "tcp://192.0.2.9:0;192.0.2.1:7100" connects from 192.0.2.9 (zmq_tcp(7)).
std::string endpoint_of(const MessageClient::Options& options) {
  constexpr std::string_view kScheme = "tcp://";
  if (options.bind_address.empty() || !options.connect.starts_with(kScheme)) return options.connect;
  const bool six = options.bind_address.find(':') != std::string::npos;
  const std::string from = six ? "[" + options.bind_address + "]" : options.bind_address;
  return std::string(kScheme) + from + ":0;" + options.connect.substr(kScheme.size());
}

class DealerClient final : public MessageClient {
 public:
  DealerClient(asio::io_context& loop, const Options& options, OnMessage on_message,
               OnState on_state)
      : loop_(loop),
        options_(options),
        on_message_(std::make_shared<const OnMessage>(std::move(on_message))),
        on_state_(std::make_shared<const OnState>(std::move(on_state))),
        endpoint_(endpoint_of(options)),
        context_(client_context()),
        socket_(*context_, ZMQ_DEALER),
        monitor_(*context_, ZMQ_PAIR),
        revive_timer_(loop) {}

  ~DealerClient() override {
    *alive_ = false;
    socket_watch_.reset();
    monitor_watch_.reset();
    if (socket_) zmq_socket_monitor(socket_.get(), nullptr, 0);
  }

  Status open() {
    if (!socket_ || !monitor_) return fail_zmq("open a client socket");
    set_transport_options(socket_, {options_.queue_messages_max, options_.message_bytes_max});
    socket_.set(ZMQ_IPV6, endpoint_.find('[') != std::string::npos ? 1 : 0);
    socket_.set(ZMQ_IMMEDIATE, 1);  // nothing is queued to a server that is not there
    socket_.set(ZMQ_CONNECT_TIMEOUT, kConnectTimeoutMs);
    socket_.set(ZMQ_RECONNECT_IVL, options_.reconnect_min_ms);
    socket_.set(ZMQ_RECONNECT_IVL_MAX, options_.reconnect_max_ms);
    socket_.set(ZMQ_CURVE_SERVERKEY, options_.server_public_key);
    socket_.set(ZMQ_CURVE_PUBLICKEY, options_.keys.public_key);
    socket_.set(ZMQ_CURVE_SECRETKEY, options_.keys.secret_key);
    monitor_.set(ZMQ_LINGER, 0);
    if (Status status = socket_.options_status(); !status) return status;
    const std::string monitor_endpoint = unique_monitor_endpoint();
    if (zmq_socket_monitor(socket_.get(), monitor_endpoint.c_str(), kMonitorEvents) != 0 ||
        zmq_connect(monitor_.get(), monitor_endpoint.c_str()) != 0) {
      return fail_zmq("watch a client socket");
    }
    if (zmq_connect(socket_.get(), endpoint_.c_str()) != 0) {
      return fail_zmq("connect to " + options_.connect);
    }
    socket_watch_ =
        std::make_unique<SocketWatch>(loop_, socket_.get(), [this] { receive_message(); });
    monitor_watch_ =
        std::make_unique<SocketWatch>(loop_, monitor_.get(), [this] { receive_event(); });
    return {};
  }

  bool send(std::span<const std::uint8_t> bytes) override {
    const bool sent =
        bytes.size() <= options_.message_bytes_max && send_body(socket_.get(), bytes) == 0;
    socket_watch_->poke();
    ++(sent ? counters_.messages_sent : counters_.dropped_queue_full);
    return sent;
  }

  SocketCounters counters() const override { return counters_; }

 private:
  void receive_message() {
    ZmqFrame payload;
    if (receive_body(socket_.get(), options_.message_bytes_max, payload) != BodyFate::received) {
      ++counters_.refused_malformed;
      return;
    }
    ++counters_.messages_received;
    AlignedView aligned;
    const std::shared_ptr<const OnMessage> on_message = on_message_;  // it may destroy this client
    (*on_message)(aligned.of(payload.bytes()));
  }

  // First frame of an event: number (16 bits) and value (32 bits), native order
  // (zmq_socket_monitor(3)).
  void receive_event() {
    ZmqFrame frame;
    if (!frame.receive(monitor_.get())) return;
    skip_rest(monitor_.get(), frame);
    std::uint16_t event = 0;
    if (frame.bytes().size() < sizeof event) return;
    std::memcpy(&event, frame.bytes().data(), sizeof event);
    on_event(event);
  }

  void on_event(int event) {
    switch (event) {
      case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        revive_timer_.cancel();
        enter(State::connected);
        break;
      case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
      case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
      case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
        expect_retry();
        enter(State::handshake_refused);
        break;
      case ZMQ_EVENT_DISCONNECTED:
        expect_retry();
        // After a refused handshake the connection ends, too; the refusal is what matters.
        if (state_ != State::handshake_refused) enter(State::disconnected);
        break;
      case ZMQ_EVENT_CLOSED:  // an attempt to connect failed: nobody listens
        enter(State::disconnected);
        break;
      case ZMQ_EVENT_CONNECT_RETRIED:
        revive_timer_.cancel();
        break;
      case ZMQ_EVENT_CONNECT_DELAYED:
        revive_timer_.cancel();
        if (state_ != State::handshake_refused) enter(State::connecting);
        break;
      default:
        break;
    }
  }

  // libzmq does not reconnect after an error of protocol (a refused key, an oversized frame). A key
  // may be enrolled later, so when no retry shows itself we connect anew.
  void expect_retry() {
    revive_timer_.expires_after(std::chrono::milliseconds(options_.reconnect_max_ms));
    revive_timer_.async_wait([this, alive = alive_](const asio::error_code& error) {
      if (error || !*alive) return;
      zmq_disconnect(socket_.get(), endpoint_.c_str());
      zmq_connect(socket_.get(), endpoint_.c_str());
      socket_watch_->poke();
      expect_retry();
    });
  }

  void enter(State state) {
    if (state == state_) return;
    state_ = state;
    const std::shared_ptr<const OnState> on_state = on_state_;
    if (*on_state) (*on_state)(state);
  }

  asio::io_context& loop_;
  Options options_;
  std::shared_ptr<const OnMessage> on_message_;
  std::shared_ptr<const OnState> on_state_;
  State state_ = State::connecting;
  SocketCounters counters_;
  std::string endpoint_;
  std::shared_ptr<ZmqContext> context_;
  ZmqSocket socket_;
  ZmqSocket monitor_;
  asio::steady_timer revive_timer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::unique_ptr<SocketWatch> socket_watch_;
  std::unique_ptr<SocketWatch> monitor_watch_;
};

}  // namespace

Result<std::unique_ptr<MessageClient>> MessageClient::create(asio::io_context& loop,
                                                             const Options& options,
                                                             OnMessage on_message,
                                                             OnState on_state) {
  auto client =
      std::make_unique<DealerClient>(loop, options, std::move(on_message), std::move(on_state));
  if (Status status = client->open(); !status) return fail(status.error());
  return client;
}

}  // namespace linkpilot
