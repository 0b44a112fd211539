#include "base/crc32c.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/rng.h"

namespace linkpilot {
namespace {

TEST(Crc32c, IsTheOneOfRfc3720) {
  // RFC 3720 appendix B.4.
  const std::vector<std::uint8_t> zeros(32, 0);
  EXPECT_EQ(crc32c(zeros), 0x8A9136AAU);
  const std::vector<std::uint8_t> ones(32, 0xFF);
  EXPECT_EQ(crc32c(ones), 0x62A8AB43U);
  std::vector<std::uint8_t> rising(32);
  for (std::size_t i = 0; i < rising.size(); ++i) rising[i] = static_cast<std::uint8_t>(i);
  EXPECT_EQ(crc32c(rising), 0x46DD794EU);
  const std::span<const std::uint8_t> all(rising);
  EXPECT_EQ(crc32c(all.subspan(5), crc32c(all.first(5))), 0x46DD794EU);
}

TEST(Crc32c, IsTheSameByInstructionAndByTable) {
  Rng rng(1);
  std::vector<std::uint8_t> octets(300);
  for (std::uint8_t& octet : octets) octet = static_cast<std::uint8_t>(rng.next());
  for (std::size_t from = 0; from < 16; ++from) {
    for (std::size_t to = from; to < octets.size(); ++to) {
      const auto part = std::span<const std::uint8_t>(octets).subspan(from, to - from);
      ASSERT_EQ(crc32c(part, 7), crc32c_by_table(part, 7)) << from << " " << to;
    }
  }
}

}  // namespace
}  // namespace linkpilot
