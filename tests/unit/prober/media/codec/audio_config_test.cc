#include "prober/media/codec/audio_config.h"

#include <gtest/gtest.h>

#include "prober/media/codec/bit_writer.h"
#include "tests/unit/prober/hex.h"

namespace linkpilot::prober {
namespace {

TEST(AudioConfig, ReadsTheFormsEncodersWrite) {
  struct Case {
    const char* name;
    const char* octets;
    std::uint32_t rate;
    unsigned channels;
    unsigned samples;
    unsigned object;
  };
  // ISO/IEC 14496-3 s1.6.2.1; the second is ffmpeg's with its SBR-absent extension behind.
  const std::vector<Case> cases{
      {"LC 44.1 kHz stereo", "1210", 44100, 2, 1024, 2},
      {"LC 44.1 kHz stereo, five octets", "121056e500", 44100, 2, 1024, 2},
      {"LC 48 kHz mono", "1188", 48000, 1, 1024, 2},
      {"LC 48 kHz 5.1", "11b0", 48000, 6, 1024, 2},
      {"LC, 960 samples", "1194", 48000, 2, 960, 2},
      {"HE-AAC, explicit", "2b920800", 22050, 2, 1024, 5},
      {"a rate of its own, 24 bits", "17800fa012", 8000, 2, 1024, 2},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.name);
    const auto config = parse_aac_config(from_hex(one.octets));
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->sample_rate, one.rate);
    EXPECT_EQ(config->channels, one.channels);
    EXPECT_EQ(config->samples_per_frame, one.samples);
    EXPECT_EQ(config->object_type, one.object);
  }
}

TEST(AudioConfig, RefusesNothingOneOctetAndReservedIndices) {
  EXPECT_FALSE(parse_aac_config({}));
  EXPECT_FALSE(parse_aac_config(from_hex("12")));
  EXPECT_FALSE(parse_aac_config(from_hex("1690"))) << "sampling index 13";
  EXPECT_FALSE(parse_aac_config(from_hex("1710"))) << "sampling index 14";
  EXPECT_FALSE(parse_aac_config(from_hex("1790"))) << "index 15 without its 24 bits";
  EXPECT_FALSE(parse_aac_config(from_hex("0210"))) << "object type 0";
}

TEST(AudioConfig, CountsTheChannelsOfAProgramConfiguration) {
  BitWriter writer;
  writer.bits(2, 5);
  writer.bits(3, 4);
  writer.bits(0, 4);   // channels: see the program configuration
  writer.bits(0, 3);   // frame length, core coder, extension
  writer.bits(0, 10);  // tag, profile, rate
  writer.bits(2, 4);   // front: one pair, one single
  writer.bits(0, 4);
  writer.bits(1, 4);  // back: one pair
  writer.bits(1, 2);  // one LFE
  writer.bits(0, 7);
  writer.bits(0, 3);
  for (const unsigned element : {0x00U, 0x10U, 0x11U}) writer.bits(element, 5);
  writer.bits(0, 4);
  const auto config = parse_aac_config(writer.take());
  ASSERT_TRUE(config);
  EXPECT_EQ(config->channels, 6);
  const auto cut = parse_aac_config(from_hex("1180"));
  ASSERT_TRUE(cut) << "decodability does not hang on it";
  EXPECT_EQ(cut->channels, 0);
}

TEST(AudioConfig, ReadsOpusHeadAndItsPacketLengths) {
  const auto head = from_hex("4f707573486561640101380180bb0000000000");
  const auto config = parse_opus_config(head);
  ASSERT_TRUE(config);
  EXPECT_EQ(config->channels, 1);
  EXPECT_EQ(config->sample_rate, 48000U);
  EXPECT_FALSE(parse_opus_config(std::span(head).first(18)));
  EXPECT_FALSE(parse_opus_config(from_hex("4f707573486561642101380180bb0000000000")));
  // RFC 6716 s3.1: configuration 31 is CELT 20 ms, 15 hybrid 20 ms, 3 SILK 60 ms, 16 CELT 2.5 ms.
  EXPECT_EQ(opus_packet_samples(from_hex("f8")), 960U);
  EXPECT_EQ(opus_packet_samples(from_hex("78")), 960U);
  EXPECT_EQ(opus_packet_samples(from_hex("18")), 2880U);
  EXPECT_EQ(opus_packet_samples(from_hex("80")), 120U);
  EXPECT_EQ(opus_packet_samples(from_hex("f9")), 1920U);
  EXPECT_EQ(opus_packet_samples(from_hex("fb03")), 2880U);
  EXPECT_EQ(opus_packet_samples(from_hex("fb")), 0U);
  EXPECT_EQ(opus_packet_samples({}), 0U);
}

}  // namespace
}  // namespace linkpilot::prober
