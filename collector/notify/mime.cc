#include "collector/notify/mime.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <ctime>

namespace linkpilot::collector {

namespace {

constexpr std::size_t kLineMax = 76;
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD
constexpr std::size_t kWordPayloadMax = 42;  // octets; 56 of base64 and 12 around: below 75

// Octets of the UTF-8 sequence at the front of `text`; 0 if it is none (Unicode 15, table 3-7).
std::size_t sequence_length(std::string_view text) {
  const auto at = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const auto follows = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xBF) {
    return at(i) >= low && at(i) <= high;
  };
  const unsigned first = at(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return follows(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const unsigned low = first == 0xE0 ? 0xA0 : 0x80;
    const unsigned high = first == 0xED ? 0x9F : 0xBF;
    return follows(1, low, high) && follows(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const unsigned low = first == 0xF0 ? 0x90 : 0x80;
    const unsigned high = first == 0xF4 ? 0x8F : 0xBF;
    return follows(1, low, high) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::string base64(std::string_view octets) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < octets.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      const auto octet = i + k < octets.size() ? static_cast<unsigned char>(octets[i + k]) : 0U;
      group = group << 8 | octet;
    }
    for (std::size_t k = 0; k < 4; ++k) {
      out += i + k > octets.size() ? '=' : kDigits[group >> (18 - 6 * k) & 0x3F];
    }
  }
  return out;
}

// Encoded words, none splitting a character (RFC 2047 s5).
std::vector<std::string> encoded_words(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    std::size_t take = 0;
    while (take < text.size()) {
      const std::size_t next = std::max<std::size_t>(1, sequence_length(text.substr(take)));
      if (take + next > kWordPayloadMax) break;
      take += next;
    }
    words.push_back(fmt::format("=?utf-8?B?{}?=", base64(text.substr(0, take))));
    text.remove_prefix(take);
  }
  return words;
}

// Words to be joined by one space.
std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && text[i] != ' ') continue;
    if (i > begin) words.emplace_back(text.substr(begin, i - begin));
    begin = i + 1;
  }
  return words;
}

// What would not be read back as it was: other characters, things that look like encoded words.
bool needs_encoding(std::string_view text) {
  return !is_ascii(text) || text.find("=?") != std::string_view::npos;
}

std::string folded(std::string_view name, const std::vector<std::string>& words) {
  std::string out = fmt::format("{}:", name);
  std::size_t column = out.size();
  for (const std::string& word : words) {
    if (column + 1 + word.size() > kLineMax && column > name.size() + 1) {
      out += "\r\n";
      column = 0;
    }
    out += ' ';
    out += word;
    column += 1 + word.size();
  }
  return out + "\r\n";
}

bool is_atom(std::string_view text) {  // RFC 5322 s3.2.3, with dots
  constexpr std::string_view kAlso = "!#$%&'*+-/=?^_`{|}~.";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet < 0x80 && (std::isalnum(octet) != 0 || kAlso.find(c) != std::string_view::npos);
  });
}

bool is_domain(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet < 0x80 && (std::isalnum(octet) != 0 || c == '-' || c == '.');
  });
}

Status check_address(std::string_view address) {
  const std::size_t at = address.rfind('@');
  if (address.size() > kAddressLengthMax || at == std::string_view::npos ||
      !is_atom(address.substr(0, at)) || !is_domain(address.substr(at + 1)) ||
      address.find("..") != std::string_view::npos || address.front() == '.' ||
      address[at - 1] == '.' || address[at + 1] == '.' || address.back() == '.') {
    return fail(ErrorCode::invalid_argument,
                fmt::format("\"{}\" is no mail address; write NAME@DOMAIN or "
                            "\"Display name <NAME@DOMAIN>\"",
                            clean_line(address)));
  }
  return {};
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

std::string quoted_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

}  // namespace

Result<Mailbox> parse_mailbox(std::string_view text) {
  Mailbox mailbox;
  text = trimmed(text);
  if (clean_line(text) != text) {
    return fail(ErrorCode::invalid_argument,
                fmt::format("\"{}\" is no mail address: it holds control characters, or is no "
                            "UTF-8, or is too long",
                            clean_line(text)));
  }
  const std::size_t open = text.rfind('<');
  if (open == std::string_view::npos) {
    mailbox.address = std::string(text);
  } else if (text.back() != '>') {
    return fail(
        ErrorCode::invalid_argument,
        fmt::format("\"{}\" is no mail address: '<' without '>' at the end", clean_line(text)));
  } else {
    std::string_view name = trimmed(text.substr(0, open));
    if (name.size() >= 2 && name.front() == '"' && name.back() == '"') {
      name = name.substr(1, name.size() - 2);
    }
    mailbox.name = clean_line(name);
    mailbox.address = std::string(text.substr(open + 1, text.size() - open - 2));
  }
  if (Status status = check_address(mailbox.address); !status) return fail(status.error());
  return mailbox;
}

std::string domain_of(const Mailbox& mailbox) {
  return mailbox.address.substr(mailbox.address.rfind('@') + 1);
}

std::string clean_line(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    const auto first = static_cast<unsigned char>(text.front());
    // C1 controls (U+0080 to U+009F) and the line separators, too, end lines for some readers.
    const bool control =
        length == 1
            ? first < 0x20 || first == 0x7F
            : (length == 2 && first == 0xC2 && static_cast<unsigned char>(text[1]) < 0xA0) ||
                  text.starts_with("\xE2\x80\xA8") || text.starts_with("\xE2\x80\xA9");
    const std::string_view piece = length == 0 ? kReplacement
                                   : control   ? std::string_view("?")
                                               : text.substr(0, length);
    if (out.size() + piece.size() > kHeaderTextMax) break;
    out += piece;
    text.remove_prefix(std::max<std::size_t>(1, length));
  }
  return out;
}

std::string text_field(std::string_view name, std::string_view text) {
  const std::string line = clean_line(text);
  return folded(name, needs_encoding(line) ? encoded_words(line) : words_of(line));
}

std::string address_field(std::string_view name, const std::vector<Mailbox>& mailboxes) {
  std::vector<std::string> words;
  for (std::size_t i = 0; i < mailboxes.size(); ++i) {
    const Mailbox& mailbox = mailboxes[i];
    const std::string display = clean_line(mailbox.name);
    if (!display.empty()) {
      if (needs_encoding(display)) {
        for (std::string& word : encoded_words(display)) words.push_back(std::move(word));
      } else {
        words.push_back(quoted_string(display));
      }
    }
    words.push_back((display.empty() ? mailbox.address : "<" + mailbox.address + ">") +
                    (i + 1 < mailboxes.size() ? "," : ""));
  }
  return folded(name, words);
}

std::string date_text(UnixNanos time) {
  constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t seconds = std::max<std::int64_t>(0, time.ns) / 1'000'000'000;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} +0000",
                     kDays.at(static_cast<std::size_t>(parts.tm_wday)), parts.tm_mday,
                     kMonths.at(static_cast<std::size_t>(parts.tm_mon)), 1900 + parts.tm_year,
                     parts.tm_hour, parts.tm_min, parts.tm_sec);
}

std::string quoted_printable(std::string_view text) {
  std::string out;
  std::size_t column = 0;
  const auto put = [&](std::string_view piece, bool last_of_line) {
    // Room for the '=' of a soft break, unless the line ends here anyway.
    if (column + piece.size() > kLineMax - (last_of_line ? 0 : 1)) {
      out += "=\r\n";
      column = 0;
    }
    out += piece;
    column += piece.size();
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    if (text[i] == '\n') {
      out += "\r\n";
      column = 0;
      continue;
    }
    const auto octet = static_cast<unsigned char>(text[i]);
    const bool at_end = i + 1 == text.size() || text[i + 1] == '\n' ||
                        (text[i + 1] == '\r' && i + 2 < text.size() && text[i + 2] == '\n');
    const bool plain = (octet >= 0x21 && octet <= 0x7E && octet != '=') ||
                       ((octet == ' ' || octet == '\t') && !at_end);
    put(plain ? std::string(1, text[i]) : fmt::format("={:02X}", octet), at_end);
  }
  if (column > 0) out += "\r\n";
  return out;
}

std::string base64_lines(std::string_view octets) {
  constexpr std::size_t kOctetsALine = kLineMax / 4 * 3;
  std::string out;
  for (std::size_t i = 0; i < octets.size(); i += kOctetsALine) {
    out += base64(octets.substr(i, kOctetsALine)) + "\r\n";
  }
  return out;
}

std::string text_part(std::string_view type, std::string_view text) {
  const std::string quoted = quoted_printable(text);
  // In base64 line ends are octets like others: CRLF, as the canonical form of text wants.
  std::string canonical;
  for (const char c : text) {
    if (c == '\n') canonical += '\r';
    canonical += c;
  }
  const std::string packed = base64_lines(canonical);
  const bool quote = quoted.size() <= packed.size();
  return fmt::format("Content-Type: {}; charset=utf-8\r\nContent-Transfer-Encoding: {}\r\n\r\n{}",
                     type, quote ? "quoted-printable" : "base64", quote ? quoted : packed);
}

std::string multipart(std::string_view type, std::string_view boundary, std::string_view more,
                      const std::vector<std::string>& parts) {
  std::string out = fmt::format("Content-Type: multipart/{};\r\n boundary=\"{}\"{}\r\n\r\n", type,
                                boundary, more);
  for (const std::string& part : parts) {
    out += fmt::format("--{}\r\n{}\r\n", boundary, part);
  }
  return out + fmt::format("--{}--\r\n", boundary);
}

}  // namespace linkpilot::collector
