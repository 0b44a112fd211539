// What [mail] of collector.toml says: who gets mail about faults, and through which server.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"
#include "collector/notify/mime.h"

namespace linkpilot::collector {

enum class MailSecurity : std::uint8_t {
  starttls,  // required: without it nothing is sent
  tls,       // from the first octet (port 465)
  none,      // in clear; no user name is allowed
};

inline constexpr std::size_t kMailRecipientsMax = 32;

struct MailSettings {
  std::string server;  // "mail.example.net:587"; empty: no mail
  MailSecurity security = MailSecurity::starttls;
  std::string ca_file;  // empty: the system's
  bool verify_certificate = true;
  std::string user;  // empty: no authentication
  std::string password_file;
  Mailbox from{"LinkPilot", "linkpilot@localhost"};
  std::vector<Mailbox> to;                      // at most kMailRecipientsMax
  Duration timeout = std::chrono::seconds(60);  // of a whole transaction, whatever the server does
  Duration retry_min = std::chrono::seconds(5);
  Duration retry_max = std::chrono::minutes(5);
  Duration give_up_after = std::chrono::hours(48);
  std::uint32_t rate_per_hour = 60;
  std::uint32_t spool_max = 500;  // mails
  [[nodiscard]] bool enabled() const { return !server.empty() && !to.empty(); }
  friend bool operator==(const MailSettings&, const MailSettings&) = default;
};

}  // namespace linkpilot::collector
