// The bodies of the commands a client sends (RTMP 7.2), as pure functions of what they say.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "prober/media/rtmp/rtmp_url.h"

namespace linkpilot::rtmp {

enum class Direction : std::uint8_t { pull, push };

using CommandBody = std::vector<std::uint8_t>;

struct ConnectRequest {
  Direction direction = Direction::pull;
  std::string app;
  std::string tc_url;
  std::string page_url;  // left out if empty; some CDNs ask for it
  std::string swf_url;
};

// `connect`, transaction 1, with the capabilities of E-RTMP ("Enhancing NetConnection connect"):
// all of its codecs, Reconnect, Multitrack, ModEx and TimestampNanoOffset. We only look at the
// stream, so nothing is beyond us to receive.
[[nodiscard]] CommandBody connect_command(const ConnectRequest& request);

// A call whose only arguments are null and, unless `text` is empty, that text: createStream,
// releaseStream, FCPublish, FCUnpublish, FCSubscribe.
[[nodiscard]] CommandBody call_command(std::string_view name, double transaction,
                                       std::string_view text = {});
// play: live if there is such a stream, else recorded (start -2000, in ms, as other clients say
// it).
[[nodiscard]] CommandBody play_command(double transaction, std::string_view stream);
[[nodiscard]] CommandBody publish_command(double transaction, std::string_view stream);
[[nodiscard]] CommandBody delete_stream_command(double transaction, std::uint32_t stream);
// `_result` with null, to a server's call that wants one.
[[nodiscard]] CommandBody null_result(double transaction);

}  // namespace linkpilot::rtmp
