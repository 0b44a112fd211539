#include "tools/linkpilot/support/redact.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "base/url_text.h"

namespace linkpilot::cli {

namespace {

constexpr std::size_t kHexMin = 32;       // 128 bits
constexpr std::size_t kCurveLength = 40;  // Z85 of 32 octets
constexpr std::array<std::string_view, 11> kSecretNames{
    "password", "passwd",  "passphrase", "secret",    "token",     "credential",
    "apikey",   "api_key", "private",    "streamkey", "stream_key"};

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-';
}
bool is_hex(char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; }
// What ends a URL or a key in prose, TOML, JSON and logs.
bool ends_token(char c) {
  return std::isspace(static_cast<unsigned char>(c)) != 0 || c == '"' || c == '\'' || c == '\\' ||
         c == '`';
}

// The alphabet of Z85 (ZeroMQ RFC 32), less what ends a token.
bool is_z85(char c) {
  constexpr std::string_view kOthers = ".-:+=^!/*?&<>()[]{}@%$#";
  return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
         kOthers.find(c) != std::string_view::npos;
}

bool names_secret(std::string_view name) {
  const std::string lower = lower_case(name);
  // A path to a secret is none, a public key neither.
  if (lower.ends_with("_file") || lower.ends_with("_directory")) return false;
  if (std::ranges::any_of(kSecretNames, [&](std::string_view word) {
        return lower.find(word) != std::string::npos;
      })) {
    return true;
  }
  return lower == "authorization" || lower == "pass" || lower == "pwd" || lower == "key";
}

std::string without_pem(std::string_view text) {
  constexpr std::string_view kBegin = "-----BEGIN ";
  constexpr std::string_view kEnd = "-----END ";
  std::string out;
  while (!text.empty()) {
    const std::size_t begin = text.find(kBegin);
    out += text.substr(0, begin);
    if (begin == std::string_view::npos) break;
    text.remove_prefix(begin);
    const std::size_t title = std::min(text.find('\n'), text.size());
    const std::size_t end = text.find(kEnd);
    const bool is_private = text.substr(0, title).find("PRIVATE") != std::string_view::npos;
    // Without an end the rest is taken for the key.
    const std::size_t line = end == std::string_view::npos ? text.size() : text.find('\n', end);
    const std::size_t stop = std::min(line, text.size());
    out += is_private ? kRedacted : text.substr(0, stop);
    text.remove_prefix(stop);
  }
  return out;
}

// scheme://***@host:port/***; rtmp keeps its application, which is no secret and says much.
std::string shown_url(std::string_view scheme, std::string_view rest) {
  const std::size_t path = std::min(rest.find_first_of("/?#"), rest.size());
  std::string_view authority = rest.substr(0, path);
  std::string out = std::string(scheme) + "://";
  if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
    out += std::string(kRedacted) + "@";
    authority.remove_prefix(at + 1);
  }
  out += authority;
  std::string_view tail = rest.substr(path);
  if (tail.empty() || tail == "/") return out + std::string(tail);
  if (scheme.starts_with("rtmp") && tail.front() == '/') {
    const std::size_t application = std::min(tail.find_first_of("/?#", 1), tail.size());
    out += tail.substr(0, application);
    tail.remove_prefix(application);
    if (tail.empty()) return out;
    return out + "/" + std::string(kRedacted);
  }
  return out + "/" + std::string(kRedacted);
}

std::string without_url_secrets(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t mark = text.find("://");
    if (mark == std::string_view::npos) break;
    std::size_t begin = mark;
    while (begin > 0 && std::isalnum(static_cast<unsigned char>(text[begin - 1])) != 0) --begin;
    std::size_t end = mark + 3;
    while (end < text.size() && !ends_token(text[end])) ++end;
    out += text.substr(0, begin);
    out += shown_url(text.substr(begin, mark - begin), text.substr(mark + 3, end - mark - 3));
    text.remove_prefix(end);
  }
  out += text;
  return out;
}

// `name = "value"`, `"name": "value"`, `name=value`, `Name: value`: the length of the value behind
// the name that ends at `at`; zero if there is none. `from` is where it begins.
std::size_t value_behind(std::string_view line, std::size_t at, std::size_t& from) {
  const auto skip_blanks = [&] {
    while (at < line.size() && (line[at] == ' ' || line[at] == '\t')) ++at;
  };
  while (at < line.size() && (line[at] == '"' || line[at] == '\'' || line[at] == '\\')) ++at;
  skip_blanks();
  if (at >= line.size() || (line[at] != '=' && line[at] != ':')) return 0;
  ++at;
  skip_blanks();
  from = at;
  if (at >= line.size()) return 0;
  // To the end of the line: a value may hold blanks, quotes and brackets of its own.
  std::size_t end = line.size();
  if (const char quote = line[at]; quote == '"' || quote == '\'') {
    from = at + 1;
    end = from;
    while (end < line.size() && line[end] != quote) end += line[end] == '\\' ? 2 : 1;
    end = std::min(end, line.size());
  }
  return end - from;
}

std::string without_named_values(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    std::size_t at = 0;
    while (at < line.size()) {
      if (!is_word(line[at])) {
        out += line[at++];
        continue;
      }
      std::size_t stop = at;
      while (stop < line.size() && is_word(line[stop])) ++stop;
      const std::string_view name = line.substr(at, stop - at);
      std::size_t from = 0;
      const std::size_t length = names_secret(name) ? value_behind(line, stop, from) : 0;
      if (length == 0) {
        out += name;
        at = stop;
      } else {
        out += line.substr(at, from - at);
        out += kRedacted;
        at = from + length;
      }
    }
    if (end < text.size()) out += '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

bool looks_like_curve_key(std::string_view token) {
  if (token.size() != kCurveLength || token.front() == '/') return false;
  bool lower = false;
  bool upper = false;
  bool digit = false;
  for (const char c : token) {
    lower = lower || std::islower(static_cast<unsigned char>(c)) != 0;
    upper = upper || std::isupper(static_cast<unsigned char>(c)) != 0;
    digit = digit || std::isdigit(static_cast<unsigned char>(c)) != 0;
    if (!is_z85(c)) return false;
  }
  return lower && upper && digit;
}

// Long hex anywhere; CURVE keys as a token of their own; what follows "Bearer".
std::string without_keys(std::string_view text) {
  std::string out;
  bool bearer = false;
  while (!text.empty()) {
    if (ends_token(text.front())) {
      out += text.front();
      text.remove_prefix(1);
      continue;
    }
    std::size_t end = 0;
    while (end < text.size() && !ends_token(text[end])) ++end;
    std::string_view token = text.substr(0, end);
    text.remove_prefix(end);
    const bool is_secret = std::exchange(bearer, lower_case(token) == "bearer");
    if (is_secret || looks_like_curve_key(token)) {
      out += kRedacted;
      continue;
    }
    while (!token.empty()) {
      std::size_t run = 0;
      while (run < token.size() && is_hex(token[run])) ++run;
      const std::size_t taken = std::max<std::size_t>(run, 1);
      out += run >= kHexMin ? kRedacted : token.substr(0, taken);
      token.remove_prefix(taken);
    }
  }
  return out;
}

}  // namespace

std::string redact(std::string_view text, const std::vector<std::string>& secrets) {
  const std::string out = mask_secrets(text, secrets);
  return without_keys(without_named_values(without_url_secrets(without_pem(out))));
}

}  // namespace linkpilot::cli
