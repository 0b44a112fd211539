// The records were made by Debian 12's ffmpeg 5.1 (libx264, libx265, libaom-av1, SVT-AV1) into MP4
// and read from its boxes; of HEVC the SEI array was left out.
#include <gtest/gtest.h>

#include "prober/media/codec/av1_config.h"
#include "prober/media/codec/avc_config.h"
#include "prober/media/codec/bit_writer.h"
#include "prober/media/codec/hevc_config.h"
#include "tests/unit/prober/hex.h"

namespace linkpilot::prober {
namespace {

constexpr std::string_view kAvc640x360 =
    "0142c01effe100196742c01eda0280bfe5c044000003000400000300c83c58ba8001000468ce0fc8";
constexpr std::string_view kHevc640x360 =
    "0101600000009000000000003ff000fcfdf8f800000f03200001001840010c01ffff01600000030090000003000003"
    "00"
    "3f959409210001002b42010101600000030090000003000003003fa005020171f2e595952930bc05a0200000030020"
    "00"
    "0003032122000100064401c073c189";
constexpr std::string_view kHevc854x480 =
    "0101600000009000000000005af000fcfdf8f800000f03200001001840010c01ffff01600000030090000003000003"
    "00"
    "5a959409210001002b42010101600000030090000003000003005aa006c201e1cde595952930bc05a0200000030020"
    "00"
    "0003032122000100064401c073c189";

TEST(VideoConfig, FindsTheShownSizeOfRealEncoders) {
  struct Case {
    const char* name;
    Result<VideoConfig> got;
    std::uint32_t width;
    std::uint32_t height;
    std::uint8_t length_octets;
  };
  const std::vector<Case> cases{
      // Two servers report this one as 640x352: the crop is 8 of 368 lines.
      {"avc 640x360", parse_avc_config(from_hex(kAvc640x360)), 640, 360, 4},
      {"avc interlaced 1080",
       parse_avc_config(
           from_hex("014d4028ffe10019674d4028f403c0227ef011000003000100000300321f162ea0"
                    "01000468de0fc8")),
       1920, 1080, 4},
      {"avc 4:4:4 with odd size",
       parse_avc_config(
           from_hex("01f4001effe1001b67f4001e919680a42fe3e7c044000003000400000300c83c58"
                    "ba8001000568ce0f1920fff8f800")),
       642, 362, 4},
      {"avc 4:2:2",
       parse_avc_config(
           from_hex("017a001effe10019677a001ebcb405217f113e0220000003002000000641e2c5d4"
                    "01000568ce0fc40cfef8f800")),
       642, 362, 4},
      {"hevc 640x360", parse_hevc_config(from_hex(kHevc640x360)), 640, 360, 4},
      {"hevc 854x480", parse_hevc_config(from_hex(kHevc854x480)), 854, 480, 4},
      {"av1 SVT", parse_av1_config(from_hex("81010c000a0b0000000cc4ff6700be0010")), 640, 360, 0},
      {"av1 libaom", parse_av1_config(from_hex("81010c000a0b0000000cc4ff6736be4010")), 640, 360, 0},
      {"av1 without a sequence header", parse_av1_config(from_hex("81010c00")), 0, 0, 0},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.name);
    ASSERT_TRUE(one.got) << one.got.error().message;
    EXPECT_EQ(one.got->width, one.width);
    EXPECT_EQ(one.got->height, one.height);
    EXPECT_EQ(one.got->length_octets, one.length_octets);
  }
}

TEST(VideoConfig, RefusesEveryTruncationOfARecord) {
  const auto avc = from_hex(kAvc640x360);
  for (std::size_t size = 0; size < avc.size(); ++size) {
    EXPECT_FALSE(parse_avc_config(std::span(avc).first(size))) << size;
  }
  const auto hevc = from_hex(kHevc640x360);
  for (std::size_t size = 0; size < hevc.size(); ++size) {
    EXPECT_FALSE(parse_hevc_config(std::span(hevc).first(size))) << size;
  }
  const auto av1 = from_hex("81010c000a0b0000000cc4ff6736be4010");
  for (std::size_t size = 0; size < av1.size(); ++size) {
    const auto config = parse_av1_config(std::span(av1).first(size));
    EXPECT_EQ(config.has_value(), size == 4) << size;
  }
}

TEST(VideoConfig, SurvivesEveryTruncationOfAnSps) {
  const auto avc = from_hex("6742c01eda0280bfe5c044000003000400000300c83c58ba80");
  std::size_t first_good = 0;
  for (std::size_t size = 0; size <= avc.size(); ++size) {
    const auto config = parse_avc_sps(std::span(avc).first(size));
    if (config && first_good == 0) first_good = size;
    if (config) {
      EXPECT_EQ(config->height, 360U);
    }
  }
  // A VUI cut off does no harm: it is not read.
  EXPECT_LT(first_good, avc.size());
}

TEST(VideoConfig, RefusesLengthsOfThreeOctetsUnknownVersionsAndMissingSets) {
  auto record = from_hex(kAvc640x360);
  record[4] = 0xfe;
  EXPECT_FALSE(parse_avc_config(record));
  record = from_hex(kAvc640x360);
  record[0] = 0;
  EXPECT_FALSE(parse_avc_config(record));
  record = from_hex(kAvc640x360);
  record[5] = 0xe0;
  EXPECT_FALSE(parse_avc_config(record));
  record = from_hex(kHevc640x360);
  record[21] = 0x0e;
  EXPECT_FALSE(parse_hevc_config(record));
  record = from_hex(kHevc640x360);
  record[22] = 1;  // the VPS array only
  EXPECT_FALSE(parse_hevc_config(record));
}

struct SpsFields {
  std::uint32_t picture_order_type = 2;
  std::uint32_t cycle = 0;
  std::uint32_t width_less_one = 39;
  std::uint32_t height_less_one = 22;
  std::uint32_t crop_bottom = 0;
};

std::vector<std::uint8_t> make_sps(const SpsFields& fields) {
  BitWriter writer;
  writer.bits(66, 8);
  writer.bits(0, 8);
  writer.bits(30, 8);
  writer.ue(0);
  writer.ue(0);
  writer.ue(fields.picture_order_type);
  if (fields.picture_order_type == 1) {
    writer.flag(false);
    writer.se(0);
    writer.se(0);
    writer.ue(fields.cycle);
    for (std::uint32_t i = 0; i < std::min(fields.cycle, 300U); ++i) writer.se(-3);
  }
  writer.ue(1);
  writer.flag(false);
  writer.ue(fields.width_less_one);
  writer.ue(fields.height_less_one);
  writer.flag(true);
  writer.flag(true);
  writer.flag(true);
  writer.ue(0);
  writer.ue(0);
  writer.ue(0);
  writer.ue(fields.crop_bottom);
  writer.flag(false);
  writer.trailing();
  return escape_nal(0x67, writer.take());
}

TEST(VideoConfig, BoundsEveryFieldOfAHostileSps) {
  EXPECT_TRUE(parse_avc_sps(make_sps({})));
  EXPECT_EQ(parse_avc_sps(make_sps({.crop_bottom = 4}))->height, 360U);
  EXPECT_TRUE(parse_avc_sps(make_sps({.picture_order_type = 1, .cycle = 255})));
  EXPECT_FALSE(parse_avc_sps(make_sps({.picture_order_type = 1, .cycle = 256})));
  EXPECT_FALSE(parse_avc_sps(make_sps({.picture_order_type = 3})));
  EXPECT_FALSE(parse_avc_sps(make_sps({.width_less_one = 0xfffffffe})));
  EXPECT_FALSE(parse_avc_sps(make_sps({.height_less_one = 5000})));
  EXPECT_FALSE(parse_avc_sps(make_sps({.crop_bottom = 184}))) << "nothing is left to show";
  EXPECT_FALSE(parse_avc_sps(make_sps({.crop_bottom = 0xfffffffe})));
  std::vector<std::uint8_t> zeros(64, 0);
  zeros[0] = 0x67;
  EXPECT_FALSE(parse_avc_sps(zeros)) << "an endless Exp-Golomb code";
}

TEST(Av1Unit, TellsAKeyFrameFromAnotherByItsFirstOctets) {
  // Two temporal units of libaom: a sequence header and a key frame; an inter frame.
  const auto key = from_hex("0a0b0000000cc4ff673efe401032140040");
  EXPECT_EQ(inspect_av1_unit(key, 8000).first_picture, PictureKind::random_access);
  const auto whole = from_hex("12000a0b0000000cc4ff673efe401032051400400000");
  const Av1Unit unit = inspect_av1_unit(whole, static_cast<std::uint32_t>(whole.size()));
  EXPECT_EQ(unit.first_picture, PictureKind::random_access);
  ASSERT_TRUE(unit.sequence);
  EXPECT_EQ(unit.sequence->height, 360U);
  const auto inter = from_hex("120032053000400000");
  EXPECT_EQ(inspect_av1_unit(inter, 9).first_picture, PictureKind::predicted);
  const auto shown_again = from_hex("120032058000400000");
  EXPECT_EQ(inspect_av1_unit(shown_again, 9).first_picture, PictureKind::predicted);
}

TEST(Av1Unit, CallsAnObuThatOverrunsItsUnitBroken) {
  EXPECT_TRUE(inspect_av1_unit(from_hex("32ff7f1400"), 5).broken);
  EXPECT_TRUE(inspect_av1_unit(from_hex("80001400"), 4).broken);
  EXPECT_TRUE(inspect_av1_unit(from_hex("32ffffffffffffffffff0000"), 12).broken);
  EXPECT_FALSE(inspect_av1_unit({}, 0).broken);
  EXPECT_FALSE(inspect_av1_unit(from_hex("32ff"), 500).broken) << "the head ends, the unit goes on";
}

}  // namespace
}  // namespace linkpilot::prober
