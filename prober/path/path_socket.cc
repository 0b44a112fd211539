#include "prober/path/path_socket.h"

#include <fmt/format.h>
#include <linux/errqueue.h>
#include <linux/icmp.h>
#include <linux/net_tstamp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace linkpilot::prober {
namespace {

// Longer than any ICMP error (576 octets, in IPv6 1280, are what routers keep to); cut ones fail
// their checksum.
constexpr std::size_t kReceivedOctetsMax = 9216;
constexpr std::size_t kPathControlSize = 512;
constexpr int kReceiveTries = 8;
constexpr int kReceiveQueue = 1 << 20;

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

SocketAddress to_socket_address(const IpAddress& address, std::uint16_t port) {
  SocketAddress out;
  if (address.is_v4()) {
    sockaddr_in four{};
    four.sin_family = AF_INET;
    four.sin_port = htons(port);
    std::memcpy(&four.sin_addr, address.octets.data() + 12, 4);
    std::memcpy(&out.storage, &four, sizeof four);
    out.size = sizeof four;
    return out;
  }
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  six.sin6_port = htons(port);
  std::memcpy(&six.sin6_addr, address.octets.data(), 16);
  std::memcpy(&out.storage, &six, sizeof six);
  out.size = sizeof six;
  return out;
}

IpAddress to_ip_address(const sockaddr_storage& storage) {
  if (storage.ss_family == AF_INET) {
    sockaddr_in four{};
    std::memcpy(&four, &storage, sizeof four);
    std::array<std::uint8_t, 4> octets{};
    std::memcpy(octets.data(), &four.sin_addr, 4);
    return IpAddress::v4(octets[0], octets[1], octets[2], octets[3]);
  }
  sockaddr_in6 six{};
  std::memcpy(&six, &storage, sizeof six);
  IpAddress address;
  std::memcpy(address.octets.data(), &six.sin6_addr, 16);
  return address;
}

bool set_flag(int fd, int level, int name, int value) {
  return ::setsockopt(fd, level, name, &value, sizeof value) == 0;
}

tl::unexpected<Error> raw_socket_error(std::string_view what) {
  const int error = errno;
  if (error == EPERM || error == EACCES) {
    return fail(ErrorCode::permission,
                "tracing needs raw sockets, a right called CAP_NET_RAW: run it with sudo, or grant "
                "it to the program once, with 'sudo setcap cap_net_raw+ep \"$(command -v "
                "linkpilot)\"'");
  }
  return fail(ErrorCode::unavailable, fmt::format("{}: {}", what, std::strerror(error)));
}

int wire_protocol(PathProtocol protocol, bool v4) {
  if (protocol == PathProtocol::udp) return IPPROTO_UDP;
  if (protocol == PathProtocol::tcp) return IPPROTO_TCP;
  return v4 ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6};
}

// The types a trace reads; the kernel keeps others back.
bool filter_icmp(int fd, bool v4) {
  if (v4) {
    icmp_filter filter{};
    filter.data = ~(1U << ICMP_ECHOREPLY | 1U << ICMP_DEST_UNREACH | 1U << ICMP_TIME_EXCEEDED);
    return ::setsockopt(fd, SOL_RAW, ICMP_FILTER, &filter, sizeof filter) == 0;
  }
  icmp6_filter filter{};
  ICMP6_FILTER_SETBLOCKALL(&filter);
  for (const int type :
       {ICMP6_DST_UNREACH, ICMP6_PACKET_TOO_BIG, ICMP6_TIME_EXCEEDED, ICMP6_ECHO_REPLY}) {
    ICMP6_FILTER_SETPASS(type, &filter);
  }
  return ::setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter) == 0;
}

UnixNanos to_unix_nanos(const timespec& time) {
  return {std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec};
}

struct PathControl {
  UnixNanos stamp{};
  std::uint8_t ttl = 0;
  std::optional<std::uint32_t> stamped_id;
  std::optional<std::uint32_t> drops;
};

template <class T>
T control_data(const cmsghdr* header) {
  T value{};
  std::memcpy(&value, CMSG_DATA(header), sizeof value);
  return value;
}

PathControl read_path_control(msghdr& message) {
  PathControl control;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;) {
    const int level = header->cmsg_level;
    const int type = header->cmsg_type;
    if (level == SOL_SOCKET && type == SCM_TIMESTAMPING) {
      control.stamp = to_unix_nanos(control_data<scm_timestamping>(header).ts[0]);
    } else if (level == SOL_SOCKET && type == SO_RXQ_OVFL) {
      control.drops = control_data<std::uint32_t>(header);
    } else if (level == IPPROTO_IPV6 && type == IPV6_HOPLIMIT) {
      control.ttl = static_cast<std::uint8_t>(control_data<int>(header));
    } else if ((level == IPPROTO_IP && type == IP_RECVERR) ||
               (level == IPPROTO_IPV6 && type == IPV6_RECVERR)) {
      const auto error = control_data<sock_extended_err>(header);
      if (error.ee_origin == SO_EE_ORIGIN_TIMESTAMPING) control.stamped_id = error.ee_data;
    }
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-compare"
    header = CMSG_NXTHDR(&message, header);
#pragma GCC diagnostic pop
  }
  return control;
}

}  // namespace

Result<IpAddress> source_address_to(const IpAddress& destination) {
  const int family = destination.is_v4() ? AF_INET : AF_INET6;
  const UniqueFd fd(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const SocketAddress target = to_socket_address(destination, 9);  // nothing is sent
  SocketAddress own;
  own.size = sizeof own.storage;
  if (!fd || ::connect(fd.get(), target.get(), target.size) != 0 ||
      ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&own.storage), &own.size) != 0) {
    return fail(ErrorCode::unavailable,
                fmt::format("no way to {}: {}", destination.to_string(), std::strerror(errno)));
  }
  return to_ip_address(own.storage);
}

Result<std::unique_ptr<PathSocket>> PathSocket::open(PathProtocol protocol,
                                                     const IpAddress& destination) {
  std::unique_ptr<PathSocket> socket(new PathSocket(destination));
  const int family = destination.is_v4() ? AF_INET : AF_INET6;
  socket->sender_ =
      UniqueFd(::socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW));
  if (!socket->sender_) return raw_socket_error("raw socket");
  constexpr int kStamps = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE |
                          SOF_TIMESTAMPING_OPT_ID | SOF_TIMESTAMPING_OPT_TSONLY;
  if (!set_flag(socket->sender_.get(), SOL_SOCKET, SO_TIMESTAMPING, kStamps)) {
    return raw_socket_error("SO_TIMESTAMPING");
  }
  // Whole packets or not, what the kernel remembers of the path's MTU would hold back larger ones.
  const bool probing =
      destination.is_v4()
          ? set_flag(socket->sender_.get(), IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE)
          : set_flag(socket->sender_.get(), IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
  if (!probing) return raw_socket_error("IP_MTU_DISCOVER");
  if (const Status opened = socket->open_receiver(PathProtocol::icmp); !opened) {
    return fail(opened.error());
  }
  if (protocol != PathProtocol::icmp) {
    if (const Status opened = socket->open_receiver(protocol); !opened) {
      return fail(opened.error());
    }
  }
  socket->buffer_.resize(kReceivedOctetsMax);
  socket->sequences_.resize(kStampsKept);
  return socket;
}

Status PathSocket::open_receiver(PathProtocol protocol) {
  const bool v4 = destination_.is_v4();
  UniqueFd fd(::socket(v4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
                       wire_protocol(protocol, v4)));
  if (!fd) return raw_socket_error("raw socket");
  constexpr int kStamps = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
  bool ready = set_flag(fd.get(), SOL_SOCKET, SO_TIMESTAMPING, kStamps) &&
               set_flag(fd.get(), SOL_SOCKET, SO_RXQ_OVFL, 1);
  if (!v4) ready = ready && set_flag(fd.get(), IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
  if (protocol == PathProtocol::icmp) {
    ready = ready && filter_icmp(fd.get(), v4);
  } else {
    const SocketAddress peer = to_socket_address(destination_, 0);
    ready = ready && ::connect(fd.get(), peer.get(), peer.size) == 0;
  }
  if (!ready) return raw_socket_error("raw socket, its options");
  (void)set_flag(fd.get(), SOL_SOCKET, SO_RCVBUF, kReceiveQueue);  // as much as the system allows
  receivers_.push_back({.fd = std::move(fd), .protocol = protocol});
  return {};
}

PathSocket::Sent PathSocket::send(std::span<const std::uint8_t> packet, std::uint32_t sequence) {
  const SocketAddress target = to_socket_address(destination_, 0);
  const auto sent = ::sendto(sender_.get(), packet.data(), packet.size(), MSG_DONTWAIT,
                             target.get(), target.size);
  if (sent == static_cast<ssize_t>(packet.size())) {
    sequences_[next_id_ % kStampsKept] = sequence;
    ++next_id_;
    return Sent::yes;
  }
  send_error_ = errno;
  if (send_error_ == EMSGSIZE) return Sent::too_long;  // found before anything was counted
  stamps_believed_ = false;
  return Sent::no;
}

std::optional<PathSocket::SentStamp> PathSocket::sent_stamp() {
  alignas(cmsghdr) std::array<char, kPathControlSize> space{};
  for (;;) {
    msghdr message{};
    message.msg_control = space.data();
    message.msg_controllen = space.size();
    if (::recvmsg(sender_.get(), &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return std::nullopt;
    const PathControl control = read_path_control(message);
    // An id that was not given out yet, or so long ago that its place was used again, is none.
    if (!stamps_believed_ || !control.stamped_id) continue;
    if (next_id_ - *control.stamped_id - 1 >= kStampsKept) continue;
    return SentStamp{.sequence = sequences_[*control.stamped_id % kStampsKept],
                     .time = control.stamp};
  }
}

std::optional<ReceivedPacket> PathSocket::receive_from(std::size_t index) {
  const Receiver& receiver = receivers_[index];
  alignas(cmsghdr) std::array<char, kPathControlSize> space{};
  for (int tries = 0; tries < kReceiveTries; ++tries) {
    sockaddr_storage from{};
    iovec vector{.iov_base = buffer_.data(), .iov_len = buffer_.size()};
    msghdr message{};
    message.msg_name = &from;
    message.msg_namelen = sizeof from;
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = space.data();
    message.msg_controllen = space.size();
    const auto octets = ::recvmsg(receiver.fd.get(), &message, MSG_DONTWAIT);
    if (octets < 0) {
      // A connected raw socket is told of errors about its peer; they come as ICMP as well.
      if (errno == EAGAIN) return std::nullopt;
      continue;
    }
    const PathControl control = read_path_control(message);
    if (control.drops) drops_[index] = *control.drops;
    return ReceivedPacket{
        .bytes = std::span<const std::uint8_t>(buffer_).first(static_cast<std::size_t>(octets)),
        .protocol = receiver.protocol,
        .is_v4 = destination_.is_v4(),
        .source = to_ip_address(from),
        .ttl = control.ttl,
        .received = control.stamp};
  }
  return std::nullopt;
}

std::optional<ReceivedPacket> PathSocket::receive() {
  for (std::size_t i = 0; i < receivers_.size(); ++i) {
    if (auto packet = receive_from(i)) return packet;
  }
  return std::nullopt;
}

void PathSocket::wait(Duration at_most, int other) const {
  std::array<pollfd, 3> fds{};
  nfds_t count = 0;
  // Transmit stamps do not wake: they are read with the next turn.
  for (const Receiver& receiver : receivers_) {
    fds[count++] = {.fd = receiver.fd.get(), .events = POLLIN, .revents = 0};
  }
  if (other >= 0) fds[count++] = {.fd = other, .events = POLLIN, .revents = 0};
  const auto ns = std::max<std::int64_t>(at_most.count(), 0);
  const timespec timeout{.tv_sec = ns / 1'000'000'000, .tv_nsec = ns % 1'000'000'000};
  (void)::ppoll(fds.data(), count, &timeout, nullptr);
}

}  // namespace linkpilot::prober
