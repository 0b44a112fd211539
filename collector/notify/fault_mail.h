// The mail about one event of one fault: subject, text and headers, whole and ready to send. Pure:
// the same fault, event and settings give the same octets, and the Message-ID follows from fault
// and event alone, so a mail sent twice can be told for the same one.
//
// All mails of a fault are one thread: they refer to the first, and share the stem of the subject.
#pragma once

#include <optional>
#include <string>

#include "collector/faults/fault.h"
#include "collector/notify/mail_settings.h"
#include "collector/notify/outgoing_mail.h"

namespace linkpilot::collector {

// "<fault.5f3a9c12ab01.2@example.net>": event 1 opened it.
[[nodiscard]] std::string fault_message_id(const std::string& fault, std::uint32_t event,
                                           const Mailbox& from);
// Without a prefix: "link paris - tokyo, since 14:02:11 UTC".
[[nodiscard]] std::string fault_subject_stem(const Fault& fault);
// For people; lines end in LF.
[[nodiscard]] std::string fault_text(const FaultChange& change);

// `id` is left to the spool.
[[nodiscard]] OutgoingMail write_fault_mail(const FaultChange& change,
                                            const MailSettings& settings);
// To see that mail arrives. `nonce` makes its Message-ID unique.
[[nodiscard]] OutgoingMail write_test_mail(const MailSettings& settings,
                                           const std::optional<Mailbox>& to,
                                           const std::string& nonce, UnixNanos now);

}  // namespace linkpilot::collector
