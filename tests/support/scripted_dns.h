// A DNS server on loopback over UDP whose answers a test writes (RFC 1035), in a thread of its own.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/address.h"
#include "base/assert.h"

namespace linkpilot {

struct DnsQuery {
  std::vector<std::uint8_t> bytes;
  std::string name;
  std::uint16_t type = 0;  // 1 A, 28 AAAA
  std::size_t question_end = 0;
};

// The parts of an answer: header and question of the query, then records.
class DnsAnswerWriter {
 public:
  explicit DnsAnswerWriter(const DnsQuery& query, std::uint8_t rcode = 0)
      : bytes_(query.bytes.begin(),
               query.bytes.begin() + static_cast<std::ptrdiff_t>(query.question_end)) {
    bytes_[2] = 0x81;  // a response, recursion desired
    bytes_[3] = static_cast<std::uint8_t>(0x80 | rcode);
    for (std::size_t i = 6; i < 12; ++i) bytes_[i] = 0;
  }
  DnsAnswerWriter& address(const IpAddress& address, std::uint32_t ttl) {
    const std::size_t octets = address.is_v4() ? 4 : 16;
    record(address.is_v4() ? 1 : 28, ttl, octets);
    bytes_.insert(bytes_.end(), address.octets.end() - static_cast<std::ptrdiff_t>(octets),
                  address.octets.end());
    return *this;
  }
  // `target` in wire form.
  DnsAnswerWriter& alias(const std::vector<std::uint8_t>& target) {
    record(5, 60, target.size());
    bytes_.insert(bytes_.end(), target.begin(), target.end());
    return *this;
  }
  [[nodiscard]] std::vector<std::uint8_t> take() { return std::move(bytes_); }

 private:
  void record(std::uint16_t type, std::uint32_t ttl, std::size_t octets) {
    ++bytes_[7];  // ANCOUNT, below 256
    const std::array<std::uint8_t, 12> head{0xc0,
                                            12,
                                            static_cast<std::uint8_t>(type >> 8),
                                            static_cast<std::uint8_t>(type),
                                            0,
                                            1,
                                            static_cast<std::uint8_t>(ttl >> 24),
                                            static_cast<std::uint8_t>(ttl >> 16),
                                            static_cast<std::uint8_t>(ttl >> 8),
                                            static_cast<std::uint8_t>(ttl),
                                            static_cast<std::uint8_t>(octets >> 8),
                                            static_cast<std::uint8_t>(octets)};
    bytes_.insert(bytes_.end(), head.begin(), head.end());
  }
  std::vector<std::uint8_t> bytes_;
};

class ScriptedDns {
 public:
  // Nothing: the query stays without an answer.
  using Script = std::function<std::optional<std::vector<std::uint8_t>>(const DnsQuery&)>;

  explicit ScriptedDns(Script script) : script_(std::move(script)) {
    fd_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    LP_ASSERT(::bind(fd_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    LP_ASSERT(::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    endpoint_ = {.address = IpAddress::v4(127, 0, 0, 1), .port = ntohs(address.sin_port)};
    thread_ = std::thread([this] { serve(); });
  }
  ~ScriptedDns() {
    stopping_ = true;
    thread_.join();
    ::close(fd_);
  }
  ScriptedDns(const ScriptedDns&) = delete;
  ScriptedDns& operator=(const ScriptedDns&) = delete;

  [[nodiscard]] Endpoint endpoint() const { return endpoint_; }
  [[nodiscard]] std::vector<DnsQuery> queries() const {
    const std::lock_guard lock(mutex_);
    return queries_;
  }

 private:
  static std::optional<DnsQuery> read(std::vector<std::uint8_t> bytes) {
    DnsQuery query{.bytes = std::move(bytes), .name = {}, .type = 0, .question_end = 12};
    std::size_t& at = query.question_end;
    while (at < query.bytes.size() && query.bytes[at] != 0) {
      const std::size_t octets = query.bytes[at];
      if (at + octets + 1 >= query.bytes.size()) return std::nullopt;
      if (!query.name.empty()) query.name += '.';
      for (std::size_t i = 0; i < octets; ++i) {
        query.name += static_cast<char>(query.bytes[at + 1 + i]);
      }
      at += octets + 1;
    }
    if (at + 5 > query.bytes.size()) return std::nullopt;
    query.type = static_cast<std::uint16_t>(query.bytes[at + 1] << 8 | query.bytes[at + 2]);
    at += 5;
    return query;
  }
  void serve() {
    while (!stopping_) {
      pollfd entry{.fd = fd_, .events = POLLIN, .revents = 0};
      if (::poll(&entry, 1, 10) <= 0) continue;
      std::vector<std::uint8_t> bytes(4096);
      sockaddr_in from{};
      socklen_t size = sizeof from;
      const ssize_t n =
          ::recvfrom(fd_, bytes.data(), bytes.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
      if (n < 12) continue;
      bytes.resize(static_cast<std::size_t>(n));
      const auto query = read(std::move(bytes));
      if (!query) continue;
      {
        const std::lock_guard lock(mutex_);
        queries_.push_back(*query);
      }
      if (const auto answer = script_(*query)) {
        ::sendto(fd_, answer->data(), answer->size(), 0, reinterpret_cast<sockaddr*>(&from), size);
      }
    }
  }

  Script script_;
  int fd_ = -1;
  Endpoint endpoint_;
  std::atomic<bool> stopping_ = false;
  mutable std::mutex mutex_;
  std::vector<DnsQuery> queries_;
  std::thread thread_;
};

}  // namespace linkpilot
