#include "prober/media/codec/bit_reader.h"

#include <gtest/gtest.h>

#include <limits>

#include "prober/media/codec/bit_writer.h"

namespace linkpilot::prober {
namespace {

TEST(BitReader, ReadsBackWhatTheWriterWrote) {
  BitWriter writer;
  const std::vector<std::uint32_t> values{0, 1, 2, 7, 8, 255, 65535, 0xfffffffe};
  for (const std::uint32_t value : values) writer.ue(value);
  for (const std::int32_t value : {0, 1, -1, 2, -2, 1000, -1000}) writer.se(value);
  writer.bits(0x5a5, 11);
  writer.trailing();
  const std::vector<std::uint8_t> bytes = writer.take();
  BitReader reader(bytes);
  for (const std::uint32_t value : values) EXPECT_EQ(reader.ue(), value);
  for (const std::int32_t value : {0, 1, -1, 2, -2, 1000, -1000}) EXPECT_EQ(reader.se(), value);
  EXPECT_EQ(reader.bits(11), 0x5a5U);
  EXPECT_TRUE(reader.ok());
}

TEST(BitReader, TakesTheExpGolombCodesOfTheStandardsTable) {
  // H.264 table 9-2: 1, 010, 011, 00100, 00101
  const std::vector<std::uint8_t> bytes{0b1010'0110, 0b0100'0010, 0b1000'0000};
  BitReader reader(bytes);
  for (std::uint32_t value = 0; value < 5; ++value) EXPECT_EQ(reader.ue(), value);
}

TEST(BitReader, FailsForGoodAtAnExpGolombCodeThatNoNumberHas) {
  const std::vector<std::uint8_t> bytes{0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  BitReader reader(bytes);
  EXPECT_EQ(reader.ue(), 0U);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.bits(8), 0U);
}

TEST(BitReader, FailsPastTheEndAndReadsZeros) {
  const std::vector<std::uint8_t> bytes{0xff};
  BitReader reader(bytes);
  EXPECT_EQ(reader.bits(8), 0xffU);
  EXPECT_TRUE(reader.ok());
  EXPECT_EQ(reader.bits(1), 0U);
  EXPECT_FALSE(reader.ok());
  reader.skip(std::numeric_limits<unsigned>::max());
  EXPECT_FALSE(reader.ok());
}

TEST(BitReader, DropsEmulationPreventionOnlyInsideANalUnit) {
  const std::vector<std::uint8_t> payload{0, 0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 3, 4};
  const std::vector<std::uint8_t> nal = escape_nal(6, payload);
  EXPECT_GT(nal.size(), payload.size() + 1);
  const auto behind_header = std::span(nal).subspan(1);
  BitReader reader(behind_header, Emulation::escaped);
  for (const std::uint8_t octet : payload) EXPECT_EQ(reader.bits(8), octet);
  EXPECT_TRUE(reader.ok());
  BitReader plain(behind_header);
  EXPECT_EQ(plain.bits(24), 0x000003U);
}

}  // namespace
}  // namespace linkpilot::prober
