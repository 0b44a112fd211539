#include "prober/stamp/stamp_socket.h"

#include <fmt/format.h>
#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "base/assert.h"

namespace linkpilot::prober {
namespace {

constexpr std::size_t kControlSize = 256;
constexpr int kSendBufferSize = 1 << 20;
constexpr std::size_t kTokensMin = 128;
constexpr std::size_t kTokensMax = std::size_t{1} << 17;
constexpr std::int64_t kSecondNs = 1'000'000'000;
constexpr Duration kTightReading = std::chrono::microseconds(2);
constexpr int kReadingsMax = 5;

UnixNanos to_unix(const timespec& time) {
  return {std::int64_t{time.tv_sec} * kSecondNs + time.tv_nsec};
}

socklen_t fill_address(const Endpoint& endpoint, bool is_v4, sockaddr_storage& out) {
  if (is_v4) {
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

IpAddress from_v4(const in_addr& four) {
  std::array<std::uint8_t, 4> octets{};
  std::memcpy(octets.data(), &four, 4);
  return IpAddress::v4(octets[0], octets[1], octets[2], octets[3]);
}

IpAddress from_v6(const in6_addr& six) {
  IpAddress address;
  std::memcpy(address.octets.data(), &six, 16);
  return address;
}

Endpoint read_address(const sockaddr_storage& in) {
  if (in.ss_family == AF_INET) {
    sockaddr_in four{};
    std::memcpy(&four, &in, sizeof four);
    return {from_v4(four.sin_addr), ntohs(four.sin_port)};
  }
  sockaddr_in6 six{};
  std::memcpy(&six, &in, sizeof six);
  return {from_v6(six.sin6_addr), ntohs(six.sin6_port)};
}

template <typename T>
T control_value(const cmsghdr* header) {
  T value{};
  std::memcpy(&value, CMSG_DATA(header), sizeof value);
  return value;
}

cmsghdr* next_control(msghdr& message, cmsghdr* header) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-compare"
  return CMSG_NXTHDR(&message, header);
#pragma GCC diagnostic pop
}

bool set_option(int fd, int level, int name, int value) {
  return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

// Root gets what it asks for, others what the system allows.
void set_buffer(int fd, int forced, int plain, int size) {
  if (!set_option(fd, SOL_SOCKET, forced, size)) set_option(fd, SOL_SOCKET, plain, size);
}

// The control messages that nobody reads are not asked for: the kernel copies each with every
// packet.
bool set_family_options(int fd, const StampSocket::Options& options) {
  const int ttl = options.with_ttl ? 1 : 0;
  const int info = options.listen.is_unspecified() ? 1 : 0;
  const int tos = options.dscp << 2;
  if (options.listen.is_v4()) {
    return set_option(fd, IPPROTO_IP, IP_RECVTTL, ttl) &&
           set_option(fd, IPPROTO_IP, IP_PKTINFO, info) &&
           set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE) &&
           set_option(fd, IPPROTO_IP, IP_TOS, tos);
  }
  return set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) &&
         set_option(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, ttl) &&
         set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, info) &&
         set_option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE) &&
         set_option(fd, IPPROTO_IPV6, IPV6_TCLASS, tos);
}

tl::unexpected<Error> socket_error(const StampSocket::Options& options, std::string_view what) {
  const int error = errno;
  const ErrorCode code =
      error == EACCES || error == EPERM ? ErrorCode::permission : ErrorCode::unavailable;
  return fail(code, fmt::format("STAMP socket {}: {}: {}",
                                Endpoint{options.listen, options.port}.to_string(), what,
                                std::strerror(error)));
}

template <typename T>
void add_control(msghdr& message, char* buffer, int level, int type, const T& value) {
  cmsghdr header{};
  header.cmsg_level = level;
  header.cmsg_type = type;
  header.cmsg_len = CMSG_LEN(sizeof value);
  message.msg_control = buffer;
  std::memcpy(buffer + message.msg_controllen, &header, sizeof header);
  std::memcpy(buffer + message.msg_controllen + CMSG_LEN(0), &value, sizeof value);
  message.msg_controllen += CMSG_SPACE(sizeof value);
}

// The source address of an answer from a socket that is bound to none.
void add_source_address(msghdr& message, char* buffer, const IpAddress& local, bool is_v4) {
  if (is_v4) {
    in_pktinfo info{};
    std::memcpy(&info.ipi_spec_dst, local.octets.data() + 12, 4);
    add_control(message, buffer, IPPROTO_IP, IP_PKTINFO, info);
    return;
  }
  in6_pktinfo info{};
  std::memcpy(&info.ipi6_addr, local.octets.data(), 16);
  add_control(message, buffer, IPPROTO_IPV6, IPV6_PKTINFO, info);
}

struct ControlData {
  UnixNanos stamp;
  std::uint8_t ttl = 0;
  IpAddress local;
  std::uint32_t id = 0;
  bool is_transmit_stamp = false;
  std::uint32_t drops = 0;
  bool has_drops = false;
};

void read_control(const cmsghdr* header, ControlData& data) {
  const int level = header->cmsg_level;
  const int type = header->cmsg_type;
  if (level == SOL_SOCKET && type == SCM_TIMESTAMPING) {
    data.stamp = to_unix(control_value<scm_timestamping>(header).ts[0]);
  } else if (level == SOL_SOCKET && type == SO_RXQ_OVFL) {
    data.drops = control_value<std::uint32_t>(header);
    data.has_drops = true;
  } else if ((level == IPPROTO_IP && type == IP_TTL) ||
             (level == IPPROTO_IPV6 && type == IPV6_HOPLIMIT)) {
    data.ttl = static_cast<std::uint8_t>(control_value<int>(header));
  } else if (level == IPPROTO_IP && type == IP_PKTINFO) {
    data.local = from_v4(control_value<in_pktinfo>(header).ipi_addr);
  } else if (level == IPPROTO_IPV6 && type == IPV6_PKTINFO) {
    data.local = from_v6(control_value<in6_pktinfo>(header).ipi6_addr);
  } else if ((level == IPPROTO_IP && type == IP_RECVERR) ||
             (level == IPPROTO_IPV6 && type == IPV6_RECVERR)) {
    const auto error = control_value<sock_extended_err>(header);
    data.is_transmit_stamp = error.ee_origin == SO_EE_ORIGIN_TIMESTAMPING;
    data.id = error.ee_data;
  }
}

ControlData read_controls(msghdr& message) {
  ControlData data;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = next_control(message, header)) {
    read_control(header, data);
  }
  return data;
}

}  // namespace

// Headers of one direction. What the kernel writes into a header is put back before the next call,
// and only where it did: a call that finds nothing touches a few cache lines.
struct DatagramBatch::Headers {
  std::array<mmsghdr, kDatagramBatch> messages{};
  std::array<iovec, kDatagramBatch> vectors{};
  std::array<sockaddr_storage, kDatagramBatch> addresses{};
  std::array<std::array<char, kControlSize>, kDatagramBatch> controls{};
  std::size_t used = 0;

  void receive_into(std::size_t i, std::uint8_t* payload) {
    vectors[i] = {.iov_base = payload, .iov_len = kDatagramSizeMax};
    msghdr& message = messages[i].msg_hdr;
    message.msg_name = &addresses[i];
    message.msg_iov = &vectors[i];
    message.msg_iovlen = 1;
  }
  // The number of messages received.
  std::size_t receive(int fd, int flags) {
    for (std::size_t i = 0; i < used; ++i) prepare(i);
    const int count = recvmmsg(fd, messages.data(), kDatagramBatch, MSG_DONTWAIT | flags, nullptr);
    used = count > 0 ? static_cast<std::size_t>(count) : 0;
    return used;
  }
  void prepare(std::size_t i) {
    msghdr& message = messages[i].msg_hdr;
    message.msg_namelen = message.msg_name != nullptr ? sizeof addresses[i] : 0;
    message.msg_control = controls[i].data();
    message.msg_controllen = kControlSize;
    message.msg_flags = 0;
  }
};

struct DatagramBatch::Buffers {
  Headers incoming;
  Headers outgoing;
  Headers errors;  // without name and payload: a transmit stamp is all control data
  std::array<std::array<std::uint8_t, kDatagramSizeMax>, kDatagramBatch> payloads{};
  std::array<ReceivedDatagram, kDatagramBatch> received{};
  std::array<TransmitStamp, kDatagramBatch> stamps{};

  Buffers() {
    for (std::size_t i = 0; i < kDatagramBatch; ++i) {
      incoming.receive_into(i, payloads[i].data());
      incoming.prepare(i);
      errors.prepare(i);
    }
  }
};

DatagramBatch::DatagramBatch() : buffers_(std::make_unique<Buffers>()) {}
DatagramBatch::~DatagramBatch() = default;

StampSocket::~StampSocket() { close(fd_); }

Result<std::unique_ptr<StampSocket>> StampSocket::open(const Options& options) {
  const bool is_v4 = options.listen.is_v4();
  const int fd = ::socket(is_v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return socket_error(options, "socket");
  std::unique_ptr<StampSocket> socket(new StampSocket(fd));
  socket->is_v4_ = is_v4;
  socket->wildcard_ = options.listen.is_unspecified();
  socket->tokens_.resize(kTokensMin);
  set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, static_cast<int>(options.receive_buffer));
  set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, kSendBufferSize);
  if (!set_family_options(fd, options) || !set_option(fd, SOL_SOCKET, SO_RXQ_OVFL, 1)) {
    return socket_error(options, "set options");
  }
  if (!socket->set_timestamping(true)) return socket_error(options, "SO_TIMESTAMPING");
  sockaddr_storage address{};
  socklen_t size = fill_address({options.listen, options.port}, is_v4, address);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), size) != 0) {
    return socket_error(options, "bind");
  }
  size = sizeof address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return socket_error(options, "getsockname");
  }
  socket->local_port_ = read_address(address).port;
  return socket;
}

// Turning OPT_ID off and on again is what resets the kernel's counter.
bool StampSocket::set_timestamping(bool on) {
  constexpr int kStamps = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE |
                          SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID |
                          SOF_TIMESTAMPING_OPT_TSONLY;
  return set_option(fd_, SOL_SOCKET, SO_TIMESTAMPING, on ? kStamps : 0);
}

std::span<ReceivedDatagram> StampSocket::receive(DatagramBatch& batch) {
  DatagramBatch::Buffers& buffers = *batch.buffers_;
  const std::size_t received = buffers.incoming.receive(fd_, 0);
  for (std::size_t i = 0; i < received; ++i) {
    mmsghdr& message = buffers.incoming.messages[i];
    const ControlData control = read_controls(message.msg_hdr);
    if (control.has_drops) queue_drops_ = control.drops;
    buffers.received[i] = {.bytes = std::span(buffers.payloads[i]).first(message.msg_len),
                           .source = read_address(buffers.incoming.addresses[i]),
                           .local = control.local,
                           .received = control.stamp,
                           .ttl = control.ttl,
                           .truncated = (message.msg_hdr.msg_flags & MSG_TRUNC) != 0};
  }
  return std::span(buffers.received).first(received);
}

void StampSocket::prepare(const OutgoingDatagram& datagram, DatagramBatch::Headers& headers,
                          std::size_t i) const {
  // sendmmsg takes iov_base as writable but only reads it.
  headers.vectors[i] = {.iov_base = const_cast<std::uint8_t*>(datagram.bytes.data()),
                        .iov_len = datagram.bytes.size()};
  msghdr& message = headers.messages[i].msg_hdr;
  message = {};
  message.msg_name = &headers.addresses[i];
  message.msg_namelen = fill_address(datagram.destination, is_v4_, headers.addresses[i]);
  message.msg_iov = &headers.vectors[i];
  message.msg_iovlen = 1;
  char* control = headers.controls[i].data();
  if (wildcard_ && !datagram.local.is_unspecified()) {
    add_source_address(message, control, datagram.local, is_v4_);
  }
  if (!datagram.stamped) {
    add_control(message, control, SOL_SOCKET, SO_TIMESTAMPING, std::uint32_t{0});
  }
}

std::size_t StampSocket::send(std::span<OutgoingDatagram> datagrams, DatagramBatch& batch) {
  LP_ASSERT(datagrams.size() <= kDatagramBatch);
  DatagramBatch::Headers& headers = batch.buffers_->outgoing;
  for (std::size_t i = 0; i < datagrams.size(); ++i) prepare(datagrams[i], headers, i);
  std::size_t failed = 0;
  for (std::size_t done = 0; done < datagrams.size();) {
    const int sent = sendmmsg(fd_, headers.messages.data() + done,
                              static_cast<unsigned>(datagrams.size() - done), MSG_DONTWAIT);
    if (sent < 0 && errno == EINTR) continue;
    const std::size_t passed = sent < 0 ? 0 : static_cast<std::size_t>(sent);
    for (std::size_t i = done; i < done + passed; ++i) {
      if (datagrams[i].stamped) note_token(datagrams[i].token);
    }
    done += passed;
    if (sent > 0) continue;
    datagrams[done].failed = true;
    if (datagrams[done].stamped && !ids_in_doubt_) {
      ids_in_doubt_ = true;
      doubt_from_ = next_id_;
    }
    ++failed;
    ++done;
  }
  return failed;
}

void StampSocket::note_token(StampToken token) {
  if (next_id_ - drained_id_ >= tokens_.size() && tokens_.size() < kTokensMax) {
    std::vector<StampToken> larger(tokens_.size() * 2);
    for (std::uint32_t id = drained_id_; id != next_id_; ++id) {
      larger[id & (larger.size() - 1)] = tokens_[id & (tokens_.size() - 1)];
    }
    tokens_ = std::move(larger);
  }
  tokens_[next_id_ & (tokens_.size() - 1)] = token;
  ++next_id_;
}

std::span<const TransmitStamp> StampSocket::drain_stamps(DatagramBatch& batch) {
  if (drained_id_ == next_id_ && !ids_in_doubt_) return {};
  DatagramBatch::Buffers& buffers = *batch.buffers_;
  const std::size_t count = buffers.errors.receive(fd_, MSG_ERRQUEUE);
  if (count == 0) {
    if (ids_in_doubt_ && set_timestamping(false) && set_timestamping(true)) {
      ids_in_doubt_ = false;
      next_id_ = 0;
      drained_id_ = 0;
    }
    return {};
  }
  for (std::size_t i = 0; i < count; ++i) {
    const ControlData control = read_controls(buffers.errors.messages[i].msg_hdr);
    buffers.stamps[i] = {.token = {}, .time = {}};
    if (!control.is_transmit_stamp || control.id - drained_id_ >= next_id_ - drained_id_) continue;
    if (ids_in_doubt_ && static_cast<std::int32_t>(control.id - doubt_from_) >= 0) continue;
    if (next_id_ - control.id > tokens_.size()) continue;  // its token was overwritten
    buffers.stamps[i] = {.token = tokens_[control.id & (tokens_.size() - 1)],
                         .time = control.stamp};
    drained_id_ = control.id + 1;
  }
  return std::span<const TransmitStamp>(buffers.stamps).first(count);
}

ClockReading read_clocks() {
  ClockReading best;
  Duration best_gap = Duration::max();
  for (int reading = 0; reading < kReadingsMax && best_gap > kTightReading; ++reading) {
    timespec before{};
    timespec wall{};
    timespec after{};
    clock_gettime(CLOCK_MONOTONIC, &before);
    clock_gettime(CLOCK_REALTIME, &wall);
    clock_gettime(CLOCK_MONOTONIC, &after);
    const Duration gap = to_unix(after) - to_unix(before);
    if (gap >= best_gap) continue;
    best_gap = gap;
    best.now = {.mono = MonoTime{to_unix(before).ns} + gap / 2, .wall = to_unix(wall)};
  }
  best.tight = best_gap <= kTightReading;
  return best;
}

UnixNanos read_wall_clock() {
  timespec wall{};
  clock_gettime(CLOCK_REALTIME, &wall);
  return to_unix(wall);
}

KernelClockState read_kernel_clock() {
  timex state{};
  const int status = adjtimex(&state);
  return {.synchronized = status >= 0 && status != TIME_ERROR && (state.status & STA_UNSYNC) == 0,
          .max_error = std::chrono::microseconds(state.maxerror)};
}

}  // namespace linkpilot::prober
