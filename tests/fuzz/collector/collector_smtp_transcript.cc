// What a mail server may say: lines of the wire, each first octet telling who spoke.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "collector/notify/smtp_transcript.h"
#include "tests/fuzz/fuzz_target.h"

FUZZ_TARGET(collector_smtp_transcript, data, size) {
  using linkpilot::collector::SmtpTranscript;
  constexpr std::size_t kRecipients = 3;
  SmtpTranscript transcript(kRecipients);
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size() - 1) + 1;
    const std::string_view line = rest.substr(0, end);
    if (line.front() == '>') {
      transcript.sent(line.substr(1));
    } else {
      transcript.received(line);
    }
    rest.remove_prefix(end);
  }
  const auto& report = transcript.report();
  if (report.recipients.size() > kRecipients) std::abort();
  if (transcript.last().text.size() > 2 * SmtpTranscript::kTextMax) std::abort();
  for (const char c : transcript.last().text) {
    if (static_cast<unsigned char>(c) < 0x20) std::abort();
  }
  return 0;
}
