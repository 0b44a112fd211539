#include "prober/media/rtmp/commands.h"

#include <array>

#include "prober/media/rtmp/amf0.h"

namespace linkpilot::rtmp {
namespace {

// RTMP 7.2.1.1. Servers choose what to send by these names, so they are those of the players and
// encoders that servers know.
constexpr std::string_view kPlayerVersion = "LNX 9,0,124,2";
constexpr std::string_view kEncoderVersion = "FMLE/3.0 (compatible; LinkPilot)";
constexpr double kCapabilities = 15;
constexpr double kAudioCodecs = 4071;  // every one but the unused numbers
constexpr double kVideoCodecs = 252;   // every one
constexpr double kVideoFunction = 1;   // seeking by time

// E-RTMP: FourCcInfoMask CanDecode; CapsExMask Reconnect | Multitrack | ModEx |
// TimestampNanoOffset.
constexpr double kCanDecode = 1;
constexpr double kCapsEx = 1 | 2 | 4 | 8;
constexpr std::array<std::string_view, 6> kVideoFourCcs{"av01", "avc1", "hvc1",
                                                        "vp08", "vp09", "vvc1"};
constexpr std::array<std::string_view, 6> kAudioFourCcs{"ac-3", "ec-3", "fLaC",
                                                        ".mp3", "mp4a", "Opus"};

void write_enhanced(AmfWriter& writer) {
  writer.name("fourCcList").strict_array(kVideoFourCcs.size() + kAudioFourCcs.size());
  for (const std::string_view code : kVideoFourCcs) writer.text(code);
  for (const std::string_view code : kAudioFourCcs) writer.text(code);
  writer.name("videoFourCcInfoMap").object();
  for (const std::string_view code : kVideoFourCcs) writer.name(code).number(kCanDecode);
  writer.end().name("audioFourCcInfoMap").object();
  for (const std::string_view code : kAudioFourCcs) writer.name(code).number(kCanDecode);
  writer.end().name("capsEx").number(kCapsEx);
}

}  // namespace

CommandBody connect_command(const ConnectRequest& request) {
  CommandBody body;
  AmfWriter writer(body);
  writer.text("connect").number(1).object();
  writer.name("app").text(request.app);
  if (request.direction == Direction::push) {
    writer.name("type").text("nonprivate");
    writer.name("flashVer").text(kEncoderVersion);
  } else {
    writer.name("flashVer").text(kPlayerVersion);
  }
  if (!request.swf_url.empty()) writer.name("swfUrl").text(request.swf_url);
  writer.name("tcUrl").text(request.tc_url);
  if (!request.page_url.empty()) writer.name("pageUrl").text(request.page_url);
  writer.name("fpad").boolean(false);
  writer.name("capabilities").number(kCapabilities);
  writer.name("audioCodecs").number(kAudioCodecs);
  writer.name("videoCodecs").number(kVideoCodecs);
  writer.name("videoFunction").number(kVideoFunction);
  writer.name("objectEncoding").number(0);
  write_enhanced(writer);
  writer.end();
  return body;
}

CommandBody call_command(std::string_view name, double transaction, std::string_view text) {
  CommandBody body;
  AmfWriter writer(body);
  writer.text(name).number(transaction).null();
  if (!text.empty()) writer.text(text);
  return body;
}

CommandBody play_command(double transaction, std::string_view stream) {
  CommandBody body;
  AmfWriter(body).text("play").number(transaction).null().text(stream).number(-2000);
  return body;
}

CommandBody publish_command(double transaction, std::string_view stream) {
  CommandBody body;
  AmfWriter(body).text("publish").number(transaction).null().text(stream).text("live");
  return body;
}

CommandBody delete_stream_command(double transaction, std::uint32_t stream) {
  CommandBody body;
  AmfWriter(body).text("deleteStream").number(transaction).null().number(stream);
  return body;
}

CommandBody null_result(double transaction) {
  CommandBody body;
  AmfWriter(body).text("_result").number(transaction).null().null();
  return body;
}

}  // namespace linkpilot::rtmp
