#include "prober/media/dial/connection_socket.h"

#include <fmt/format.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "prober/media/rtmp/printable.h"

namespace linkpilot::prober {
namespace {

constexpr int kReadsPerTurn = 4;

socklen_t to_sockaddr(const Endpoint& endpoint, sockaddr_storage& out) {
  if (endpoint.address.is_v4()) {
    sockaddr_in four{};
    four.sin_family = AF_INET;
    four.sin_port = htons(endpoint.port);
    std::memcpy(&four.sin_addr, endpoint.address.octets.data() + 12, 4);
    std::memcpy(&out, &four, sizeof four);
    return sizeof four;
  }
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  six.sin6_port = htons(endpoint.port);
  std::memcpy(&six.sin6_addr, endpoint.address.octets.data(), 16);
  std::memcpy(&out, &six, sizeof six);
  return sizeof six;
}

std::optional<Endpoint> local_end(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return std::nullopt;
  Endpoint endpoint;
  if (storage.ss_family == AF_INET) {
    sockaddr_in four{};
    std::memcpy(&four, &storage, sizeof four);
    std::array<std::uint8_t, 4> o{};
    std::memcpy(o.data(), &four.sin_addr, 4);
    endpoint = {.address = IpAddress::v4(o[0], o[1], o[2], o[3]), .port = ntohs(four.sin_port)};
  } else {
    sockaddr_in6 six{};
    std::memcpy(&six, &storage, sizeof six);
    std::memcpy(endpoint.address.octets.data(), &six.sin6_addr, 16);
    endpoint.port = ntohs(six.sin6_port);
  }
  return endpoint;
}

void set_option(int fd, int level, int name, int value) {
  ::setsockopt(fd, level, name, &value, sizeof value);
}

DialFault fault_of(int error) {
  switch (error) {
    case ECONNREFUSED:
      return DialFault::refused;
    case ECONNRESET:
    case EPIPE:
      return DialFault::reset;
    case ETIMEDOUT:
      return DialFault::timeout;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case EADDRNOTAVAIL:
    case ENETDOWN:
    case EACCES:
    case EPERM:
      return DialFault::unreachable;
    default:
      return DialFault::internal;
  }
}

std::string advice(DialFault fault) {
  switch (fault) {
    case DialFault::refused:
      return "nothing listens on that port, or a firewall answers for it";
    case DialFault::timeout:
      return "the packets are dropped on the way, or the host is down";
    case DialFault::unreachable:
      return "there is no route, or our own host forbids it";
    case DialFault::reset:
      return "something on the way reset it";
    default:
      return "our own machine could not make the connection";
  }
}

Duration micros(std::uint64_t us) { return std::chrono::microseconds(us); }

}  // namespace

std::optional<TcpFigures> read_tcp_figures(int fd) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return std::nullopt;
  TcpFigures figures;
  figures.rtt = micros(info.tcpi_rtt);
  figures.rtt_variance = micros(info.tcpi_rttvar);
  figures.rtt_min = micros(info.tcpi_min_rtt);
  figures.mss = info.tcpi_rcv_mss;
  figures.octets_received = info.tcpi_bytes_received;
  figures.octets_acknowledged = info.tcpi_bytes_acked;
  figures.segments_in = info.tcpi_segs_in;
  figures.segments_out = info.tcpi_segs_out;
  figures.retransmits = info.tcpi_total_retrans;
  figures.out_of_order_in = info.tcpi_rcv_ooopack;
  figures.receive_space = info.tcpi_rcv_space;
  figures.congestion_window = info.tcpi_snd_cwnd;
  figures.not_sent = info.tcpi_notsent_bytes;
  figures.receiver_limited = micros(info.tcpi_rwnd_limited);
  figures.send_buffer_limited = micros(info.tcpi_sndbuf_limited);
  figures.delivery_rate = BitsPerSecond{info.tcpi_delivery_rate * 8};
  return figures;
}

void Connection::SslDeleter::operator()(ssl_st* ssl) const { SSL_free(ssl); }

Connection::Connection(DialLoop& loop, ConnectionOptions options, DialHop& hop,
                       ConnectionUser& user)
    : loop_(loop), options_(std::move(options)), hop_(hop), user_(user), deadline_(loop, [this] {
        on_deadline();
      }) {}

Connection::~Connection() { close(); }

void Connection::open() {
  stage_deadline_ = loop_.now().mono + options_.tcp_limit;
  try_next();
}

DialStage Connection::stage() const {
  return state_ == State::tls ? DialStage::tls : DialStage::tcp;
}

std::string Connection::target_text() const {
  return tried_ < options_.targets.size() ? options_.targets[tried_].to_string() : "?";
}

void Connection::try_next() {
  while (next_target_ < options_.targets.size()) {
    tried_ = next_target_++;
    attempt_began_ = loop_.now().mono;
    if (connect_to(options_.targets[tried_])) {
      // While others are left, one that is silent may take half of what remains.
      const Duration rest = stage_deadline_ - attempt_began_;
      const bool last = next_target_ == options_.targets.size();
      deadline_.set(attempt_began_ + (last ? rest : rest / 2));
      return;
    }
    give_up_attempt(errno);
  }
  const ConnectAttempt& last = hop_.attempts.back();
  const int error = raw_error_;
  const DialFault kind = fault_of(error);
  std::string sentence = fmt::format("cannot connect to {}: {}; {}", last.server.to_string(),
                                     last.error, advice(kind));
  if (hop_.attempts.size() > 1) {
    sentence += fmt::format(" ({} addresses were tried)", hop_.attempts.size());
  }
  fail(DialStage::tcp, kind, last.error, std::move(sentence));
}

bool Connection::connect_to(const Endpoint& target) {
  watch_.reset();
  fd_ = UniqueFd(::socket(target.address.is_v4() ? AF_INET : AF_INET6,
                          SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  if (!fd_) return false;
  if (options_.socket_mode == SocketMode::prompt) {
    set_option(fd_.get(), IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd_.get(), IPPROTO_TCP, TCP_QUICKACK, 1);
  }
  if (options_.receive_octets) {
    set_option(fd_.get(), SOL_SOCKET, SO_RCVBUF, static_cast<int>(*options_.receive_octets));
  }
  if (options_.unsent_octets_max) {
    set_option(fd_.get(), IPPROTO_TCP, TCP_NOTSENT_LOWAT,
               static_cast<int>(*options_.unsent_octets_max));
  }
  sockaddr_storage address{};
  const socklen_t size = to_sockaddr(target, address);
  state_ = State::connecting;
  const int made = ::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), size);
  if (made != 0 && errno != EINPROGRESS) return false;
  watch_ = FdWatch(loop_, fd_.get(), {.read = false, .write = true},
                   [this](Readiness ready) { on_ready(ready); });
  return true;
}

void Connection::give_up_attempt(int error) {
  raw_error_ = error;
  hop_.attempts.push_back({.server = options_.targets[tried_],
                           .took = loop_.now().mono - attempt_began_,
                           .error = std::strerror(error)});
  watch_.reset();
  fd_.reset();
}

void Connection::on_deadline() {
  if (state_ == State::connecting) {
    give_up_attempt(ETIMEDOUT);
    return try_next();
  }
  if (state_ == State::tls) {
    fail(DialStage::tls, DialFault::timeout, {},
         fmt::format("{} took the connection but did not finish the TLS handshake in time",
                     target_text()));
  }
}

void Connection::on_ready(Readiness ready) {
  switch (state_) {
    case State::connecting:
      return finish_connect();
    case State::tls:
      return step_tls();
    case State::open:
      if (ready.write) {
        watch_.want({.read = true, .write = false});
        user_.on_room(loop_.now());
      }
      if (ready.read && state_ == State::open) read_some();
      return;
    case State::idle:
    case State::closed:
      return;
  }
}

void Connection::finish_connect() {
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) {
    give_up_attempt(error);
    return try_next();
  }
  const Now now = loop_.now();
  hop_.server = options_.targets[tried_];
  hop_.local = local_end(fd_.get());
  mark(DialPhase::tcp, now);
  prompt_acknowledgement();
  deadline_.cancel();
  if (!options_.tls) return settle();
  begin_tls();
}

void Connection::settle() {
  state_ = State::open;
  deadline_.cancel();
  watch_.want({.read = true, .write = false});
  user_.on_connected(loop_.now());
}

void Connection::mark(DialPhase phase, Now now) {
  hop_.phases.push_back({.phase = phase, .at = now.mono});
}

void Connection::prompt_acknowledgement() {
  if (options_.socket_mode == SocketMode::prompt) {
    set_option(fd_.get(), IPPROTO_TCP, TCP_QUICKACK, 1);
  }
}

// OpenSSL's own socket BIO writes with write(), which raises SIGPIPE.
int Connection::bio_write(bio_st* bio, const char* data, int octets) {
  auto* self = static_cast<Connection*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const ssize_t sent =
      ::send(self->fd_.get(), data, static_cast<std::size_t>(octets), MSG_NOSIGNAL);
  if (sent >= 0) return static_cast<int>(sent);
  if (errno == EAGAIN || errno == EINTR) {
    BIO_set_retry_write(bio);
  } else {
    self->raw_error_ = errno;
  }
  return -1;
}

int Connection::bio_read(bio_st* bio, char* data, int octets) {
  auto* self = static_cast<Connection*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const ssize_t got = ::recv(self->fd_.get(), data, static_cast<std::size_t>(octets), 0);
  if (got > 0) {
    self->prompt_acknowledgement();
    return static_cast<int>(got);
  }
  if (got == 0) {
    self->raw_finished_ = true;
    return 0;
  }
  if (errno == EAGAIN || errno == EINTR) {
    BIO_set_retry_read(bio);
  } else {
    self->raw_error_ = errno;
  }
  return -1;
}

void Connection::begin_tls() {
  state_ = State::tls;
  raw_error_ = 0;
  deadline_.set(loop_.now().mono + options_.tls_limit);
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "linkpilot dial");
    BIO_meth_set_write(made, &Connection::bio_write);
    BIO_meth_set_read(made, &Connection::bio_read);
    BIO_meth_set_ctrl(made, [](BIO*, int command, long, void*) -> long {
      return command == BIO_CTRL_FLUSH ? 1 : 0;
    });
    return made;
  }();
  ssl_.reset(SSL_new(options_.trusted.get()));
  BIO* bio = BIO_new(method);
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_connect_state(ssl_.get());
  // SNI carries names, never addresses (RFC 6066 s3).
  if (!IpAddress::parse(options_.host)) {
    // SSL_set_tlsext_host_name is a macro with casts of the old style.
    SSL_ctrl(ssl_.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
             options_.host.data());
  }
  step_tls();
}

void Connection::step_tls() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) return finish_tls();
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return watch_.want({.read = true, .write = false});
    case SSL_ERROR_WANT_WRITE:
      return watch_.want({.read = true, .write = true});
    default:
      return fail_tls();
  }
}

void Connection::fail_tls() {
  const unsigned long error = ERR_peek_error();
  const char* words = ERR_reason_error_string(error);
  const std::string code = words == nullptr ? "" : words;
  const int reason = ERR_GET_REASON(error);
  if (raw_error_ != 0) {
    return fail(DialStage::tls, DialFault::reset, std::strerror(raw_error_),
                fmt::format("{} broke the connection during the TLS handshake", target_text()));
  }
  if (raw_finished_) {
    return fail(DialStage::tls, DialFault::closed, code,
                fmt::format("{} closed the connection during the TLS handshake; it may expect no "
                            "TLS on this port",
                            target_text()));
  }
  if (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST) {
    return fail(DialStage::tls, DialFault::not_tls, code,
                fmt::format("{} does not speak TLS on this port", target_text()));
  }
  fail(DialStage::tls, DialFault::tls_failed, code,
       fmt::format("the TLS handshake with {} failed: {}", target_text(), code));
}

void Connection::finish_tls() {
  mark(DialPhase::tls, loop_.now());
  hop_.tls = read_tls(ssl_.get(), options_.host);
  if (hop_.tls->certificate_fault && options_.tls_mode == TlsMode::enforce) {
    return fail(DialStage::tls, *hop_.tls->certificate_fault, hop_.tls->certificate_code,
                certificate_sentence(*hop_.tls, options_.host));
  }
  settle();
}

std::size_t Connection::write(std::span<const std::uint8_t> octets) {
  if (state_ != State::open || octets.empty()) return 0;
  std::ptrdiff_t sent = 0;
  if (ssl_) {
    ERR_clear_error();
    sent = SSL_write(ssl_.get(), octets.data(),
                     static_cast<int>(std::min<std::size_t>(octets.size(), 1 << 20)));
  } else {
    sent = ::send(fd_.get(), octets.data(), octets.size(), MSG_NOSIGNAL);
  }
  const std::size_t taken = sent > 0 ? static_cast<std::size_t>(sent) : 0;
  octets_out_ += taken;
  // A broken connection shows itself to the reader as well.
  if (taken < octets.size()) watch_.want({.read = true, .write = true});
  return taken;
}

// Octets read; 0: the end; -1: nothing now; -2: broken.
std::ptrdiff_t Connection::read_once(std::span<std::uint8_t> buffer) {
  if (!ssl_) {
    const ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    if (got > 0) prompt_acknowledgement();
    if (got >= 0) return got;
    return errno == EAGAIN || errno == EINTR ? -1 : -2;
  }
  ERR_clear_error();
  const int got = SSL_read(ssl_.get(), buffer.data(), static_cast<int>(buffer.size()));
  if (got > 0) return got;
  switch (SSL_get_error(ssl_.get(), got)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return -1;
    case SSL_ERROR_ZERO_RETURN:
      return 0;
    default:
      // Many servers end without close_notify; that is an end, not a fault.
      return raw_finished_ && raw_error_ == 0 ? 0 : -2;
  }
}

void Connection::read_some() {
  // A TLS record is at most 16 kB, so a whole buffer takes more reads.
  const int reads = ssl_ ? 4 * kReadsPerTurn : kReadsPerTurn;
  for (int i = 0; i < reads && state_ == State::open; ++i) {
    const std::span<std::uint8_t> buffer = loop_.buffer();
    const std::ptrdiff_t got = read_once(buffer);
    const Now now = loop_.now();
    if (got > 0) {
      const auto octets = static_cast<std::size_t>(got);
      octets_in_ += octets;
      if (!first_octet_seen_) {
        first_octet_seen_ = true;
        mark(DialPhase::first_octet, now);
      }
      user_.on_octets(buffer.first(octets), now);
      if (!ssl_ && octets < buffer.size()) return;  // surely empty now
      continue;
    }
    if (got == -1) return;
    last_figures_ = read_tcp_figures(fd_.get());
    close();
    return user_.on_gone(got == 0 ? rtmp::PeerClose::finished : rtmp::PeerClose::reset, now);
  }
}

void Connection::close() {
  if (fd_) last_figures_ = read_tcp_figures(fd_.get());
  if (ssl_ && state_ == State::open) SSL_shutdown(ssl_.get());
  state_ = State::closed;
  deadline_.cancel();
  watch_.reset();
  ssl_.reset();
  fd_.reset();
}

UniqueFd Connection::release() {
  watch_.reset();
  deadline_.cancel();
  state_ = State::closed;
  return std::move(fd_);
}

void Connection::fail(DialStage stage, DialFault kind, std::string code, std::string sentence) {
  close();
  user_.on_connect_failed({.stage = stage,
                           .kind = kind,
                           .code = rtmp::printable(code),
                           .sentence = std::move(sentence)},
                          loop_.now());
}

std::optional<TcpFigures> Connection::figures() const {
  return fd_ ? read_tcp_figures(fd_.get()) : last_figures_;
}

}  // namespace linkpilot::prober
