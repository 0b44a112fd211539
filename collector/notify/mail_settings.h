// What [mail] of collector.toml says: who gets mail about faults, and through which server.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "collector/faults/fault.h"
#include "collector/notify/mime.h"
#include "collector/notify/time_zone.h"
#include "collector/notify/words.h"

namespace linkpilot::collector {

enum class MailSecurity : std::uint8_t {
  starttls,  // required: without it nothing is sent
  tls,       // from the first octet (port 465)
  none,      // in clear; no user name is allowed
};

inline constexpr std::size_t kMailRecipientsMax = 32;
inline constexpr std::size_t kMailRulesMax = 32;
inline constexpr std::size_t kMailRuleWordsMax = 64;
inline constexpr int kMinutesOfDay = 1'440;

// Who gets mail about some faults only: all that is said must match.
struct MailRule {
  std::vector<Mailbox> to;
  FaultSeverity severity = FaultSeverity::info;     // this or worse
  std::optional<std::vector<std::string>> regions;  // absent: any
  std::optional<std::vector<std::string>> vendors;
  friend bool operator==(const MailRule&, const MailRule&) = default;
};

struct MailSettings {
  std::string server;  // "mail.example.net:587"; empty: no mail
  MailSecurity security = MailSecurity::starttls;
  std::string ca_file;  // empty: the system's
  bool verify_certificate = true;
  std::string user;  // empty: no authentication
  std::string password_file;
  Mailbox from{"LinkPilot", "linkpilot@localhost"};
  std::vector<Mailbox> to;                      // of everything; at most kMailRecipientsMax
  std::vector<MailRule> rules;                  // and who gets some of it
  Duration timeout = std::chrono::seconds(60);  // of a whole transaction, whatever the server does
  Duration retry_min = std::chrono::seconds(5);
  Duration retry_max = std::chrono::minutes(5);
  Duration give_up_after = std::chrono::hours(48);
  std::uint32_t rate_per_hour = 60;
  Duration group_wait = std::chrono::seconds(2);
  Duration group_interval = std::chrono::minutes(1);
  Duration repeat_interval = std::chrono::hours(4);  // zero: never
  int summary_at = 8 * 60;                           // minute of the day; -1: none
  Duration heartbeat_interval{};                     // zero: none
  std::vector<Mailbox> heartbeat_to;
  TimeZone zone;
  MailLanguage language = MailLanguage::english;
  std::string runbook_base;
  std::uint32_t spool_max = 500;  // mails
  [[nodiscard]] bool enabled() const {
    return !server.empty() && !(to.empty() && rules.empty() && heartbeat_to.empty());
  }
  friend bool operator==(const MailSettings&, const MailSettings&) = default;
};

}  // namespace linkpilot::collector
