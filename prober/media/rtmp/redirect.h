// Where a server sends its clients, and whether they should go there: pure functions.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "prober/media/rtmp/rtmp_url.h"

namespace linkpilot::rtmp {

constexpr std::size_t kHopsMax = 5;

// Both forms of a 302. FMS gives `redirect`, a tcUrl: the stream stays the same. SRS adds
// `redirect2`, the whole URL, which wins. Credentials do not travel to the new server. A tcUrl that
// ends in the stream already (as some servers write it) is not given it twice.
[[nodiscard]] Result<RtmpUrl> resolve_redirect(const RtmpUrl& from, std::string_view redirect,
                                               std::string_view redirect2);

// E-RTMP, "Reconnect Request": tcUrl is absolute, relative to the present one, or absent, which
// means the same again.
[[nodiscard]] Result<RtmpUrl> resolve_reconnect(const RtmpUrl& from, std::string_view tc_url);

// Whether `next` may follow after `visited` (the texts of the URLs dialled so far, the present one
// included): a hop limit, and no URL twice.
[[nodiscard]] Status check_hop(std::span<const std::string> visited, const RtmpUrl& next,
                               std::size_t hops_max = kHopsMax);

}  // namespace linkpilot::rtmp
