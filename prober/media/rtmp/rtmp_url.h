// rtmp:// and rtmps:// URLs, taken apart as servers expect and never re-encoded: what stands in
// app, stream and their queries goes to the server verbatim, because vhosts and authentication
// tokens live there.
//
// The stream is what follows the last '/' before any query; a query after it belongs to the stream
// ("live/name?token=a/b"). If only one segment stands before the query ("app?vhost=h/name"), the
// query belongs to the app and ends at the next '/'.
//
// Queries, passwords and, if asked, stream names are secrets: `masked` is what people may see.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace linkpilot::rtmp {

constexpr std::size_t kUrlOctetsMax = 4096;
constexpr std::uint16_t kRtmpPort = 1935;  // IANA
constexpr std::uint16_t kRtmpsPort = 443;  // as Adobe's clients and OBS take it

enum class StreamName : std::uint8_t { show, hide };

struct RtmpUrl {
  bool tls = false;
  std::string host;  // without brackets; as the server shall see it, whatever address is dialled
  std::uint16_t port = kRtmpPort;
  std::string app;     // with its query
  std::string stream;  // with its query; empty if the URL names an application only
  std::string user;    // percent-decoded; for authentication, never part of tcUrl
  std::string password;

  // "rtmp://host[:port]/app": what `connect` carries; the port only if it is not the scheme's.
  [[nodiscard]] std::string tc_url() const;
  // tc_url and the stream; without user and password.
  [[nodiscard]] std::string text() const;
  // The same with the values of all queries but vhost as ***, and the stream too if it is to be
  // hidden (a publisher's stream name often is its key).
  [[nodiscard]] std::string masked(StreamName name = StreamName::show) const;
  // Text of a server, with each secret of this URL that it repeats as ***.
  [[nodiscard]] std::string redact(std::string_view text, StreamName name = StreamName::show) const;

  friend bool operator==(const RtmpUrl&, const RtmpUrl&) = default;
};

// What a URL must name.
enum class UrlExtent : std::uint8_t { stream, application };

// Errors name what is wrong without repeating secrets.
[[nodiscard]] Result<RtmpUrl> parse_rtmp_url(std::string_view text,
                                             UrlExtent extent = UrlExtent::stream);

}  // namespace linkpilot::rtmp
