#include "prober/media/codec/codec_config.h"

namespace linkpilot::prober {

std::string_view to_string(VideoCodec codec) {
  switch (codec) {
    case VideoCodec::unknown:
      return "unknown";
    case VideoCodec::h263:
      return "h263";
    case VideoCodec::screen:
      return "screen";
    case VideoCodec::vp6:
      return "vp6";
    case VideoCodec::vp8:
      return "vp8";
    case VideoCodec::vp9:
      return "vp9";
    case VideoCodec::avc:
      return "avc";
    case VideoCodec::hevc:
      return "hevc";
    case VideoCodec::vvc:
      return "vvc";
    case VideoCodec::av1:
      return "av1";
  }
  return "unknown";
}

std::string_view to_string(AudioCodec codec) {
  switch (codec) {
    case AudioCodec::unknown:
      return "unknown";
    case AudioCodec::pcm:
      return "pcm";
    case AudioCodec::adpcm:
      return "adpcm";
    case AudioCodec::mp3:
      return "mp3";
    case AudioCodec::nellymoser:
      return "nellymoser";
    case AudioCodec::g711:
      return "g711";
    case AudioCodec::speex:
      return "speex";
    case AudioCodec::aac:
      return "aac";
    case AudioCodec::opus:
      return "opus";
    case AudioCodec::flac:
      return "flac";
    case AudioCodec::ac3:
      return "ac3";
    case AudioCodec::eac3:
      return "eac3";
  }
  return "unknown";
}

bool needs_config(VideoCodec codec) {
  return codec == VideoCodec::avc || codec == VideoCodec::hevc || codec == VideoCodec::vvc ||
         codec == VideoCodec::av1;
}

bool needs_config(AudioCodec codec) {
  return codec == AudioCodec::aac || codec == AudioCodec::flac;
}

}  // namespace linkpilot::prober
