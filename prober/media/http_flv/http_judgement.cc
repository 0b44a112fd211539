#include "prober/media/http_flv/http_judgement.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "prober/media/http_flv/body_start.h"
#include "prober/media/rtmp/printable.h"

namespace linkpilot::prober {
namespace {

constexpr std::size_t kShownFieldsMax = 64;

DialFailure at_response(DialFault kind, std::string code, std::string sentence) {
  return {.stage = DialStage::response,
          .kind = kind,
          .code = std::move(code),
          .sentence = std::move(sentence)};
}

DialFault kind_of_status(int status) {
  switch (status) {
    case 401:
    case 407:
      return DialFault::authentication;
    case 403:
    case 451:
      return DialFault::denied;
    case 404:
    case 410:
      return DialFault::not_found;
    case 409:
    case 429:
    case 503:
      return DialFault::busy;
    default:
      return DialFault::http_status;
  }
}

std::string sentence_of_status(int status, const std::string& said) {
  switch (kind_of_status(status)) {
    case DialFault::authentication:
      return fmt::format("the server wants credentials ({}); check user, password or token", said);
    case DialFault::denied:
      return fmt::format(
          "the server denies this stream ({}); check the token, its expiry and the address "
          "it was issued for",
          said);
    case DialFault::not_found:
      return fmt::format(
          "the server has no such stream ({}); check the path, and whether it is "
          "published",
          said);
    case DialFault::busy:
      return fmt::format("the server turns viewers away ({}); it is overloaded or limits us", said);
    default:
      break;
  }
  if (status == 204 || status == 205 || status == 304) {
    return fmt::format("the server answers without a body ({})", said);
  }
  if (status == 206) {
    return fmt::format("the server answers with a part of a file ({}) that nobody asked for", said);
  }
  if (status >= 500) return fmt::format("the server failed ({}); look at its own log", said);
  return fmt::format("the server answers {} instead of a stream", said);
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

HeadJudgement judge_redirect(const ResponseHead& head, const HttpUrl& url,
                             const std::vector<std::string>& visited, ClearRedirect clear) {
  const std::string code = std::to_string(head.status());
  const auto refuse = [&code](std::string sentence) {
    return HeadJudgement{.failure = at_response(DialFault::redirected, code, std::move(sentence)),
                         .next = {},
                         .notices = {}};
  };
  const std::string* location = head.find("location");
  if (location == nullptr) {
    return refuse(fmt::format("the server redirects ({}) without saying where to", code));
  }
  auto next = resolve_location(url, *location);
  if (!next) {
    return refuse(fmt::format("the server redirects to where this dial cannot follow: {}",
                              next.error().message));
  }
  const std::string text = next->text();
  if (std::find(visited.begin(), visited.end(), text) != visited.end()) {
    return refuse(fmt::format("the servers redirect in a circle, back to {}", next->masked()));
  }
  if (visited.size() >= kHttpHopsMax) {
    return refuse(fmt::format("more than {} redirects; the next would be {}", kHttpHopsMax - 1,
                              next->masked()));
  }
  HeadJudgement judgement;
  if (url.tls && !next->tls) {
    if (clear == ClearRedirect::refuse) {
      return refuse(fmt::format(
          "the server redirects from https to http, to {}; what the URL holds would be readable on "
          "the way",
          next->masked()));
    }
    judgement.notices.push_back("redirected from https to http");
  }
  judgement.next = std::move(*next);
  return judgement;
}

bool is_flv_type(std::string_view type) {
  constexpr std::array<std::string_view, 6> kTypes{"",
                                                   "video/x-flv",
                                                   "video/flv",
                                                   "application/octet-stream",
                                                   "flv-application/octet-stream",
                                                   "binary/octet-stream"};
  return std::find(kTypes.begin(), kTypes.end(), type) != kTypes.end();
}

void note_oddities(const ResponseHead& head, HeadJudgement& judgement) {
  const std::string type = head.media_type();
  if (!is_flv_type(type)) {
    judgement.notices.push_back(fmt::format("content type {}", type));
  }
  if (head.is_chunked() && head.find("content-length") != nullptr) {
    judgement.notices.push_back("both Content-Length and chunked; chunked counts");
  }
  if (const std::string* coding = head.find("content-encoding");
      coding != nullptr && *coding != "identity") {
    judgement.notices.push_back(
        fmt::format("content coding {}, which was not asked for", rtmp::printable(*coding)));
  }
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

DialFailure tls_fault(const TransferEnd& end) {
  DialFailure failure{.stage = DialStage::tls,
                      .kind = DialFault::tls_failed,
                      .code = end.detail,
                      .sentence = "the TLS handshake failed: " + end.detail};
  // OpenSSL's words for octets that are no TLS record.
  for (const char* words : {"wrong version number", "packet length too long", "http request",
                            "unknown protocol", "record layer failure"}) {
    if (!contains(end.detail, words)) continue;
    failure.kind = DialFault::not_tls;
    failure.sentence = "what listens there does not speak TLS; is it http:// ?";
  }
  if (end.os_error == ECONNRESET || contains(end.detail, "reset by peer")) {
    failure.kind = DialFault::reset;
    failure.sentence = "the server reset the connection during the TLS handshake";
  } else if (contains(end.detail, "unexpected eof") || contains(end.detail, "SSL_ERROR_SYSCALL")) {
    failure.kind = DialFault::closed;
    failure.sentence = "the server closed the connection during the TLS handshake";
  }
  return failure;
}

}  // namespace

HeadJudgement judge_head(const ResponseHead& head, const HttpUrl& url,
                         const std::vector<std::string>& visited, ClearRedirect clear) {
  if (is_redirect(head.status())) return judge_redirect(head, url, visited, clear);
  HeadJudgement judgement;
  if (head.status() != 200) {
    const std::string said =
        url.redact(head.reason().empty() ? std::to_string(head.status())
                                         : fmt::format("{} {}", head.status(), head.reason()));
    judgement.failure = at_response(kind_of_status(head.status()), std::to_string(head.status()),
                                    sentence_of_status(head.status(), said));
    return judgement;
  }
  note_oddities(head, judgement);
  return judgement;
}

DialFailure not_flv(const ResponseHead& head, std::span<const std::uint8_t> start,
                    std::string_view why) {
  const BodyKind kind = kind_of_body(start);
  std::string said = head.media_type();
  DialFailure failure{
      .stage = DialStage::flv_header, .kind = DialFault::not_flv, .code = said, .sentence = {}};
  if (kind == BodyKind::flv) {
    failure.sentence = fmt::format("the body begins as FLV and breaks its rules: {}", why);
    return failure;
  }
  failure.sentence = fmt::format("the server answers 200 with {} instead of FLV{}", words_of(kind),
                                 said.empty() ? "" : fmt::format(" (content type {})", said));
  switch (kind) {
    case BodyKind::html:
      failure.sentence += "; a login page, a captive portal or an error page";
      break;
    case BodyKind::playlist:
      failure.sentence += "; this URL is one for HLS";
      break;
    case BodyKind::empty:
      failure.sentence += "; is the stream published?";
      break;
    default:
      break;
  }
  return failure;
}

std::optional<DialFailure> judge_transfer(const TransferEnd& end, ExchangeStage stage,
                                          bool has_flv_header) {
  if (end.code == CURLE_OK) return std::nullopt;
  if (stage == ExchangeStage::tls) return tls_fault(end);
  DialFailure failure;
  failure.code = end.detail;
  failure.kind = DialFault::protocol;
  const char* where = "";
  switch (stage) {
    case ExchangeStage::tls:
    case ExchangeStage::request:
      failure.stage = DialStage::request;
      where = "while the request was sent";
      break;
    case ExchangeStage::response:
      failure.stage = DialStage::response;
      where = "before it had answered";
      break;
    case ExchangeStage::body:
      failure.stage = has_flv_header ? DialStage::media : DialStage::flv_header;
      where = has_flv_header ? "while the stream ran" : "before the stream began";
      break;
  }
  const bool was_reset = end.os_error == ECONNRESET || contains(end.detail, "reset by peer");
  switch (end.code) {
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
      failure.kind = DialFault::not_http;
      failure.sentence = fmt::format("what listens there does not speak HTTP: {}", end.detail);
      return failure;
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
      break;
    case CURLE_OUT_OF_MEMORY:
    case CURLE_FAILED_INIT:
      failure.kind = DialFault::internal;
      failure.sentence = fmt::format("this machine cannot: {}", end.detail);
      return failure;
    default:
      if (was_reset)
        break;  // seen while libcurl looks whether it is connected, it is no RECV_ERROR
      failure.sentence = fmt::format("the server broke HTTP {}: {}", where, end.detail);
      return failure;
  }
  if (was_reset) {
    failure.kind = DialFault::reset;
    failure.sentence = fmt::format("the server reset the connection {}", where);
  } else if (end.code == CURLE_RECV_ERROR &&
             (contains(end.detail, "chunk") || contains(end.detail, "hexadecimal"))) {
    failure.sentence = fmt::format("the server broke HTTP {}: {}", where, end.detail);
  } else {
    failure.kind = DialFault::closed;
    failure.sentence = fmt::format("the server closed the connection {}", where);
  }
  return failure;
}

std::vector<std::pair<std::string, std::string>> shown_fields(const ResponseHead& head,
                                                              const HttpUrl& url) {
  std::vector<std::pair<std::string, std::string>> shown;
  for (const auto& [name, value] : head.fields()) {
    if (shown.size() >= kShownFieldsMax) break;
    std::string key = rtmp::printable(name);
    std::string lowered = key;
    std::transform(lowered.begin(), lowered.end(), lowered.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    const bool secret = lowered.find("cookie") != std::string::npos ||
                        lowered.find("authenticat") != std::string::npos ||
                        lowered.find("authoriz") != std::string::npos;
    shown.emplace_back(std::move(key),
                       secret ? "***" : rtmp::printable(mask_queries(url.redact(value))));
  }
  return shown;
}

}  // namespace linkpilot::prober
