#include "collector/notify/recipients.h"

#include <fmt/format.h>

#include <algorithm>

namespace linkpilot::collector {

namespace {

bool holds_any(const std::vector<std::string>& wanted, const std::vector<std::string>& there) {
  return std::any_of(there.begin(), there.end(), [&](const std::string& each) {
    return std::find(wanted.begin(), wanted.end(), each) != wanted.end();
  });
}

bool matches(const MailRule& rule, const Fault& fault, const FaultBackground& background) {
  if (severity_of(fault.scope, fault.grade) < rule.severity) return false;
  if (rule.regions) {
    std::vector<std::string> regions = background.regions;
    if (!fault.region.empty()) regions.push_back(fault.region);
    if (!holds_any(*rule.regions, regions)) return false;
  }
  if (rule.vendors) {
    std::vector<std::string> vendors = background.vendors;
    if (!fault.vendor.empty()) vendors.push_back(fault.vendor);
    if (!holds_any(*rule.vendors, vendors)) return false;
  }
  return true;
}

// Why nothing can ever match, or nothing.
std::string_view deadness(const MailRule& rule) {
  const auto blank = [](const std::optional<std::vector<std::string>>& words) {
    return words && std::all_of(words->begin(), words->end(),
                                [](const std::string& word) { return word.empty(); });
  };
  if (blank(rule.regions)) return "regions names none";
  if (blank(rule.vendors)) return "vendors names none";
  return "";
}

}  // namespace

std::vector<Mailbox> recipients_of(const MailSettings& settings, const Fault& fault,
                                   const FaultBackground& background) {
  std::vector<Mailbox> out;
  const auto add = [&](const std::vector<Mailbox>& mailboxes) {
    for (const Mailbox& each : mailboxes) {
      const bool there = std::any_of(out.begin(), out.end(), [&](const Mailbox& other) {
        return other.address == each.address;
      });
      if (!there && out.size() < kMailRecipientsMax) out.push_back(each);
    }
  };
  add(settings.to);
  for (const MailRule& rule : settings.rules) {
    if (matches(rule, fault, background)) add(rule.to);
  }
  return out;
}

std::vector<std::string> recipient_warnings(const MailSettings& settings) {
  std::vector<std::string> out;
  bool everything = !settings.to.empty();
  for (std::size_t i = 0; i < settings.rules.size(); ++i) {
    const MailRule& rule = settings.rules[i];
    const std::string name = fmt::format("[[mail.recipients]] number {}", i + 1);
    if (rule.to.empty()) out.push_back(name + " has nobody in its to");
    if (const std::string_view why = deadness(rule); !why.empty()) {
      out.push_back(fmt::format("{} lets nothing through: its {}", name, why));
    }
    everything = everything || (!rule.to.empty() && !rule.regions && !rule.vendors);
  }
  if (!settings.server.empty() && !everything) {
    out.push_back(settings.rules.empty()
                      ? "[mail] server is set, but nobody gets mail: set [mail] to"
                      : "nobody hears of critical faults outside the regions and vendors that "
                        "[[mail.recipients]] name; set [mail] to");
  }
  return out;
}

}  // namespace linkpilot::collector
