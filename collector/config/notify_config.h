// [mail], [alertmanager] and [webhook] of collector.toml.
#pragma once

#include <string>
#include <vector>

#include "base/runtime/config_reader.h"
#include "collector/notify/mail_settings.h"
#include "collector/notify/sink_settings.h"

namespace linkpilot::collector {

[[nodiscard]] MailSettings read_mail(ConfigReader reader);
[[nodiscard]] AlertSettings read_alertmanager(ConfigReader reader);
[[nodiscard]] HookSettings read_webhook(ConfigReader reader);

}  // namespace linkpilot::collector
