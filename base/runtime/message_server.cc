#include <sys/socket.h>

#include <array>
#include <asio/steady_timer.hpp>
#include <cerrno>
#include <chrono>
#include <memory>
#include <utility>

#include "base/runtime/message_socket.h"
#include "base/runtime/zap_handler.h"
#include "base/runtime/zmq_socket.h"

namespace linkpilot {
namespace {

constexpr int kServerSocketsMax = 64;  // sockets we open, not connections
constexpr auto kFarewell = std::chrono::milliseconds(100);

// Zero: no socket (any more).
std::uint64_t cookie_of(int descriptor) {
  std::uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  if (descriptor < 0) return 0;
  return getsockopt(descriptor, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0 ? cookie : 0;
}

class RouterServer final : public MessageServer {
 public:
  RouterServer(asio::io_context& loop, const Options& options, OnMessage on_message)
      : loop_(loop),
        options_(options),
        on_message_(std::make_shared<const OnMessage>(std::move(on_message))),
        context_(options.io_threads, kServerSocketsMax) {}

  ~RouterServer() override {
    watch_.reset();
    socket_.reset();
    zap_.reset();
  }

  Status open(Allow allow) {
    Result<std::unique_ptr<ZapHandler>> zap = ZapHandler::start(context_, std::move(allow));
    if (!zap) return fail(zap.error());
    zap_ = std::move(*zap);
    socket_ = std::make_unique<ZmqSocket>(context_, ZMQ_ROUTER);
    if (!*socket_) return fail_zmq("open a server socket");
    set_transport_options(*socket_, {options_.queue_messages_max, options_.message_bytes_max});
    // IPv6 sockets only where asked for, so that plain IPv4 endpoints read as they were written.
    const bool wildcard = options_.bind.find("//*") != std::string::npos;
    socket_->set(ZMQ_IPV6, options_.bind.find('[') != std::string::npos || wildcard ? 1 : 0);
    socket_->set(ZMQ_BACKLOG, options_.backlog);
    socket_->set(ZMQ_ROUTER_MANDATORY, 1);
    socket_->set(ZMQ_CURVE_SERVER, 1);
    socket_->set(ZMQ_CURVE_SECRETKEY, options_.keys.secret_key);
    socket_->set(ZMQ_ZAP_DOMAIN, std::string(ZapHandler::kDomain));
    if (Status status = socket_->options_status(); !status) return status;
    if (zmq_bind(socket_->get(), options_.bind.c_str()) != 0) {
      return fail_zmq("listen on " + options_.bind);
    }
    watch_ = std::make_unique<SocketWatch>(loop_, socket_->get(), [this] { receive_one(); });
    return {};
  }

  bool send(const std::string& connection, std::span<const std::uint8_t> bytes) override {
    const int error = try_send(connection, bytes);
    watch_->poke();
    if (error == 0) {
      ++counters_.messages_sent;
    } else if (error == EHOSTUNREACH) {
      ++counters_.dropped_unroutable;
    } else {
      ++counters_.dropped_queue_full;
    }
    return error == 0;
  }

  void disconnect(const TransportId& transport) override {
    if (transport.cookie == 0) return;
    ++counters_.disconnected;
    const auto timer = std::make_shared<asio::steady_timer>(loop_, kFarewell);
    timer->async_wait([timer, transport](const asio::error_code& error) {
      if (error || cookie_of(transport.descriptor) != transport.cookie) return;
      ::shutdown(transport.descriptor, SHUT_RDWR);
    });
  }

  std::string bound_endpoint() const override {
    std::array<char, 256> endpoint{};
    std::size_t size = endpoint.size();
    zmq_getsockopt(socket_->get(), ZMQ_LAST_ENDPOINT, endpoint.data(), &size);
    return endpoint.data();
  }

  SocketCounters counters() const override {
    SocketCounters counters = counters_;
    counters.refused_keys = zap_->refused();
    return counters;
  }

 private:
  // A routing id that libzmq made is a zero and four more octets. A peer that names itself could
  // take the name of another.
  static bool is_made_by_us(std::span<const std::uint8_t> id) {
    return id.size() == 5 && id[0] == 0;
  }

  int try_send(const std::string& connection, std::span<const std::uint8_t> bytes) {
    if (bytes.size() > options_.message_bytes_max) return EMSGSIZE;
    if (zmq_send(socket_->get(), connection.data(), connection.size(), ZMQ_SNDMORE | ZMQ_DONTWAIT) <
        0) {
      return zmq_errno();
    }
    return send_body(socket_->get(), bytes);
  }

  void receive_one() {
    ZmqFrame id;
    if (!id.receive(socket_->get())) return;
    ZmqFrame payload;
    if (!id.more() ||
        receive_body(socket_->get(), options_.message_bytes_max, payload) != BodyFate::received) {
      ++counters_.refused_malformed;
      return;
    }
    const int descriptor = payload.source_descriptor();
    PeerId from{id.text(), payload.property("User-Id"), {descriptor, cookie_of(descriptor)}};
    if (!is_made_by_us(id.bytes()) || from.public_key.empty()) {
      ++counters_.refused_malformed;
      return;
    }
    ++counters_.messages_received;
    AlignedView aligned;
    const std::shared_ptr<const OnMessage> on_message = on_message_;  // it may destroy this server
    (*on_message)(from, aligned.of(payload.bytes()));
  }

  asio::io_context& loop_;
  Options options_;
  std::shared_ptr<const OnMessage> on_message_;
  SocketCounters counters_;
  ZmqContext context_;
  std::unique_ptr<ZapHandler> zap_;
  std::unique_ptr<ZmqSocket> socket_;
  std::unique_ptr<SocketWatch> watch_;
};

}  // namespace

Result<std::unique_ptr<MessageServer>> MessageServer::create(asio::io_context& loop,
                                                             const Options& options, Allow allow,
                                                             OnMessage on_message) {
  auto server = std::make_unique<RouterServer>(loop, options, std::move(on_message));
  if (Status status = server->open(std::move(allow)); !status) return fail(status.error());
  return server;
}

}  // namespace linkpilot
