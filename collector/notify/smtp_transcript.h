// SmtpTranscript: who said what in one SMTP transaction, from the lines that went over the wire, so
// that each recipient's answer is known - the client library only tells whether all went well.
// Pure; what the server says is bounded and cleaned before it is kept. Credentials are not looked
// at.
#pragma once

#include <string_view>
#include <vector>

#include "collector/notify/outgoing_mail.h"

namespace linkpilot::collector {

class SmtpTranscript {
 public:
  static constexpr std::size_t kTextMax = 200;  // of one reply

  explicit SmtpTranscript(std::size_t recipients) : recipients_max_(recipients) {}

  void sent(std::string_view octets);      // one command
  void received(std::string_view octets);  // one line, or a part of an overlong one

  // What was said so far; `error` is left empty.
  [[nodiscard]] const SmtpReport& report() const { return report_; }
  // The last thing the server said, whatever it was about.
  [[nodiscard]] const SmtpReply& last() const { return last_; }

 private:
  enum class Stage : std::uint8_t { greeting, other, sender, recipient, data, message, over };
  std::size_t recipients_max_;
  Stage stage_ = Stage::greeting;
  std::string pending_;  // text of a reply of several lines
  SmtpReport report_;
  SmtpReply last_;
};

}  // namespace linkpilot::collector
