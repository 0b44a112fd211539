// The media process's socket on loopback: batches, both address families, kernel stamps.
#include "tools/media/media_socket.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <string>
#include <vector>

#include "tools/media/datagram.h"

namespace linkpilot::media {
namespace {

struct Arrival {
  std::vector<std::uint8_t> bytes;
  UnixNanos received;
};

// What arrives until `count` datagrams are there, or two seconds have passed.
std::vector<Arrival> collect(MediaSocket& socket, std::size_t count) {
  std::vector<Arrival> arrivals;
  for (int tries = 0; tries < 200 && arrivals.size() < count; ++tries) {
    socket.receive(1024, UnixNanos{}, [&](std::span<const std::uint8_t> bytes, UnixNanos received) {
      arrivals.push_back({{bytes.begin(), bytes.end()}, received});
    });
    if (arrivals.size() < count) ::poll(nullptr, 0, 10);
  }
  return arrivals;
}

// The first free port from 27400 on.
Result<MediaSocket> bind_any(std::uint16_t& port) {
  for (port = 27400; port < 27500; ++port) {
    if (auto socket = MediaSocket::bind(port); socket) return socket;
  }
  return fail(ErrorCode::unavailable, "no free port from 27400 to 27499");
}

TEST(MediaSocket, CarriesBatchesOverBothFamiliesInOrderAndStamped) {
  std::uint16_t port = 0;
  auto socket = bind_any(port);
  ASSERT_TRUE(socket.has_value()) << socket.error().message;
  const auto v6 = IpAddress::parse("::1");
  ASSERT_TRUE(v6.has_value());
  for (const IpAddress& address : {IpAddress::v4(127, 0, 0, 1), *v6}) {
    SCOPED_TRACE(address.to_string());
    constexpr std::size_t kCount = 3 * MediaSocket::kBatch / 2;
    const UnixNanos before = SystemClock().now().wall;
    for (std::size_t i = 0; i < kCount; ++i) {
      const std::vector<std::uint8_t> bytes(200, static_cast<std::uint8_t>(i));
      socket->send(address, port, bytes);
    }
    socket->flush();
    EXPECT_EQ(socket->send_errors(), 0U);
    const std::vector<Arrival> arrivals = collect(*socket, kCount);
    ASSERT_EQ(arrivals.size(), kCount);
    for (std::size_t i = 0; i < kCount; ++i) {
      EXPECT_EQ(arrivals[i].bytes, std::vector<std::uint8_t>(200, static_cast<std::uint8_t>(i)));
      EXPECT_GT(arrivals[i].received.ns, before.ns - 1'000'000'000) << "no kernel stamp";
    }
  }
}

TEST(MediaSocket, RefusesWhatIsTooLargeAndSaysThatAPortIsTaken) {
  std::uint16_t port = 0;
  auto socket = bind_any(port);
  ASSERT_TRUE(socket.has_value()) << socket.error().message;
  socket->send(IpAddress::v4(127, 0, 0, 1), port, std::vector<std::uint8_t>(kDatagramBytesMax + 1));
  EXPECT_EQ(socket->send_errors(), 1U);
  const auto second = MediaSocket::bind(port);
  ASSERT_FALSE(second.has_value());
  EXPECT_NE(second.error().message.find(std::to_string(port)), std::string::npos);
}

}  // namespace
}  // namespace linkpilot::media
