#include "prober/media/codec/synthetic_avc.h"

#include <algorithm>
#include <array>

#include "base/assert.h"
#include "prober/media/codec/bit_writer.h"

namespace linkpilot::prober {
namespace {

constexpr std::uint8_t kSpsHeader = 0x67;
constexpr std::uint8_t kPpsHeader = 0x68;
constexpr std::uint8_t kIdrHeader = 0x65;
constexpr std::uint8_t kPredictedHeader = 0x41;
constexpr std::uint8_t kFillerHeader = 0x0c;
constexpr unsigned kFrameNumberBits = 4;
constexpr std::uint32_t kMacroblockSide = 16;

struct LevelLimit {  // H.264 table A-1
  std::uint8_t level;
  std::uint32_t macroblocks_a_second;
  std::uint32_t macroblocks;
};
constexpr std::array<LevelLimit, 7> kLevels{{{30, 40'500, 1'620},
                                             {31, 108'000, 3'600},
                                             {40, 245'760, 8'192},
                                             {42, 522'240, 8'704},
                                             {51, 983'040, 36'864},
                                             {52, 2'073'600, 36'864},
                                             {62, 16'711'680, 139'264}}};

std::uint8_t level_of(std::uint32_t macroblocks, const FrameRate& rate) {
  const std::uint64_t a_second = std::uint64_t{macroblocks} * rate.frames / rate.seconds;
  for (const LevelLimit& limit : kLevels) {
    if (macroblocks <= limit.macroblocks && a_second <= limit.macroblocks_a_second) {
      return limit.level;
    }
  }
  return kLevels.back().level;
}

// H.264 s7.3.3 up to the slice data. slice_type 7 is I, 5 is P, for all slices of the picture.
void write_slice_header(BitWriter& writer, bool idr, std::uint32_t frame_number,
                        std::uint32_t idr_id) {
  writer.ue(0);  // first_mb_in_slice
  writer.ue(idr ? 7 : 5);
  writer.ue(0);  // pic_parameter_set_id
  writer.bits(frame_number, kFrameNumberBits);
  if (idr) {
    writer.ue(idr_id);
    writer.flag(false);  // no_output_of_prior_pics_flag
    writer.flag(false);  // long_term_reference_flag
  } else {
    writer.flag(false);  // num_ref_idx_active_override_flag
    writer.flag(false);  // ref_pic_list_modification_flag_l0
    writer.flag(false);  // adaptive_ref_pic_marking_mode_flag
  }
  writer.se(0);  // slice_qp_delta
  writer.ue(1);  // disable_deblocking_filter_idc
}

std::vector<std::uint8_t> make_pps() {
  BitWriter writer;
  writer.ue(0);        // pic_parameter_set_id
  writer.ue(0);        // seq_parameter_set_id
  writer.flag(false);  // entropy_coding_mode_flag: CAVLC
  writer.flag(false);  // bottom_field_pic_order_in_frame_present_flag
  writer.ue(0);        // num_slice_groups_minus1
  writer.ue(0);        // num_ref_idx_l0_default_active_minus1
  writer.ue(0);        // num_ref_idx_l1_default_active_minus1
  writer.flag(false);  // weighted_pred_flag
  writer.bits(0, 2);   // weighted_bipred_idc
  writer.se(0);        // pic_init_qp_minus26
  writer.se(0);        // pic_init_qs_minus26
  writer.se(0);        // chroma_qp_index_offset
  writer.flag(true);   // deblocking_filter_control_present_flag
  writer.flag(false);  // constrained_intra_pred_flag
  writer.flag(false);  // redundant_pic_cnt_present_flag
  writer.trailing();
  return escape_nal(kPpsHeader, writer.take());
}

// H.264 annex E: a fixed frame rate, and no reordering.
void write_vui(BitWriter& writer, const FrameRate& rate) {
  writer.bits(0, 4);  // aspect ratio, overscan, video signal type, chroma location
  writer.flag(true);  // timing_info_present_flag
  writer.bits(rate.seconds, 32);
  writer.bits(std::uint64_t{2} * rate.frames, 32);  // two ticks a frame
  writer.flag(true);                                // fixed_frame_rate_flag
  writer.bits(0, 3);                                // nal_hrd, vcl_hrd, pic_struct
  writer.flag(true);                                // bitstream_restriction_flag
  writer.flag(true);                                // motion_vectors_over_pic_boundaries_flag
  writer.ue(0);                                     // max_bytes_per_pic_denom: no limit
  writer.ue(0);                                     // max_bits_per_mb_denom
  writer.ue(0);                                     // log2_max_mv_length_horizontal
  writer.ue(0);                                     // log2_max_mv_length_vertical
  writer.ue(0);                                     // max_num_reorder_frames
  writer.ue(1);                                     // max_dec_frame_buffering
}

void append_set(const std::vector<std::uint8_t>& set, std::vector<std::uint8_t>& out) {
  out.push_back(static_cast<std::uint8_t>(set.size() >> 8));
  out.push_back(static_cast<std::uint8_t>(set.size()));
  out.insert(out.end(), set.begin(), set.end());
}

}  // namespace

SyntheticAvc::SyntheticAvc(const SyntheticPicture& picture)
    : picture_(picture),
      macroblocks_x_((picture.width + kMacroblockSide - 1) / kMacroblockSide),
      macroblocks_y_((picture.height + kMacroblockSide - 1) / kMacroblockSide) {
  LP_ASSERT(picture.width % 2 == 0 && picture.height % 2 == 0 && picture.rate.seconds > 0);
}

std::vector<std::uint8_t> SyntheticAvc::sps() const {
  BitWriter writer;
  writer.bits(66, 8);    // Baseline
  writer.bits(0xc0, 8);  // constraint_set0 and 1: Constrained Baseline
  writer.bits(level_of(macroblocks_x_ * macroblocks_y_, picture_.rate), 8);
  writer.ue(0);                     // seq_parameter_set_id
  writer.ue(kFrameNumberBits - 4);  // log2_max_frame_num_minus4
  writer.ue(2);                     // pic_order_cnt_type: output order is decode order
  writer.ue(1);                     // max_num_ref_frames
  writer.flag(false);               // gaps_in_frame_num_value_allowed_flag
  writer.ue(macroblocks_x_ - 1);
  writer.ue(macroblocks_y_ - 1);
  writer.flag(true);  // frame_mbs_only_flag
  writer.flag(true);  // direct_8x8_inference_flag
  const std::uint32_t crop_x = (macroblocks_x_ * kMacroblockSide - picture_.width) / 2;
  const std::uint32_t crop_y = (macroblocks_y_ * kMacroblockSide - picture_.height) / 2;
  const bool cropped = crop_x + crop_y > 0;
  writer.flag(cropped);
  if (cropped) {
    for (const std::uint32_t edge : {0U, crop_x, 0U, crop_y}) writer.ue(edge);
  }
  writer.flag(true);  // vui_parameters_present_flag
  write_vui(writer, picture_.rate);
  writer.trailing();
  return escape_nal(kSpsHeader, writer.take());
}

std::vector<std::uint8_t> SyntheticAvc::config() const {
  const std::vector<std::uint8_t> set = sps();
  std::vector<std::uint8_t> record{1, set[1], set[2], set[3], 0xff, 0xe1};
  append_set(set, record);
  record.push_back(1);
  append_set(make_pps(), record);
  return record;
}

std::vector<std::uint8_t> SyntheticAvc::intra() {
  BitWriter writer;
  write_slice_header(writer, true, 0, idr_id_);
  for (std::uint32_t i = 0; i < macroblocks_x_ * macroblocks_y_; ++i) {
    writer.ue(3);       // mb_type I_16x16_2_0_0: predicted from the mean, no coefficients
    writer.ue(0);       // intra_chroma_pred_mode: the mean
    writer.se(0);       // mb_qp_delta
    writer.flag(true);  // coeff_token: no DC coefficients either (table 9-5, nC 0)
  }
  writer.trailing();
  idr_id_ = (idr_id_ + 1) % 2;  // two IDR pictures in a row must differ
  frame_number_ = 1;
  return escape_nal(kIdrHeader, writer.take());
}

std::vector<std::uint8_t> SyntheticAvc::skipped() {
  BitWriter writer;
  write_slice_header(writer, false, frame_number_, 0);
  writer.ue(macroblocks_x_ * macroblocks_y_);  // mb_skip_run
  writer.trailing();
  frame_number_ = (frame_number_ + 1) % (1U << kFrameNumberBits);
  return escape_nal(kPredictedHeader, writer.take());
}

std::vector<std::uint8_t> make_filler(std::uint32_t octets) {
  LP_ASSERT(octets >= 2);
  std::vector<std::uint8_t> nal(octets, 0xff);
  nal.front() = kFillerHeader;
  nal.back() = 0x80;
  return nal;
}

void append_nal(const std::vector<std::uint8_t>& nal, std::vector<std::uint8_t>& out) {
  for (unsigned i = 4; i-- > 0;) {
    out.push_back(static_cast<std::uint8_t>(nal.size() >> (8 * i)));
  }
  out.insert(out.end(), nal.begin(), nal.end());
}

}  // namespace linkpilot::prober
