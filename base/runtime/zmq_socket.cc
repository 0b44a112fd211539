#include "base/runtime/zmq_socket.h"

#include <asio/post.hpp>
#include <cerrno>
#include <cstring>

#include "base/assert.h"

namespace linkpilot {
namespace {

constexpr int kHandshakeTimeoutMs = 5'000;
constexpr int kTcpRetransmitMs = 10'000;  // TCP_USER_TIMEOUT: a black-holed peer is gone after this
constexpr int kKeepaliveIdleS = 10;
constexpr int kKeepaliveIntervalS = 5;
constexpr int kKeepaliveCount = 3;

bool is_readable(void* socket) {
  int events = 0;
  std::size_t size = sizeof events;
  return zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size) == 0 && (events & ZMQ_POLLIN) != 0;
}

}  // namespace

tl::unexpected<Error> fail_zmq(const std::string& what) {
  const int error = zmq_errno();
  const ErrorCode code = error == EINVAL   ? ErrorCode::invalid_argument
                         : error == EACCES ? ErrorCode::permission
                                           : ErrorCode::unavailable;
  return fail(code, what + ": " + zmq_strerror(error));
}

ZmqContext::ZmqContext(int io_threads, int sockets_max) : context_(zmq_ctx_new()) {
  LP_ASSERT(context_ != nullptr);
  zmq_ctx_set(context_, ZMQ_IO_THREADS, io_threads);
  zmq_ctx_set(context_, ZMQ_MAX_SOCKETS, sockets_max);
}

ZmqContext::~ZmqContext() {
  while (zmq_ctx_term(context_) != 0 && zmq_errno() == EINTR) continue;
}

void ZmqSocket::close() {
  if (socket_ != nullptr) zmq_close(std::exchange(socket_, nullptr));
}

void ZmqSocket::note(int option, int result) {
  if (result == 0 || failed_option_ != 0) return;
  failed_option_ = option;
  failed_errno_ = zmq_errno();
}

void ZmqSocket::set(int option, int value) {
  note(option, zmq_setsockopt(socket_, option, &value, sizeof value));
}

void ZmqSocket::set(int option, std::int64_t value) {
  note(option, zmq_setsockopt(socket_, option, &value, sizeof value));
}

void ZmqSocket::set(int option, const std::string& value) {
  note(option, zmq_setsockopt(socket_, option, value.data(), value.size()));
}

Status ZmqSocket::options_status() const {
  if (failed_option_ == 0) return {};
  return fail(ErrorCode::internal, "ZeroMQ socket option " + std::to_string(failed_option_) + ": " +
                                       zmq_strerror(failed_errno_));
}

bool ZmqSocket::readable() const { return is_readable(socket_); }

void set_transport_options(ZmqSocket& socket, const TransportOptions& options) {
  socket.set(ZMQ_SNDHWM, options.queue_messages_max);
  socket.set(ZMQ_RCVHWM, options.queue_messages_max);
  socket.set(ZMQ_MAXMSGSIZE,
             static_cast<std::int64_t>(options.message_bytes_max + kOversizeMargin));
  socket.set(ZMQ_LINGER, 0);
  socket.set(ZMQ_HEARTBEAT_IVL, 0);
  socket.set(ZMQ_HANDSHAKE_IVL, kHandshakeTimeoutMs);
  socket.set(ZMQ_TCP_MAXRT, kTcpRetransmitMs);
  socket.set(ZMQ_TCP_KEEPALIVE, 1);
  socket.set(ZMQ_TCP_KEEPALIVE_IDLE, kKeepaliveIdleS);
  socket.set(ZMQ_TCP_KEEPALIVE_INTVL, kKeepaliveIntervalS);
  socket.set(ZMQ_TCP_KEEPALIVE_CNT, kKeepaliveCount);
}

std::string ZmqFrame::property(const char* name) {
  const char* const value = zmq_msg_gets(&message_, name);
  return value == nullptr ? "" : value;
}

void skip_rest(void* socket, const ZmqFrame& last) {
  for (bool more = last.more(); more;) {
    ZmqFrame frame;
    if (!frame.receive(socket)) return;
    more = frame.more();
  }
}

BodyFate receive_body(void* socket, std::size_t message_bytes_max, ZmqFrame& payload) {
  ZmqFrame format;
  if (!format.receive(socket)) return BodyFate::malformed;
  const bool known = format.bytes().size() == 1 && format.bytes()[0] == kMessageFormat;
  if (!known || !format.more()) {
    skip_rest(socket, format);
    return BodyFate::malformed;
  }
  if (!payload.receive(socket)) return BodyFate::malformed;
  if (payload.more() || payload.bytes().size() > message_bytes_max) {
    skip_rest(socket, payload);
    return BodyFate::malformed;
  }
  return BodyFate::received;
}

int send_body(void* socket, std::span<const std::uint8_t> bytes) {
  if (zmq_send(socket, &kMessageFormat, 1, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0) return zmq_errno();
  // Once the first frame is in, libzmq takes the others of the same message.
  if (zmq_send(socket, bytes.data(), bytes.size(), ZMQ_DONTWAIT) < 0) return zmq_errno();
  return 0;
}

std::span<const std::uint8_t> AlignedView::of(std::span<const std::uint8_t> bytes) {
  if (bytes.empty()) return {};  // memcpy takes no null pointer, not even for nothing
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % 8 == 0) return bytes;
  copy_.resize((bytes.size() + 7) / 8);
  std::memcpy(copy_.data(), bytes.data(), bytes.size());
  return {reinterpret_cast<const std::uint8_t*>(copy_.data()), bytes.size()};
}

struct SocketWatch::State : std::enable_shared_from_this<SocketWatch::State> {
  State(asio::io_context& io, void* zmq, int fd, std::function<void()> receive)
      : loop(io), socket(zmq), descriptor(io, fd), receive_one(std::move(receive)) {}

  void turn() {
    if (closed) return;
    for (int i = 0; i < kMessagesPerTurn; ++i) {
      if (!is_readable(socket)) {
        wait();
        return;
      }
      receive_one();
      if (closed) return;
    }
    post_turn();
  }

  void post_turn() {
    if (std::exchange(posted, true)) return;
    asio::post(loop, [self = shared_from_this()] {
      self->posted = false;
      self->turn();
    });
  }

  void wait() {
    if (std::exchange(waiting, true)) return;
    descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                          [self = shared_from_this()](const asio::error_code& error) {
                            self->waiting = false;
                            if (!error) self->turn();
                          });
  }

  void close() {
    closed = true;
    // The descriptor belongs to libzmq; Asio must forget it and not close it.
    descriptor.release();
  }

  asio::io_context& loop;
  void* socket;
  asio::posix::stream_descriptor descriptor;
  std::function<void()> receive_one;
  bool waiting = false;
  bool posted = false;
  bool closed = false;
};

SocketWatch::SocketWatch(asio::io_context& loop, void* socket, std::function<void()> receive_one) {
  int fd = -1;
  std::size_t size = sizeof fd;
  LP_ASSERT(zmq_getsockopt(socket, ZMQ_FD, &fd, &size) == 0);
  state_ = std::make_shared<State>(loop, socket, fd, std::move(receive_one));
  state_->post_turn();
}

SocketWatch::~SocketWatch() { state_->close(); }

void SocketWatch::poke() {
  if (is_readable(state_->socket)) state_->post_turn();
}

}  // namespace linkpilot
