#include "tools/media/media_socket.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "tools/media/datagram.h"

namespace linkpilot::media {
namespace {

constexpr std::size_t kControlBytes = CMSG_SPACE(sizeof(timespec));
// Enough for 2 s of all streams of a 14-node run at one node.
constexpr int kReceiveBufferBytes = 4 << 20;

UnixNanos stamp_of(const msghdr& header, UnixNanos fallback) {
  auto* message = const_cast<msghdr*>(&header);  // CMSG_NXTHDR takes it writable, and only reads
  for (cmsghdr* part = CMSG_FIRSTHDR(message); part != nullptr; part = CMSG_NXTHDR(message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_TIMESTAMPNS) continue;
    timespec stamp{};
    std::memcpy(&stamp, CMSG_DATA(part), sizeof stamp);
    return {std::int64_t{stamp.tv_sec} * 1'000'000'000 + stamp.tv_nsec};
  }
  return fallback;
}

socklen_t write_address(sockaddr_storage& out, bool ipv6, const IpAddress& address,
                        std::uint16_t port) {
  if (ipv6) {
    sockaddr_in6 to{};
    to.sin6_family = AF_INET6;
    to.sin6_port = htons(port);
    std::memcpy(&to.sin6_addr, address.octets.data(), address.octets.size());
    std::memcpy(&out, &to, sizeof to);
    return sizeof to;
  }
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  std::memcpy(&to.sin_addr, address.octets.data() + 12, 4);
  std::memcpy(&out, &to, sizeof to);
  return sizeof to;
}

}  // namespace

struct MediaSocket::State {
  int socket = -1;
  bool ipv6 = true;
  std::uint64_t send_errors = 0;

  std::vector<std::array<std::uint8_t, kDatagramBytesMax + 1>> receive_bytes{kBatch};
  std::array<std::array<char, kControlBytes>, kBatch> control{};
  std::array<iovec, kBatch> receive_parts{};
  std::array<mmsghdr, kBatch> receive_headers{};

  std::vector<std::array<std::uint8_t, kDatagramBytesMax>> send_bytes{kBatch};
  std::array<sockaddr_storage, kBatch> destinations{};
  std::array<iovec, kBatch> send_parts{};
  std::array<mmsghdr, kBatch> send_headers{};
  std::size_t queued = 0;

  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    if (socket >= 0) ::close(socket);
  }
};

MediaSocket::MediaSocket(std::unique_ptr<State> state) : state_(std::move(state)) {}
MediaSocket::MediaSocket(MediaSocket&&) noexcept = default;
MediaSocket::~MediaSocket() = default;

Result<MediaSocket> MediaSocket::bind(std::uint16_t port, const IpAddress& address) {
  auto state = std::make_unique<State>();
  state->socket = ::socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (state->socket < 0) {  // a kernel without IPv6
    state->ipv6 = false;
    state->socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  }
  const auto failed = [](const char* what) {
    return fail(ErrorCode::unavailable, fmt::format("{}: {}", what, std::strerror(errno)));
  };
  if (state->socket < 0) return failed("open UDP socket");
  const int on = 1;
  const int off = 0;
  if (::setsockopt(state->socket, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) != 0) {
    return failed("ask for kernel receive stamps");
  }
  if (::setsockopt(state->socket, SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBufferBytes,
                   sizeof kReceiveBufferBytes) != 0) {
    // Without CAP_NET_ADMIN the system's own limit holds; short bursts still fit.
    (void)::setsockopt(state->socket, SOL_SOCKET, SO_RCVBUF, &kReceiveBufferBytes,
                       sizeof kReceiveBufferBytes);
  }
  if (state->ipv6 &&
      ::setsockopt(state->socket, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) != 0) {
    return failed("serve IPv4 and IPv6 on one socket");
  }
  sockaddr_storage local{};
  const socklen_t length = write_address(local, state->ipv6, address, port);
  if (::bind(state->socket, reinterpret_cast<const sockaddr*>(&local), length) != 0) {
    return failed(fmt::format("bind UDP port {}", port).c_str());
  }
  return MediaSocket(std::move(state));
}

std::size_t MediaSocket::receive(std::size_t limit, UnixNanos fallback, const Handler& handler) {
  State& state = *state_;
  std::size_t total = 0;
  while (total < limit) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      state.receive_parts[i] = {state.receive_bytes[i].data(), state.receive_bytes[i].size()};
      msghdr& header = state.receive_headers[i].msg_hdr;
      header = {};
      header.msg_iov = &state.receive_parts[i];
      header.msg_iovlen = 1;
      header.msg_control = state.control[i].data();
      header.msg_controllen = kControlBytes;
    }
    const int count =
        ::recvmmsg(state.socket, state.receive_headers.data(), kBatch, MSG_DONTWAIT, nullptr);
    if (count <= 0) break;
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
      const mmsghdr& message = state.receive_headers[i];
      handler(std::span(state.receive_bytes[i]).first(message.msg_len),
              stamp_of(message.msg_hdr, fallback));
    }
    total += static_cast<std::size_t>(count);
    if (static_cast<std::size_t>(count) < kBatch) break;
  }
  return total;
}

void MediaSocket::send(const IpAddress& address, std::uint16_t port,
                       std::span<const std::uint8_t> bytes) {
  State& state = *state_;
  if (bytes.size() > kDatagramBytesMax || (!state.ipv6 && !address.is_v4())) {
    ++state.send_errors;
    return;
  }
  if (state.queued == kBatch) flush();
  const std::size_t i = state.queued++;
  std::memcpy(state.send_bytes[i].data(), bytes.data(), bytes.size());
  const socklen_t length = write_address(state.destinations[i], state.ipv6, address, port);
  state.send_parts[i] = {state.send_bytes[i].data(), bytes.size()};
  msghdr& header = state.send_headers[i].msg_hdr;
  header = {};
  header.msg_name = &state.destinations[i];
  header.msg_namelen = length;
  header.msg_iov = &state.send_parts[i];
  header.msg_iovlen = 1;
}

void MediaSocket::flush() {
  State& state = *state_;
  std::size_t done = 0;
  while (done < state.queued) {
    const int sent = ::sendmmsg(state.socket, &state.send_headers[done],
                                static_cast<unsigned>(state.queued - done), MSG_DONTWAIT);
    if (sent > 0) {
      done += static_cast<std::size_t>(sent);
    } else if (errno != EINTR) {
      ++state.send_errors;  // the first one of the rest is refused; the others get their own chance
      ++done;
    }
  }
  state.queued = 0;
}

std::uint64_t MediaSocket::send_errors() const { return state_->send_errors; }

}  // namespace linkpilot::media
