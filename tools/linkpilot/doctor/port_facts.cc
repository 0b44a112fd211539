#include "tools/linkpilot/doctor/port_facts.h"

#include <fmt/format.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/runtime/files.h"

namespace linkpilot::cli {

namespace {

// linux/net_tstamp.h
constexpr int kStamps = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE |
                        SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_TSONLY;
constexpr int kPatienceMs = 200;

sockaddr_in6 address_of(const IpAddress& address, std::uint16_t port) {
  sockaddr_in6 out{};
  out.sin6_family = AF_INET6;
  out.sin6_port = htons(port);
  std::memcpy(&out.sin6_addr, address.octets.data(), address.octets.size());
  return out;
}

// A dual-stack socket: IPv4 addresses are held in their mapped form.
UniqueFd udp_socket() {
  UniqueFd fd(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int off = 0;
  if (fd) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  return fd;
}

bool bind_to(const UniqueFd& fd, const sockaddr_in6& address) {
  return ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

void look_at_use(const Port& port, PortFacts& facts) {
  const UniqueFd fd = udp_socket();
  if (fd && bind_to(fd, address_of(port.listen, port.stamp_port))) {
    facts.use = PortUse::free;
    return;
  }
  switch (errno) {
    case EADDRINUSE:
      facts.use = PortUse::in_use;
      return;
    case EADDRNOTAVAIL:
      facts.use = PortUse::not_ours;
      return;
    case EACCES:
      facts.use = PortUse::no_right;
      return;
    default:
      facts.reason = std::strerror(errno);
  }
}

bool has_stamp(int fd, int flags) {
  struct pollfd ready{fd, POLLIN, 0};
  if (::poll(&ready, 1, kPatienceMs) <= 0) return false;
  std::array<char, 256> data{};
  alignas(cmsghdr) std::array<char, 512> control{};
  iovec part{data.data(), data.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  if (::recvmsg(fd, &message, flags) < 0) return false;
  for (cmsghdr* at = CMSG_FIRSTHDR(&message); at != nullptr; at = CMSG_NXTHDR(&message, at)) {
    if (at->cmsg_level == SOL_SOCKET && at->cmsg_type == SO_TIMESTAMPING) return true;
  }
  return false;
}

// From a free port of the address to itself.
void try_stamps(const Port& port, PortFacts& facts) {
  const UniqueFd fd = udp_socket();
  if (!fd || !bind_to(fd, address_of(port.listen, 0))) return;
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_TIMESTAMPING, &kStamps, sizeof kStamps) != 0) {
    facts.receive_stamped = facts.transmit_stamped = false;
    return;
  }
  sockaddr_in6 own{};
  socklen_t length = sizeof own;
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&own), &length) != 0) return;
  const char probe = 0;
  if (::sendto(fd.get(), &probe, 1, 0, reinterpret_cast<const sockaddr*>(&own), length) != 1)
    return;
  facts.receive_stamped = has_stamp(fd.get(), 0);
  facts.transmit_stamped = has_stamp(fd.get(), MSG_ERRQUEUE);
}

std::string interface_with(const IpAddress& wanted) {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return "";
  std::string name;
  for (const ifaddrs* at = list; at != nullptr && name.empty(); at = at->ifa_next) {
    if (at->ifa_addr == nullptr) continue;
    IpAddress address;
    if (at->ifa_addr->sa_family == AF_INET) {
      sockaddr_in in{};
      std::memcpy(&in, at->ifa_addr, sizeof in);
      std::array<std::uint8_t, 4> octets{};
      std::memcpy(octets.data(), &in.sin_addr, octets.size());
      address = IpAddress::v4(octets[0], octets[1], octets[2], octets[3]);
    } else if (at->ifa_addr->sa_family == AF_INET6) {
      sockaddr_in6 in{};
      std::memcpy(&in, at->ifa_addr, sizeof in);
      std::memcpy(address.octets.data(), &in.sin6_addr, address.octets.size());
    } else {
      continue;
    }
    if (address == wanted) name = at->ifa_name;
  }
  ::freeifaddrs(list);
  return name;
}

std::optional<bool> driver_stamps(const std::string& interface_name) {
  const UniqueFd fd = udp_socket();
  ethtool_ts_info info{};
  info.cmd = ETHTOOL_GET_TS_INFO;
  ifreq request{};
  interface_name.copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_data = reinterpret_cast<char*>(&info);
  if (!fd || ::ioctl(fd.get(), SIOCETHTOOL, &request) != 0) return std::nullopt;
  constexpr std::uint32_t kBoth = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE;
  return (info.so_timestamping & kBoth) == kBoth;
}

std::uint64_t statistic(const std::string& interface_name, const char* name) {
  const auto text = read_file("/sys/class/net/" + interface_name + "/statistics/" + name, 64);
  if (!text) return 0;
  return whole_number({reinterpret_cast<const char*>(text->data()), text->size()}).value_or(0);
}

}  // namespace

PortFacts look_at_port(const Port& port) {
  PortFacts facts;
  facts.address = port.listen.to_string();
  facts.port = port.stamp_port;
  look_at_use(port, facts);
  try_stamps(port, facts);
  facts.interface_name = interface_with(port.listen);
  if (facts.interface_name.empty()) return facts;
  facts.driver_stamps = driver_stamps(facts.interface_name);
  facts.rx_dropped = statistic(facts.interface_name, "rx_dropped");
  facts.rx_errors = statistic(facts.interface_name, "rx_errors");
  facts.rx_packets = statistic(facts.interface_name, "rx_packets");
  return facts;
}

}  // namespace linkpilot::cli
