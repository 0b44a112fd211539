// The UDP socket of a media process: batches in both directions, with the kernel's receive stamp of
// every datagram. IPv4 and IPv6 on one socket. Non-blocking, one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "base/address.h"
#include "base/result.h"
#include "base/time.h"

namespace linkpilot::media {

class MediaSocket {
 public:
  inline static constexpr std::size_t kBatch = 64;

  // On one address of this host; unspecified: on all of them.
  [[nodiscard]] static Result<MediaSocket> bind(std::uint16_t port, const IpAddress& address = {});
  MediaSocket(MediaSocket&&) noexcept;
  MediaSocket& operator=(MediaSocket&&) = delete;
  ~MediaSocket();

  using Handler = std::function<void(std::span<const std::uint8_t> bytes, UnixNanos received)>;
  // Hands over what has arrived, at most `limit` datagrams, so that one turn of a loop stays
  // bounded. Without a kernel stamp `received` is `fallback`. Returns how many.
  std::size_t receive(std::size_t limit, UnixNanos fallback, const Handler& handler);

  // Queues a datagram; a full queue is sent first.
  void send(const IpAddress& address, std::uint16_t port, std::span<const std::uint8_t> bytes);
  void flush();
  // Datagrams the kernel refused since the process began; they are not tried again.
  [[nodiscard]] std::uint64_t send_errors() const;

 private:
  struct State;
  explicit MediaSocket(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace linkpilot::media
