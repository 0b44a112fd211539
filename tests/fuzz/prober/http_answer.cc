// What a web server sends a dial: the head line by line as libcurl would hand it on, its redirect,
// and the first octets of its body. Input: URL, newline, head and body as on the wire.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/assert.h"
#include "prober/media/http_flv/body_start.h"
#include "prober/media/http_flv/http_judgement.h"
#include "tests/fuzz/fuzz_target.h"

using namespace linkpilot::prober;

namespace {

void judge(const HttpUrl& url, const ResponseHead& head, std::string_view body) {
  LP_ASSERT(head.fields().size() <= kHeadLinesMax);
  for (const auto& [name, value] : shown_fields(head, url)) {
    for (const char c : name + value) LP_ASSERT(c >= ' ' && c <= '~');
  }
  (void)head.content_length();
  (void)head.is_chunked();
  for (const ClearRedirect mode : {ClearRedirect::refuse, ClearRedirect::follow}) {
    const HeadJudgement judgement = judge_head(head, url, {url.text()}, mode);
    LP_ASSERT(!(judgement.failure && judgement.next));
    if (judgement.failure) LP_ASSERT(!judgement.failure->sentence.empty());
    if (!judgement.next) continue;
    // What is followed is a URL like any other, and its text means the same again.
    const auto again = parse_http_url(judgement.next->text());
    LP_ASSERT(again && again->text() == judgement.next->text());
    LP_ASSERT(mode == ClearRedirect::follow || judgement.next->tls || !url.tls);
  }
  const auto* octets = reinterpret_cast<const std::uint8_t*>(body.data());
  const DialFailure failure =
      not_flv(head, {octets, std::min(body.size(), kBodyStartOctets)}, "fuzz");
  LP_ASSERT(failure.kind == DialFault::not_flv);
}

}  // namespace

FUZZ_TARGET(http_answer, data, size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t end = std::min(text.find('\n'), text.size());
  const auto parsed = parse_http_url(text.substr(0, end));
  if (parsed) {
    const auto again = parse_http_url(parsed->text());
    LP_ASSERT(again && again->text() == parsed->text());
    (void)parsed->masked();
  }
  const HttpUrl url = parsed ? *parsed : parse_http_url("https://a/b/c.flv?token=secret").value();
  text = text.substr(std::min(end + 1, text.size()));
  (void)url.redact(mask_queries(text));
  ResponseHead head;
  while (!text.empty() && !head.complete()) {
    const std::size_t line = std::min(text.find('\n'), text.size() - 1) + 1;
    if (!head.take(text.substr(0, line))) return 0;
    text = text.substr(line);
  }
  if (head.complete()) judge(url, head, text);
  return 0;
}
