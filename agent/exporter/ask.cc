#include "agent/exporter/ask.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/address.h"

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

std::string lowered(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return lower;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) {
    text.remove_suffix(1);
  }
  return text;
}

// application/x-www-form-urlencoded.
std::string decode_query(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::uint8_t value = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16).ptr ==
            text.data() + i + 3) {
      decoded.push_back(static_cast<char>(value));
      i += 2;
    } else {
      decoded.push_back(text[i] == '+' ? ' ' : text[i]);
    }
  }
  return decoded;
}

// The first value of that name; nothing if there is none.
std::optional<std::string> parameter(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query = query.substr(std::min(end + 1, query.size()));
    const std::size_t equals = std::min(pair.find('='), pair.size());
    if (decode_query(pair.substr(0, equals)) == name) {
      return decode_query(pair.substr(std::min(equals + 1, pair.size())));
    }
  }
  return std::nullopt;
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
    const std::string name = lowered(trim(line.substr(0, colon)));
    const std::string_view value = trim(line.substr(colon + 1));
    if (name == "host" && !fields.host) fields.host = lowered(value);
    if (name == kPatienceField) fields.patience = read_seconds(value);
  }
  return fields;
}

bool is_local_name(const std::string& host) {
  std::string name = host;
  if (name.starts_with('[')) {
    const std::size_t close = name.find(']');
    if (close == std::string::npos) return false;
    name = name.substr(1, close - 1);
  } else if (const std::size_t colon = name.find(':'); colon != std::string::npos) {
    name.resize(colon);
  }
  return name == "localhost" || IpAddress::parse(name).has_value();
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
  const std::string_view query = target.substr(std::min(mark + 1, target.size()));
  Ask ask;
  if (path == "/metrics") {
    ask.kind = AskKind::metrics;
    return ask;
  }
  if (path != "/probe") {
    return refuse_ask(404, "there are /probe?module=NAME&target=URL and /metrics");
  }
  ask.module = parameter(query, "module").value_or(kDefaultModule);
  ask.target = parameter(query, "target").value_or("");
  ask.patience = fields.patience;
  if (ask.target.empty()) return refuse_ask(400, "target is missing: the URL to dial");
  ask.kind = AskKind::dial;
  return ask;
}

}  // namespace linkpilot::agent
