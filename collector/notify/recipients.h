// Who hears of a fault: everybody in [mail] to, and those whose rule it matches. Pure.
#pragma once

#include <string>
#include <vector>

#include "collector/notify/mail_settings.h"
#include "collector/notify/notice.h"

namespace linkpilot::collector {

// Each address once, in the order of the configuration; at most kMailRecipientsMax.
[[nodiscard]] std::vector<Mailbox> recipients_of(const MailSettings& settings, const Fault& fault,
                                                 const FaultBackground& background);
// Rules that can never match, and faults that nobody would hear of: sentences for an operator.
[[nodiscard]] std::vector<std::string> recipient_warnings(const MailSettings& settings);

}  // namespace linkpilot::collector
