// Hands one mail to an SMTP server with libcurl: STARTTLS or TLS, authentication, certificates
// checked. Blocks for at most `settings.timeout`, whatever the server does; `stop` ends it sooner.
// Any thread, one call at a time each. Never logs; a password is in no message.
#pragma once

#include <atomic>
#include <string>

#include "collector/notify/mail_settings.h"
#include "collector/notify/outgoing_mail.h"

namespace linkpilot::collector {

// Tries every recipient of `mail` in one transaction.
[[nodiscard]] SmtpReport smtp_send(const MailSettings& settings, const std::string& password,
                                   const OutgoingMail& mail, const std::atomic<bool>& stop);

}  // namespace linkpilot::collector
