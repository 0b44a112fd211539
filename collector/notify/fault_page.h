// What a mail about faults says, as a page: one fault whole, or several in a list with the worst
// whole below it. Pure.
#pragma once

#include <string>
#include <vector>

#include "collector/notify/mail_settings.h"
#include "collector/notify/notice.h"
#include "collector/notify/page.h"

namespace linkpilot::collector {

// How a page is written: language, zone, where runbooks are.
struct PageStyle {
  MailLanguage language = MailLanguage::english;
  TimeZone zone;
  std::string runbook_base;
};

struct FaultPageExtra {
  std::uint32_t muted = 0;  // smaller faults that it explains
};

inline constexpr std::size_t kGroupListMax = 60;  // faults named in one mail

[[nodiscard]] Page fault_page(const Notice& notice, const FaultBackground& background,
                              const FaultPageExtra& extra, const PageStyle& style);
// `first`: the background of the first notice. `others`: faults of the thread told before, still
// open.
[[nodiscard]] Page group_page(const std::vector<Notice>& notices, const std::vector<Fault>& others,
                              bool digest, const FaultBackground& first, const PageStyle& style);

// "link paris - tokyo, since 14:02:11 UTC": the same in all mails of a thread.
[[nodiscard]] std::string fault_subject_stem(const Fault& fault, const PageStyle& style);
// The same for several: "3 faults: link paris - tokyo, since 14:02:11 UTC and others".
[[nodiscard]] std::string subject_stem(const std::vector<Notice>& notices, const PageStyle& style);
[[nodiscard]] PageStyle style_of(const MailSettings& settings);
// "cut", "down", "degraded", "resolved", "still cut".
[[nodiscard]] std::string tag_of(const Notice& notice, const PageStyle& style);
// "link-dead": what runbooks are named by.
[[nodiscard]] std::string runbook_name(const Fault& fault);
// Empty: runbooks are not configured.
[[nodiscard]] std::string runbook_url(const std::string& base, const Fault& fault);
// One line of a list: state, what, since, lasted.
[[nodiscard]] std::vector<std::string> fault_row(const Fault& fault, UnixNanos now,
                                                 const PageStyle& style);

}  // namespace linkpilot::collector
