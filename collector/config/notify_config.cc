#include "collector/config/notify_config.h"

#include <fmt/format.h>

#include <algorithm>

namespace linkpilot::collector {

namespace {

MailSecurity read_security(ConfigReader& reader) {
  const std::string text = reader.text("security", "starttls");
  if (text == "starttls") return MailSecurity::starttls;
  if (text == "tls") return MailSecurity::tls;
  if (text == "none") return MailSecurity::none;
  reader.reject("security", fmt::format("\"{}\" is none of starttls, tls, none", text));
  return MailSecurity::starttls;
}

// HOST:PORT without anything that a URL would read otherwise.
bool is_mail_server(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == text.size()) return false;
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto is_host = [&](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '-' || c == '[' || c == ']' || c == ':';
  };
  return std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(colon), is_host) &&
         std::all_of(text.begin() + static_cast<std::ptrdiff_t>(colon) + 1, text.end(), is_digit);
}

Mailbox read_mailbox(ConfigReader& reader, const char* key, const std::string& text) {
  Result<Mailbox> parsed = parse_mailbox(text);
  if (!parsed) reader.reject(key, parsed.error().message);
  return parsed.value_or(Mailbox{});
}

std::vector<Mailbox> read_mailboxes(ConfigReader& reader, const char* key) {
  std::vector<Mailbox> out;
  for (const std::string& text : reader.texts(key, kMailRecipientsMax)) {
    out.push_back(read_mailbox(reader, key, text));
  }
  return out;
}

FaultSeverity read_severity(ConfigReader& reader) {
  const std::string text = reader.text("severity", "info");
  for (const FaultSeverity each :
       {FaultSeverity::info, FaultSeverity::warning, FaultSeverity::critical}) {
    if (text == to_string(each)) return each;
  }
  reader.reject("severity", fmt::format("\"{}\" is none of info, warning, critical", text));
  return FaultSeverity::info;
}

std::vector<MailRule> read_rules(ConfigReader& reader) {
  std::vector<MailRule> rules;
  for (ConfigReader& each : reader.tables("recipients", kMailRulesMax)) {
    MailRule rule;
    rule.to = read_mailboxes(each, "to");
    rule.severity = read_severity(each);
    if (each.has("regions")) rule.regions = each.texts("regions", kMailRuleWordsMax);
    if (each.has("vendors")) rule.vendors = each.texts("vendors", kMailRuleWordsMax);
    rules.push_back(std::move(rule));
  }
  return rules;
}

// "08:00", or "" for never.
int read_time_of_day(ConfigReader& reader, const char* key, int fallback) {
  const std::string text =
      reader.text(key, fmt::format("{:02}:{:02}", fallback / 60, fallback % 60));
  if (text.empty()) return -1;
  const auto digit = [&](std::size_t i) { return text[i] >= '0' && text[i] <= '9'; };
  const bool shaped =
      text.size() == 5 && digit(0) && digit(1) && text[2] == ':' && digit(3) && digit(4);
  const int hour = shaped ? (text[0] - '0') * 10 + (text[1] - '0') : 24;
  const int minute = shaped ? (text[3] - '0') * 10 + (text[4] - '0') : 60;
  if (hour < 24 && minute < 60) return hour * 60 + minute;
  reader.reject(key,
                fmt::format("\"{}\" is no time of day; write \"08:00\", or \"\" for none", text));
  return fallback;
}

MailLanguage read_language(ConfigReader& reader) {
  const std::string text = reader.text("language", "en");
  if (text == "en") return MailLanguage::english;
  if (text == "zh") return MailLanguage::chinese;
  reader.reject("language", fmt::format("\"{}\" is none of en, zh", text));
  return MailLanguage::english;
}

// When mails come, and how they are written.
void read_rhythm(ConfigReader& reader, MailSettings& out) {
  const Duration none{};
  out.group_wait = reader.duration("group_wait", out.group_wait, {none, std::chrono::minutes(10)});
  out.group_interval =
      reader.duration("group_interval", out.group_interval, {none, std::chrono::hours(24)});
  out.repeat_interval =
      reader.duration("repeat_interval", out.repeat_interval, {none, std::chrono::hours(24 * 7)});
  if (out.repeat_interval > none && out.repeat_interval < std::chrono::seconds(1)) {
    reader.reject("repeat_interval", "must be a second at least, or \"0s\" for never");
  }
  out.summary_at = read_time_of_day(reader, "summary_at", out.summary_at);
  out.heartbeat_interval = reader.duration("heartbeat_interval", out.heartbeat_interval,
                                           {none, std::chrono::hours(24 * 7)});
  if (out.heartbeat_interval > none && out.heartbeat_interval < std::chrono::seconds(1)) {
    reader.reject("heartbeat_interval", "must be a second at least, or \"0s\" for none");
  }
  out.heartbeat_to = read_mailboxes(reader, "heartbeat_to");
  if ((out.heartbeat_interval > none) == out.heartbeat_to.empty()) {
    reader.reject("heartbeat_to", "heartbeat_interval and heartbeat_to belong together");
  }
  const std::string zone = reader.text("time_zone", "UTC");
  Result<TimeZone> loaded = load_time_zone(zone, SystemClock().now().wall);
  if (!loaded) reader.reject("time_zone", loaded.error().message);
  out.zone = loaded.value_or(TimeZone());
  out.language = read_language(reader);
  out.runbook_base = reader.text("runbook_base", out.runbook_base);
  if (!out.runbook_base.empty() && !is_sink_url(out.runbook_base)) {
    reader.reject("runbook_base", "must begin with http:// or https://, or be \"\" for none");
  }
}

void check_url(ConfigReader& reader, const std::string& url) {
  if (!url.empty() && !is_sink_url(url)) {
    reader.reject("url", fmt::format("\"{}\" must be http://... or https://..., or \"\" for none",
                                     url.substr(0, 80)));
  }
}

}  // namespace

MailSettings read_mail(ConfigReader reader) {
  MailSettings out;
  out.server = reader.text("server", out.server);
  out.security = read_security(reader);
  out.ca_file = reader.text("ca_file", out.ca_file);
  out.verify_certificate = reader.flag("verify_certificate", out.verify_certificate);
  out.user = reader.text("user", out.user);
  out.password_file = reader.text("password_file", out.password_file);
  if (reader.has("from")) out.from = read_mailbox(reader, "from", reader.text("from", ""));
  out.to = read_mailboxes(reader, "to");
  out.rules = read_rules(reader);
  read_rhythm(reader, out);
  out.timeout =
      reader.duration("timeout", out.timeout, {std::chrono::seconds(1), std::chrono::minutes(10)});
  out.retry_min = reader.duration("retry_min", out.retry_min,
                                  {std::chrono::milliseconds(100), std::chrono::hours(1)});
  out.retry_max =
      reader.duration("retry_max", out.retry_max, {std::chrono::seconds(1), std::chrono::hours(6)});
  out.give_up_after = reader.duration("give_up_after", out.give_up_after,
                                      {std::chrono::minutes(1), std::chrono::hours(24 * 14)});
  out.rate_per_hour =
      static_cast<std::uint32_t>(reader.integer("rate_per_hour", out.rate_per_hour, {2, 10'000}));
  out.spool_max =
      static_cast<std::uint32_t>(reader.integer("spool_max", out.spool_max, {1, 10'000}));
  if (!out.server.empty() && !is_mail_server(out.server)) {
    reader.reject("server",
                  fmt::format("\"{}\" must be HOST:PORT, or \"\" for no mail", out.server));
  }
  if (out.security == MailSecurity::none && !out.user.empty()) {
    reader.reject("user", "security = \"none\" would send the password in clear");
  }
  if (out.user.empty() != out.password_file.empty()) {
    reader.reject("password_file", "user and password_file belong together");
  }
  if (out.retry_max < out.retry_min) reader.reject("retry_max", "must not be below retry_min");
  return out;
}

AlertSettings read_alertmanager(ConfigReader reader) {
  AlertSettings out;
  out.url = reader.text("url", out.url);
  out.ca_file = reader.text("ca_file", out.ca_file);
  out.refresh_interval = reader.duration("refresh_interval", out.refresh_interval,
                                         {std::chrono::seconds(1), std::chrono::hours(1)});
  out.timeout =
      reader.duration("timeout", out.timeout, {std::chrono::seconds(1), std::chrono::minutes(1)});
  check_url(reader, out.url);
  return out;
}

HookSettings read_webhook(ConfigReader reader) {
  HookSettings out;
  out.url = reader.text("url", out.url);
  out.ca_file = reader.text("ca_file", out.ca_file);
  out.secret_file = reader.text("secret_file", out.secret_file);
  out.timeout =
      reader.duration("timeout", out.timeout, {std::chrono::seconds(1), std::chrono::minutes(1)});
  out.retry_min = reader.duration("retry_min", out.retry_min,
                                  {std::chrono::milliseconds(100), std::chrono::hours(1)});
  out.retry_max =
      reader.duration("retry_max", out.retry_max, {std::chrono::seconds(1), std::chrono::hours(6)});
  out.give_up_after = reader.duration("give_up_after", out.give_up_after,
                                      {std::chrono::minutes(1), std::chrono::hours(24 * 14)});
  out.queue_max =
      static_cast<std::uint32_t>(reader.integer("queue_max", out.queue_max, {1, 10'000}));
  check_url(reader, out.url);
  if (!out.url.empty() && out.secret_file.empty()) {
    reader.reject("secret_file", "is missing: deliveries are signed");
  }
  if (out.retry_max < out.retry_min) reader.reject("retry_max", "must not be below retry_min");
  return out;
}

}  // namespace linkpilot::collector
