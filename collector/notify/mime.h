// The pieces that a mail is written from (RFC 5322, 2045, 2047): header fields that nothing can
// break out of, bodies in quoted-printable, addresses. Pure.
//
// Text may come from anywhere: control characters (CR and LF first of all) become '?', octets that
// are no UTF-8 become U+FFFD, so what is written is one header field and valid, whatever comes in.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace linkpilot::collector {

// `display <local@domain>`.
struct Mailbox {
  std::string name;     // may be empty; any UTF-8 without control characters
  std::string address;  // ASCII, checked: safe in a header and in an SMTP command
  friend bool operator==(const Mailbox&, const Mailbox&) = default;
};

inline constexpr std::size_t kAddressLengthMax = 254;  // RFC 5321 s4.5.3.1.3, less the brackets
inline constexpr std::size_t kHeaderTextMax = 900;     // octets; longer text is cut

// "ops@example.net" or "Operations <ops@example.net>".
[[nodiscard]] Result<Mailbox> parse_mailbox(std::string_view text);
[[nodiscard]] std::string domain_of(const Mailbox& mailbox);

// One line of valid UTF-8 without control characters, at most kHeaderTextMax octets.
[[nodiscard]] std::string clean_line(std::string_view text);

// "Name: text\r\n", folded at 76 columns; encoded words (RFC 2047) where the text is not ASCII.
[[nodiscard]] std::string text_field(std::string_view name, std::string_view text);
// The same for a list of addresses.
[[nodiscard]] std::string address_field(std::string_view name,
                                        const std::vector<Mailbox>& mailboxes);
// "Sat, 21 Nov 2026 14:40:00 +0000" (RFC 5322 s3.3).
[[nodiscard]] std::string date_text(UnixNanos time);

// Lines end in CRLF, none longer than 76 (RFC 2045 s6.7); line ends in `text` are LF or CRLF.
[[nodiscard]] std::string quoted_printable(std::string_view text);
// Lines of 76 (RFC 2045 s6.8).
[[nodiscard]] std::string base64_lines(std::string_view octets);

// A part of a multipart message: fields and body, in the shorter of the two encodings.
[[nodiscard]] std::string text_part(std::string_view type, std::string_view text);
// Whole parts between boundaries (RFC 2046 s5.1), the Content-Type field first. A boundary begins
// with "=_", which neither encoding ever writes. `type`: "alternative"; `more`: further parameters.
[[nodiscard]] std::string multipart(std::string_view type, std::string_view boundary,
                                    std::string_view more, const std::vector<std::string>& parts);

}  // namespace linkpilot::collector
