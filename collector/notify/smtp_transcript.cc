#include "collector/notify/smtp_transcript.h"

#include "collector/notify/mime.h"

namespace linkpilot::collector {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool begins_with(std::string_view text, std::string_view upper) {
  if (text.size() < upper.size()) return false;
  for (std::size_t i = 0; i < upper.size(); ++i) {
    const char c =
        text[i] >= 'a' && text[i] <= 'z' ? static_cast<char>(text[i] - 'a' + 'A') : text[i];
    if (c != upper[i]) return false;
  }
  return true;
}

}  // namespace

void SmtpTranscript::sent(std::string_view octets) {
  pending_.clear();
  if (begins_with(octets, "MAIL FROM:")) {
    stage_ = Stage::sender;
  } else if (begins_with(octets, "RCPT TO:")) {
    stage_ = Stage::recipient;
  } else if (begins_with(octets, "DATA")) {
    stage_ = Stage::data;
  } else if (begins_with(octets, "QUIT")) {
    stage_ = Stage::over;
  } else if (stage_ != Stage::message) {
    stage_ = Stage::other;
  }
}

void SmtpTranscript::received(std::string_view octets) {
  while (!octets.empty() && (octets.back() == '\n' || octets.back() == '\r'))
    octets.remove_suffix(1);
  const bool coded =
      octets.size() >= 3 && is_digit(octets[0]) && is_digit(octets[1]) && is_digit(octets[2]);
  if (!coded) return;
  const std::string_view text = octets.substr(std::min<std::size_t>(4, octets.size()));
  if (pending_.size() < kTextMax) {
    if (!pending_.empty()) pending_ += ' ';
    pending_ += clean_line(text.substr(0, kTextMax - std::min(kTextMax, pending_.size())));
  }
  if (octets.size() > 3 && octets[3] == '-') return;  // more lines follow (RFC 5321 s4.2.1)
  SmtpReply reply;
  reply.code = (octets[0] - '0') * 100 + (octets[1] - '0') * 10 + (octets[2] - '0');
  reply.text = std::move(pending_);
  pending_.clear();
  last_ = reply;
  switch (stage_) {
    case Stage::sender:
      report_.sender = std::move(reply);
      break;
    case Stage::recipient:
      if (report_.recipients.size() < recipients_max_)
        report_.recipients.push_back(std::move(reply));
      break;
    case Stage::data:
      if (reply.code == 354) {
        stage_ = Stage::message;
      } else {
        report_.message = std::move(reply);
      }
      break;
    case Stage::message:
      report_.message = std::move(reply);
      stage_ = Stage::over;
      break;
    case Stage::greeting:
    case Stage::other:
    case Stage::over:
      break;
  }
}

}  // namespace linkpilot::collector
