#include "prober/media/codec/nalu_walker.h"

#include <gtest/gtest.h>

#include "prober/media/codec/bit_writer.h"
#include "tests/unit/prober/hex.h"

namespace linkpilot::prober {
namespace {

std::vector<std::uint8_t> prefixed(const std::vector<std::vector<std::uint8_t>>& units,
                                   unsigned length_octets = 4) {
  std::vector<std::uint8_t> frame;
  for (const auto& unit : units) {
    for (unsigned i = length_octets; i-- > 0;) {
      frame.push_back(static_cast<std::uint8_t>(unit.size() >> (8 * i)));
    }
    frame.insert(frame.end(), unit.begin(), unit.end());
  }
  return frame;
}

struct Walk {
  VideoCodec codec = VideoCodec::avc;
  std::uint8_t length_octets = 4;
  std::size_t part = 1000;
};

NaluFindings walk(std::span<const std::uint8_t> frame, const Walk& how = {}) {
  NaluWalker walker;
  walker.begin(how.codec, how.length_octets, static_cast<std::uint32_t>(frame.size()));
  while (!frame.empty()) {
    const auto part = frame.first(std::min(how.part, frame.size()));
    walker.feed(part);
    frame = frame.subspan(part.size());
  }
  return walker.end();
}

std::vector<std::uint8_t> slice(std::uint8_t header, std::uint32_t type, std::size_t octets) {
  BitWriter writer;
  writer.ue(0);
  writer.ue(type);
  std::vector<std::uint8_t> unit{header};
  for (const std::uint8_t octet : writer.take()) unit.push_back(octet);
  unit.resize(octets, 0x55);
  return unit;
}

TEST(NaluWalker, FindsTheFirstPictureBehindDelimiterSetsAndSei) {
  const std::vector<std::uint8_t> long_sei(700, 6);
  const auto frame = prefixed({{9, 0xf0}, {0x67, 1, 2}, {0x68, 1}, long_sei, slice(0x65, 7, 5000)});
  for (const std::size_t part : {std::size_t{1}, std::size_t{7}, std::size_t{128}, frame.size()}) {
    const NaluFindings found = walk(frame, {.part = part});
    EXPECT_EQ(found.first_picture, PictureKind::random_access);
    EXPECT_EQ(found.units, 5U);
    EXPECT_FALSE(found.length_error);
  }
}

TEST(NaluWalker, TellsIntraSlicesFromPredictedOnesInAvc) {
  EXPECT_EQ(walk(prefixed({slice(0x41, 7, 50)})).first_picture, PictureKind::intra);
  EXPECT_EQ(walk(prefixed({slice(0x41, 2, 50)})).first_picture, PictureKind::intra);
  EXPECT_EQ(walk(prefixed({slice(0x41, 5, 50)})).first_picture, PictureKind::predicted);
  EXPECT_EQ(walk(prefixed({slice(0x01, 6, 50)})).first_picture, PictureKind::predicted);
}

TEST(NaluWalker, KnowsTheRandomAccessPicturesOfHevc) {
  for (unsigned type = 0; type < 22; ++type) {
    const std::vector<std::uint8_t> unit{static_cast<std::uint8_t>(type << 1), 1, 0x80};
    EXPECT_EQ(walk(prefixed({unit}), {.codec = VideoCodec::hevc}).first_picture,
              type >= 16 ? PictureKind::random_access : PictureKind::predicted)
        << type;
  }
  EXPECT_EQ(walk(prefixed({{0x26}}), {.codec = VideoCodec::hevc}).first_picture,
            PictureKind::random_access)
      << "a unit of one octet";
}

TEST(NaluWalker, CountsEmptyUnitsAndFiller) {
  const std::vector<std::uint8_t> filler(300, 0xff);
  auto unit = filler;
  unit[0] = 12;
  const NaluFindings found = walk(prefixed({{}, slice(0x41, 5, 9), unit, {}}));
  EXPECT_EQ(found.empty_units, 2U);
  EXPECT_EQ(found.filler_octets, 300U);
  EXPECT_FALSE(found.length_error);
}

TEST(NaluWalker, NamesLengthsThatRunOverTheFrameOrAreCutOff) {
  auto frame = prefixed({slice(0x65, 7, 50)});
  frame[3] = 51;
  EXPECT_TRUE(walk(frame).length_error);
  EXPECT_TRUE(walk(from_hex("ffffffff00")).length_error);
  EXPECT_TRUE(walk(from_hex("000000")).length_error);
  EXPECT_TRUE(walk(from_hex("00000001"), {.length_octets = 2}).length_error) << "Annex B";
  EXPECT_FALSE(walk({}).length_error);
  for (const std::uint8_t octets : {std::uint8_t{1}, std::uint8_t{2}}) {
    EXPECT_FALSE(
        walk(prefixed({slice(0x65, 7, 50)}, octets), {.length_octets = octets}).length_error);
  }
}

TEST(NaluWalker, ReadsOurClockWhateverPartsItComesIn) {
  for (const std::int64_t wall : {std::int64_t{1'790'000'000'123'456'789}, std::int64_t{0},
                                  std::int64_t{0x0000010000020003}}) {
    const SeiClock clock{.wall = {wall}, .sequence = 3};
    const auto frame = prefixed({make_sei_clock(clock), slice(0x65, 7, 400)});
    for (const std::size_t part : {std::size_t{1}, std::size_t{5}, std::size_t{128}}) {
      const NaluFindings found = walk(frame, {.part = part});
      ASSERT_TRUE(found.clock);
      EXPECT_EQ(*found.clock, clock);
    }
  }
}

TEST(NaluWalker, SeesARecoveryPointAndIgnoresUserDataOfOthers) {
  const auto recovery = from_hex("06 06 01 c4 80");
  EXPECT_TRUE(walk(prefixed({recovery, slice(0x41, 7, 9)})).recovery_point);
  auto other = make_sei_clock({.wall = {5}, .sequence = 1});
  other[5] ^= 1;
  const NaluFindings found = walk(prefixed({other, from_hex("06ffffffffff"), from_hex("06")}));
  EXPECT_FALSE(found.clock);
  EXPECT_FALSE(found.length_error);
}

}  // namespace
}  // namespace linkpilot::prober
