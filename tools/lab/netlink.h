// The few things the lab asks of the kernel's rtnetlink: bring a device up, give it addresses and a
// default route, read its counters. A socket works in the network namespace of the thread that
// opened it, for its whole life. Sources: rtnetlink(7), RFC 3549. One thread at a time.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/address.h"
#include "base/result.h"
#include "base/runtime/files.h"

namespace linkpilot::lab {

class Netlink {
 public:
  struct LinkSettings {
    std::uint32_t mtu = 1500;
    std::uint32_t transmit_queue_packets = 500;
  };

  [[nodiscard]] static Result<Netlink> open();
  // Brings a device up; its index is kept for the calls below.
  [[nodiscard]] Status set_up(std::string_view device, const LinkSettings& settings);
  [[nodiscard]] Status set_up(std::string_view device);
  // /32 or /128 on the device last set up, without duplicate address detection.
  [[nodiscard]] Status add_address(const IpAddress& address);
  enum class Family : std::uint8_t { v4, v6 };
  [[nodiscard]] Status add_default_route(Family family);
  // Packets the device last set up refused to take because its queue was full.
  [[nodiscard]] Result<std::uint64_t> transmit_dropped();

 private:
  explicit Netlink(UniqueFd socket) : socket_(std::move(socket)) {}
  class Request;
  [[nodiscard]] Status transact(const Request& request);

  UniqueFd socket_;
  std::uint32_t sequence_ = 0;
  int index_ = 0;
};

}  // namespace linkpilot::lab
