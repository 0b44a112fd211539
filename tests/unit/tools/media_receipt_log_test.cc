#include "tools/media/receipt_log.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/runtime/files.h"

namespace linkpilot::media {
namespace {

Datagram received_example() {
  Datagram datagram;
  datagram.source = NodeId(3);
  datagram.target = NodeId(7);
  datagram.sequence = 0x01020304;
  datagram.sent = UnixNanos{0x1122334455667788};
  datagram.trail = {NodeId(5), NodeId(0x0102)};
  datagram.trail_length = 2;
  return datagram;
}

TEST(MediaReceiptLog, HasTheLayoutItsHeaderStates) {
  const ReceiptBytes bytes = encode_receipt(received_example(), UnixNanos{0x0102030405060708});
  const std::vector<std::uint8_t> head(bytes.begin(), bytes.begin() + 25);
  EXPECT_EQ(head, (std::vector<std::uint8_t>{8,    7,    6,    5,    4,    3,    2,    1, 0x88,
                                             0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 3, 0,
                                             7,    0,    4,    3,    2,    1,    2}));
  const std::vector<std::uint8_t> trail(bytes.begin() + 32, bytes.begin() + 38);
  EXPECT_EQ(trail, (std::vector<std::uint8_t>{5, 0, 2, 1, 0, 0}));
}

TEST(MediaReceiptLog, WritesEveryRecordInOrder) {
  const std::string path =
      (std::filesystem::path(testing::TempDir()) / "media_receipt_log_test").string();
  constexpr std::uint32_t kRecords = 5000;  // more than one buffer
  {
    auto log = ReceiptLog::create(path);
    ASSERT_TRUE(log.has_value()) << log.error().message;
    Datagram datagram = received_example();
    for (datagram.sequence = 0; datagram.sequence < kRecords; ++datagram.sequence) {
      log->append(datagram, UnixNanos{1});
    }
    EXPECT_EQ(log->lost(), 0U);
  }
  const auto bytes = read_file(path, kRecords * kReceiptBytes);
  std::filesystem::remove(path);
  ASSERT_TRUE(bytes.has_value()) << bytes.error().message;
  ASSERT_EQ(bytes->size(), kRecords * kReceiptBytes);
  for (std::size_t i = 0; i < kRecords; ++i) {
    ASSERT_EQ((*bytes)[i * kReceiptBytes + 20] | (*bytes)[i * kReceiptBytes + 21] << 8,
              static_cast<int>(i));
  }
}

TEST(MediaReceiptLog, SaysWhyAFileCannotBeMade) {
  const auto log = ReceiptLog::create("/nonexistent/folder/file");
  ASSERT_FALSE(log.has_value());
  EXPECT_NE(log.error().message.find("/nonexistent/folder/file"), std::string::npos);
}

}  // namespace
}  // namespace linkpilot::media
