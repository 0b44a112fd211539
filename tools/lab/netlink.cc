#include "tools/lab/netlink.h"

#include <fmt/format.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include "base/assert.h"

namespace linkpilot::lab {
namespace {

Status system_error(std::string_view what, int error) {
  const ErrorCode code =
      error == EPERM || error == EACCES ? ErrorCode::permission : ErrorCode::unavailable;
  return fail(code, fmt::format("{}: {}", what, std::strerror(error)));
}

}  // namespace

// One message being built: header, body, attributes, each aligned to 4 (rtnetlink(7)).
class Netlink::Request {
 public:
  template <typename Body>
  Request(std::uint16_t type, std::uint16_t flags, const Body& body) {
    header().nlmsg_type = type;
    header().nlmsg_flags = static_cast<std::uint16_t>(flags | NLM_F_REQUEST);
    put(&body, sizeof(body));
  }
  void attribute(std::uint16_t type, const void* data, std::size_t size) {
    const rtattr head{static_cast<std::uint16_t>(RTA_LENGTH(size)), type};
    put(&head, sizeof(head));
    put(data, size);
  }
  void attribute_u32(std::uint16_t type, std::uint32_t value) {
    attribute(type, &value, sizeof(value));
  }
  void attribute_address(std::uint16_t type, const IpAddress& address) {
    if (address.is_v4()) {
      attribute(type, address.octets.data() + 12, 4);
    } else {
      attribute(type, address.octets.data(), 16);
    }
  }
  [[nodiscard]] std::span<const std::uint8_t> finish(std::uint32_t sequence) const {
    header().nlmsg_seq = sequence;
    header().nlmsg_len = static_cast<std::uint32_t>(used_);
    return std::span(bytes_).first(used_);
  }

 private:
  nlmsghdr& header() const { return *reinterpret_cast<nlmsghdr*>(bytes_.data()); }
  void put(const void* data, std::size_t size) {
    LP_ASSERT(used_ + size + 4 <= bytes_.size());
    std::memcpy(bytes_.data() + used_, data, size);
    used_ += NLMSG_ALIGN(size);
  }
  alignas(nlmsghdr) mutable std::array<std::uint8_t, 256> bytes_{};
  std::size_t used_ = NLMSG_HDRLEN;
};

Result<Netlink> Netlink::open() {
  UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!socket) return fail(system_error("netlink socket", errno).error());
  return Netlink(std::move(socket));
}

Status Netlink::transact(const Request& request) {
  const auto bytes = request.finish(++sequence_);
  if (::send(socket_.get(), bytes.data(), bytes.size(), 0) < 0) {
    return system_error("netlink send", errno);
  }
  alignas(nlmsghdr) std::array<std::uint8_t, 4096> answer{};
  const ssize_t size = ::recv(socket_.get(), answer.data(), answer.size(), 0);
  if (size < 0) return system_error("netlink receive", errno);
  const auto& header = *reinterpret_cast<const nlmsghdr*>(answer.data());
  if (static_cast<std::size_t>(size) < NLMSG_LENGTH(sizeof(nlmsgerr)) ||
      header.nlmsg_type != NLMSG_ERROR) {
    return fail(ErrorCode::corrupt, "netlink answered with something else than a result");
  }
  const int error = -reinterpret_cast<const nlmsgerr*>(answer.data() + NLMSG_HDRLEN)->error;
  return error == 0 ? Status{} : system_error("netlink", error);
}

Status Netlink::set_up(std::string_view device) {
  return set_up(device, {.mtu = 0, .transmit_queue_packets = 0});
}

Status Netlink::set_up(std::string_view device, const LinkSettings& settings) {
  ifreq name{};
  LP_ASSERT(device.size() < IFNAMSIZ);
  std::ranges::copy(device, name.ifr_name);
  const UniqueFd any(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (::ioctl(any.get(), SIOCGIFINDEX, &name) != 0) return system_error(device, errno);
  index_ = name.ifr_ifindex;
  ifinfomsg body{};
  body.ifi_index = index_;
  body.ifi_flags = IFF_UP;
  body.ifi_change = IFF_UP;
  Request request(RTM_NEWLINK, NLM_F_ACK, body);
  if (settings.mtu > 0) request.attribute_u32(IFLA_MTU, settings.mtu);
  if (settings.transmit_queue_packets > 0) {
    request.attribute_u32(IFLA_TXQLEN, settings.transmit_queue_packets);
  }
  Status status = transact(request);
  return status ? status : fail(status.error().in(device));
}

Status Netlink::add_address(const IpAddress& address) {
  ifaddrmsg body{};
  body.ifa_family = address.is_v4() ? AF_INET : AF_INET6;
  body.ifa_prefixlen = address.is_v4() ? 32 : 128;
  body.ifa_flags = IFA_F_PERMANENT | IFA_F_NODAD;
  body.ifa_index = static_cast<std::uint32_t>(index_);
  Request request(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, body);
  request.attribute_address(IFA_LOCAL, address);
  request.attribute_address(IFA_ADDRESS, address);
  Status status = transact(request);
  return status ? status : fail(status.error().in("address " + address.to_string()));
}

Status Netlink::add_default_route(Family family) {
  rtmsg body{};
  body.rtm_family = family == Family::v4 ? AF_INET : AF_INET6;
  body.rtm_table = RT_TABLE_MAIN;
  body.rtm_protocol = RTPROT_STATIC;
  body.rtm_scope = family == Family::v4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  body.rtm_type = RTN_UNICAST;
  Request request(RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, body);
  request.attribute_u32(RTA_OIF, static_cast<std::uint32_t>(index_));
  Status status = transact(request);
  return status ? status : fail(status.error().in("default route"));
}

Result<std::uint64_t> Netlink::transmit_dropped() {
  ifinfomsg body{};
  body.ifi_index = index_;
  const Request request(RTM_GETLINK, 0, body);
  const auto bytes = request.finish(++sequence_);
  if (::send(socket_.get(), bytes.data(), bytes.size(), 0) < 0) {
    return fail(system_error("netlink send", errno).error());
  }
  alignas(nlmsghdr) std::array<std::uint8_t, 16384> answer{};
  const ssize_t size = ::recv(socket_.get(), answer.data(), answer.size(), 0);
  const auto* header = reinterpret_cast<const nlmsghdr*>(answer.data());
  if (size < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(ifinfomsg))) ||
      header->nlmsg_type != RTM_NEWLINK) {
    return fail(ErrorCode::unavailable, "netlink gave no counters");
  }
  std::size_t at = NLMSG_LENGTH(sizeof(ifinfomsg));
  const std::size_t end = std::min<std::size_t>(static_cast<std::size_t>(size), header->nlmsg_len);
  while (at + sizeof(rtattr) <= end) {
    rtattr head{};
    std::memcpy(&head, answer.data() + at, sizeof(head));
    if (head.rta_len < sizeof(rtattr) || at + head.rta_len > end) break;
    if (head.rta_type == IFLA_STATS64) {
      rtnl_link_stats64 stats{};
      std::memcpy(&stats, answer.data() + at + sizeof(rtattr),
                  std::min<std::size_t>(sizeof(stats), head.rta_len - sizeof(rtattr)));
      return stats.tx_dropped;
    }
    at += RTA_ALIGN(head.rta_len);
  }
  return fail(ErrorCode::unavailable, "netlink gave no counters");
}

}  // namespace linkpilot::lab
