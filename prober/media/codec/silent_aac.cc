#include "prober/media/codec/silent_aac.h"

#include <algorithm>
#include <array>

#include "prober/media/codec/bit_writer.h"

namespace linkpilot::prober {
namespace {

constexpr std::array<std::uint32_t, 13> kAacRates{96000, 88200, 64000, 48000, 44100, 32000, 24000,
                                                  22050, 16000, 12000, 11025, 8000,  7350};
constexpr std::uint32_t kFillMax = 269;  // 15 + 255 - 1

void write_ics_info(BitWriter& writer) {
  writer.flag(false);  // ics_reserved_bit
  writer.bits(0, 2);   // window_sequence: ONLY_LONG
  writer.flag(false);  // window_shape: sine
  writer.bits(0, 6);   // max_sfb: no spectrum
  writer.flag(false);  // predictor_data_present
}

// individual_channel_stream behind its global_gain and window: no pulses, TNS or gain control.
void write_empty_tools(BitWriter& writer) { writer.bits(0, 3); }

void write_silence(BitWriter& writer, bool stereo) {
  writer.bits(stereo ? 1 : 0, 3);  // ID_CPE or ID_SCE
  writer.bits(0, 4);               // element_instance_tag
  if (stereo) {
    writer.flag(true);  // common_window
    write_ics_info(writer);
    writer.bits(0, 2);  // ms_mask_present
  }
  for (int channel = 0; channel < (stereo ? 2 : 1); ++channel) {
    writer.bits(0, 8);  // global_gain
    if (!stereo) write_ics_info(writer);
    write_empty_tools(writer);
  }
}

// fill_element with EXT_FILL: its four type bits are zeros, like the filling.
void write_fill(BitWriter& writer, std::uint32_t count) {
  writer.bits(6, 3);  // ID_FIL
  if (count < 15) {
    writer.bits(count, 4);
  } else {
    writer.bits(15, 4);
    writer.bits(count - 14, 8);
  }
  for (std::uint32_t i = 0; i < count; ++i) writer.bits(0, 8);
}

}  // namespace

std::vector<std::uint8_t> SilentAac::config() const {
  const auto rate = std::ranges::find(kAacRates, sample_rate);
  if (rate == kAacRates.end() || channels < 1 || channels > 2) return {};
  BitWriter writer;
  writer.bits(2, 5);  // AAC LC
  writer.bits(static_cast<std::uint64_t>(rate - kAacRates.begin()), 4);
  writer.bits(channels, 4);
  writer.bits(0, 3);  // frames of 1024, no core coder, no extension
  return writer.take();
}

std::vector<std::uint8_t> SilentAac::frame(std::uint32_t octets) const {
  BitWriter writer;
  const bool stereo = channels == 2;
  write_silence(writer, stereo);
  constexpr std::uint32_t kSilenceOctets = 7;
  std::uint32_t left = octets > kSilenceOctets ? octets - kSilenceOctets : 0;
  while (left >= 3) {
    const std::uint32_t count = std::min(left - 2, kFillMax);
    write_fill(writer, count);
    left -= count + 2;
  }
  writer.bits(7, 3);  // ID_END
  return writer.take();
}

}  // namespace linkpilot::prober
