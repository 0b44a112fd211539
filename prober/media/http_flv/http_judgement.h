// What an HTTP exchange means for a dial: redirects with their rules, statuses, bodies that are no
// FLV, and libcurl's results as stage, kind and code. Pure.
//
// A redirect is followed at most kHttpHopsMax - 1 times, never in a circle, never away from HTTP,
// and from https to http only if that is allowed: a token would cross the network in clear.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "prober/media/dial/dial_report.h"
#include "prober/media/dial/dial_request.h"
#include "prober/media/http_flv/http_url.h"
#include "prober/media/http_flv/response_head.h"

namespace linkpilot::prober {

constexpr std::size_t kHttpHopsMax = 6;

enum class ClearRedirect : std::uint8_t { refuse, follow };

struct HeadJudgement {
  std::optional<DialFailure> failure;
  std::optional<HttpUrl> next;       // where to go instead
  std::vector<std::string> notices;  // what is odd and changes nothing
};

// Of a complete head. `visited` holds the text of each URL of this dial, the present one too.
[[nodiscard]] HeadJudgement judge_head(const ResponseHead& head, const HttpUrl& url,
                                       const std::vector<std::string>& visited,
                                       ClearRedirect clear);

// The body is not FLV; `start` holds its first octets, `why` the demuxer's words.
[[nodiscard]] DialFailure not_flv(const ResponseHead& head, std::span<const std::uint8_t> start,
                                  std::string_view why);

// How far an exchange came.
enum class ExchangeStage : std::uint8_t { tls, request, response, body };

struct TransferEnd {
  int code = 0;        // CURLcode
  int os_error = 0;    // errno of the connection; 0: none
  std::string detail;  // libcurl's words, printable
};

// Nothing if the body ended as its framing says. `stage` of a body fault is media, or flv_header
// before the nine octets.
[[nodiscard]] std::optional<DialFailure> judge_transfer(const TransferEnd& end, ExchangeStage stage,
                                                        bool has_flv_header);

// Response fields as a report may show them: the first 64, shortened, without secrets.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> shown_fields(
    const ResponseHead& head, const HttpUrl& url);

}  // namespace linkpilot::prober
