#include "agent/exporter/ask.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/address.h"
#include "base/url_text.h"

namespace linkpilot::agent {
namespace {

constexpr std::string_view kPatienceField = "x-prometheus-scrape-timeout-seconds";
constexpr double kPatienceMaxSeconds = 3600;

Ask refuse_ask(int status, std::string words) {
  Ask ask;
  ask.status = status;
  ask.words = std::move(words);
  return ask;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) {
    text.remove_suffix(1);
  }
  return text;
}

// The first value of that name (application/x-www-form-urlencoded); nothing if there is none.
std::optional<std::string> parameter(std::string_view target, std::string_view name) {
  std::optional<std::string> found;
  each_parameter(target, "&", [&](std::string_view key, std::string_view value) {
    // A word without '=' is a name without a value.
    const bool bare = key.empty();
    if (found || percent_decoded(bare ? value : key, PlusSign::blank) != name) return;
    found = bare ? std::string() : percent_decoded(value, PlusSign::blank);
  });
  return found;
}

struct Fields {
  std::optional<std::string> host;
  std::optional<Duration> patience;
};

std::optional<Duration> read_seconds(std::string_view text) {
  double seconds = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (parsed.ec != std::errc() || !(seconds > 0)) return std::nullopt;
  return std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(std::min(seconds, kPatienceMaxSeconds)));
}

Fields read_fields(std::string_view lines) {
  Fields fields;
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    const std::string_view line = lines.substr(0, end);
    lines = lines.substr(std::min(end + 1, lines.size()));
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string name = lower_case(trim(line.substr(0, colon)));
    const std::string_view value = trim(line.substr(colon + 1));
    if (name == "host" && !fields.host) fields.host = lower_case(value);
    if (name == kPatienceField) fields.patience = read_seconds(value);
  }
  return fields;
}

bool is_local_name(const std::string& host) {
  const auto authority = parse_authority(host);
  return authority && authority->user.empty() &&
         (same_host(authority->host, "localhost") || IpAddress::parse(authority->host).has_value());
}

}  // namespace

Ask read_ask(std::string_view head) {
  const std::size_t end = std::min(head.find('\n'), head.size());
  const std::string_view line = trim(head.substr(0, end));
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || last == first ||
      !line.substr(last + 1).starts_with("HTTP/1.")) {
    return refuse_ask(400, "this is no HTTP/1.1 request");
  }
  if (line.substr(0, first) != "GET") return refuse_ask(405, "only GET is served");
  const Fields fields = read_fields(head.substr(std::min(end + 1, head.size())));
  if (!fields.host || !is_local_name(*fields.host)) {
    return refuse_ask(403, "the Host must be an address or localhost");
  }
  const std::string_view target = trim(line.substr(first + 1, last - first - 1));
  const std::size_t mark = std::min(target.find('?'), target.size());
  const std::string_view path = target.substr(0, mark);
  Ask ask;
  if (path == "/metrics") {
    ask.kind = AskKind::metrics;
    return ask;
  }
  if (path != "/probe") {
    return refuse_ask(404, "there are /probe?module=NAME&target=URL and /metrics");
  }
  ask.module = parameter(target, "module").value_or(kDefaultModule);
  ask.target = parameter(target, "target").value_or("");
  ask.patience = fields.patience;
  if (ask.target.empty()) return refuse_ask(400, "target is missing: the URL to dial");
  ask.kind = AskKind::dial;
  return ask;
}

}  // namespace linkpilot::agent
