#include "prober/media/codec/audio_config.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "prober/media/codec/bit_reader.h"

namespace linkpilot::prober {
namespace {

// ISO/IEC 14496-3 table 1.18
constexpr std::array<std::uint32_t, 13> kSampleRates{
    96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350};
// Table 1.19; 0: reserved or in the program configuration.
constexpr std::array<std::uint8_t, 16> kChannels{0, 1, 2, 3, 4, 5, 6, 8, 0, 0, 0, 7, 8, 0, 8, 0};

constexpr std::uint32_t kAacSbr = 5;
constexpr std::uint32_t kAacLowDelay = 23;
constexpr std::uint32_t kAacPs = 29;

std::uint32_t read_object_type(BitReader& reader) {
  const std::uint32_t type = reader.bits(5);
  return type == 31 ? 32 + reader.bits(6) : type;
}

// 0: an index that is reserved.
std::uint32_t read_sample_rate(BitReader& reader) {
  const std::uint32_t index = reader.bits(4);
  if (index == 15) return reader.bits(24);
  return index < kSampleRates.size() ? kSampleRates[index] : 0;
}

// program_config_element (s4.4.1.1), behind its extension flag: front, side, back and LFE elements.
std::uint8_t read_program_channels(BitReader& reader) {
  reader.skip(4 + 2 + 4);
  const unsigned front = reader.bits(4);
  const unsigned side = reader.bits(4);
  const unsigned back = reader.bits(4);
  const unsigned lfe = reader.bits(2);
  reader.skip(3 + 4);
  for (int i = 0; i < 2; ++i) {
    if (reader.flag()) reader.skip(4);  // mono and stereo mixdown
  }
  if (reader.flag()) reader.skip(3);  // matrix mixdown
  unsigned channels = lfe;
  for (unsigned i = 0; i < front + side + back && reader.ok(); ++i) {
    channels += reader.flag() ? 2 : 1;
    reader.skip(4);
  }
  return reader.ok() ? static_cast<std::uint8_t>(channels) : std::uint8_t{0};
}

}  // namespace

Result<AudioConfig> parse_aac_config(std::span<const std::uint8_t> bytes) {
  BitReader reader(bytes);
  AudioConfig config{.codec = AudioCodec::aac};
  std::uint32_t type = read_object_type(reader);
  config.object_type = static_cast<std::uint8_t>(type);
  config.sample_rate = read_sample_rate(reader);
  const std::uint32_t channel_index = reader.bits(4);
  if (type == kAacSbr || type == kAacPs) {  // the core's type follows the extension's rate
    (void)read_sample_rate(reader);
    type = read_object_type(reader);
  }
  if (!reader.ok()) {
    return fail(ErrorCode::corrupt,
                "AAC configuration: " + std::to_string(bytes.size()) + " octets are too few");
  }
  if (config.sample_rate == 0) {
    return fail(ErrorCode::corrupt, "AAC configuration: a sampling index that is reserved");
  }
  if (type == 0) return fail(ErrorCode::corrupt, "AAC configuration: object type 0");
  config.channels = kChannels[channel_index];
  // GASpecificConfig (s4.4.1)
  const bool short_frames = reader.flag();
  config.samples_per_frame = short_frames ? 960 : 1024;
  if (type == kAacLowDelay) config.samples_per_frame = short_frames ? 480 : 512;
  if (reader.flag()) reader.skip(14);  // dependsOnCoreCoder: coreCoderDelay
  (void)reader.flag();                 // extensionFlag
  if (channel_index == 0) config.channels = read_program_channels(reader);
  return config;
}

Result<AudioConfig> parse_opus_config(std::span<const std::uint8_t> bytes) {
  constexpr std::string_view kMagic = "OpusHead";
  if (bytes.size() < 19 || !std::equal(kMagic.begin(), kMagic.end(), bytes.begin())) {
    return fail(ErrorCode::corrupt, "Opus configuration: no identification header");
  }
  if ((bytes[8] & 0xf0) != 0) {
    return fail(ErrorCode::corrupt, "Opus configuration: its version is not known");
  }
  if (bytes[9] == 0) return fail(ErrorCode::corrupt, "Opus configuration: no channels");
  return AudioConfig{.codec = AudioCodec::opus, .sample_rate = 48000, .channels = bytes[9]};
}

std::uint32_t opus_packet_samples(std::span<const std::uint8_t> head) {
  if (head.empty()) return 0;
  const unsigned config = head[0] >> 3;
  // RFC 6716 table 2, in samples at 48 kHz.
  constexpr std::array<std::uint32_t, 4> kSilk{480, 960, 1920, 2880};
  const std::uint32_t samples = config < 12   ? kSilk[config % 4]
                                : config < 16 ? 480U << (config % 2)
                                              : 120U << (config % 4);
  const unsigned code = head[0] & 3;
  if (code == 0) return samples;
  if (code != 3) return 2 * samples;
  return head.size() < 2 ? 0 : samples * (head[1] & 0x3fU);
}

}  // namespace linkpilot::prober
