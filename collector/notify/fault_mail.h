// Mails whole and ready to send: subject, headers, and a page as text and as HTML with its chart
// inside (multipart/alternative of RFC 2046, multipart/related of RFC 2387). Pure: the same
// announcement, background and settings give the same octets; the Message-ID follows from thread
// and number alone, so a mail sent twice can be told for the same one.
//
// All mails of a thread refer to its first and share the stem of the subject. No mail is larger
// than kMailOctetsMax: one that would be goes without its chart, then without HTML.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "collector/notify/announcer.h"
#include "collector/notify/mail_settings.h"
#include "collector/notify/notice.h"
#include "collector/notify/outgoing_mail.h"
#include "collector/notify/page.h"

namespace linkpilot::collector {

// "<fault.5f3a9c12ab01.2@example.net>": the second mail of that thread.
[[nodiscard]] std::string thread_message_id(const std::string& thread, std::uint32_t number,
                                            const Mailbox& from);

// `id` is left to the spool. `background`: of the first notice.
[[nodiscard]] OutgoingMail write_announcement(const Announcement& announcement,
                                              const FaultBackground& background,
                                              const MailSettings& settings, UnixNanos now);

struct FleetState {
  std::uint32_t nodes_heard = 0;
  std::uint32_t nodes = 0;
};

// Of the day before `now`: what is open, what is over.
[[nodiscard]] OutgoingMail write_summary(const std::vector<Fault>& faults, const FleetState& fleet,
                                         std::uint64_t handed, std::uint64_t dropped,
                                         const MailSettings& settings, UnixNanos now);
[[nodiscard]] OutgoingMail write_heartbeat(const FleetState& fleet, std::size_t open,
                                           const MailSettings& settings, UnixNanos now);
inline constexpr const char* kHeartbeatThread = "heartbeat";

// To see that mail arrives. `nonce` makes its Message-ID unique.
[[nodiscard]] OutgoingMail write_test_mail(const MailSettings& settings,
                                           const std::optional<Mailbox>& to,
                                           const std::string& nonce, UnixNanos now);

}  // namespace linkpilot::collector
