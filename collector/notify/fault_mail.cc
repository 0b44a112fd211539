#include "collector/notify/fault_mail.h"

#include <fmt/format.h>

#include <algorithm>

#include "collector/notify/fault_page.h"
#include "collector/notify/words.h"

namespace linkpilot::collector {

namespace {

constexpr std::size_t kFaultFieldsMax = 20;
constexpr Duration kDayShown = std::chrono::hours(24);

template <typename... Values>
std::string worded(const char* words, const Values&... values) {
  return fmt::format(fmt::runtime(words), values...);
}

struct Headers {
  std::string message_id;
  std::string root_id;      // empty: it is the first of its thread
  std::string previous_id;  // of the thread; empty or the root's
  std::string subject;
  std::string extra;  // whole fields
};

std::string header_fields(const MailSettings& settings, const std::vector<Mailbox>& to,
                          const Headers& headers, UnixNanos date) {
  std::string out;
  out += address_field("From", {settings.from});
  out += address_field("To", to);
  out += text_field("Date", date_text(date));
  out += text_field("Message-ID", headers.message_id);
  if (!headers.root_id.empty()) {
    out += text_field("In-Reply-To", headers.root_id);
    out += text_field("References",
                      headers.previous_id.empty() || headers.previous_id == headers.root_id
                          ? headers.root_id
                          : headers.root_id + " " + headers.previous_id);
  }
  out += text_field("Subject", headers.subject);
  out += text_field("List-Id", fmt::format("LinkPilot <linkpilot.{}>", domain_of(settings.from)));
  out += "Auto-Submitted: auto-generated\r\n";  // RFC 3834: nobody shall answer by machine
  out += "Precedence: bulk\r\n";
  out += headers.extra;
  out += "MIME-Version: 1.0\r\n";
  return out;
}

std::string chart_part(const std::string& png, const std::string& chart_id) {
  return fmt::format(
             "Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\nContent-ID: <{}>\r\n"
             "Content-Disposition: inline; filename=\"chart.png\"\r\n\r\n",
             chart_id) +
         base64_lines(png);
}

// As rich as the bound allows.
std::string whole_message(const std::string& fields, const Page& page, const MailSettings& settings,
                          const std::string& name) {
  const std::string text = text_part("text/plain", page_text(page));
  const std::string chart_id = fmt::format("chart.{}@{}", name, domain_of(settings.from));
  for (const bool with_chart : {true, false}) {
    if (with_chart && page.chart.png.empty()) continue;
    std::string html = text_part("text/html", page_html(page, with_chart ? chart_id : ""));
    if (with_chart) {
      html = multipart("related", "=_chart", ";\r\n type=\"text/html\"",
                       {html, chart_part(page.chart.png, chart_id)});
    }
    std::string whole = fields + multipart("alternative", "=_forms", "", {text, html});
    if (whole.size() <= kMailOctetsMax) return whole;
  }
  return fields + text;
}

OutgoingMail made_mail(const std::vector<Mailbox>& to, const Headers& headers, const Page& page,
                       const MailSettings& settings, UnixNanos now) {
  OutgoingMail mail;
  mail.message_id = headers.message_id;
  mail.subject = clean_line(headers.subject);
  mail.created = now;
  mail.from = settings.from.address;
  for (const Mailbox& each : to) mail.recipients.push_back(each.address);
  const std::string name = headers.message_id.substr(1, headers.message_id.find('@') - 1);
  mail.octets = whole_message(header_fields(settings, to, headers, now), page, settings, name);
  return mail;
}

// For filters, and for programs that read mail: one field a fault.
std::string fault_fields(const Announcement& announcement) {
  std::string out;
  FaultSeverity worst = FaultSeverity::info;
  std::size_t written = 0;
  for (const Notice& notice : announcement.notices) {
    const Fault& fault = notice.fault;
    worst = std::max(worst, severity_of(fault.scope, fault.grade));
    if (written++ >= kFaultFieldsMax) continue;
    out += text_field("X-LinkPilot-Fault", fmt::format("{}; event={}; grade={}; about=\"{}\"",
                                                       fault.id, to_string(notice.reason),
                                                       to_string(fault.grade), subject_of(fault)));
  }
  return out + text_field("X-LinkPilot-Severity", to_string(worst));
}

// "resolved" only when nothing of the thread is open any more.
std::string subject_text(const Announcement& announcement, const PageStyle& style) {
  const std::vector<Notice>& notices = announcement.notices;
  const auto open = std::find_if(notices.begin(), notices.end(),
                                 [](const Notice& each) { return each.fault.open(); });
  std::string tag = tag_of(open == notices.end() ? notices.front() : *open, style);
  if (open == notices.end() && !announcement.others.empty()) {
    tag = fmt::format("{} {}", notices.size(), tag);
  }
  return fmt::format("[{}] {}", tag, announcement.stem);
}

}  // namespace

std::string thread_message_id(const std::string& thread, std::uint32_t number,
                              const Mailbox& from) {
  return fmt::format("<{}.{}@{}>", thread, number, domain_of(from));
}

OutgoingMail write_announcement(const Announcement& announcement, const FaultBackground& background,
                                const MailSettings& settings, UnixNanos now) {
  const PageStyle style = style_of(settings);
  Headers headers;
  headers.message_id = thread_message_id(announcement.thread, announcement.number, settings.from);
  if (announcement.number > 1) {
    headers.root_id = thread_message_id(announcement.thread, 1, settings.from);
    headers.previous_id =
        thread_message_id(announcement.thread, announcement.number - 1, settings.from);
  }
  headers.subject = subject_text(announcement, style);
  headers.extra = fault_fields(announcement);
  const bool alone = announcement.notices.size() == 1 && announcement.others.empty();
  const Page page =
      alone ? fault_page(announcement.notices.front(), background, {announcement.muted}, style)
            : group_page(announcement.notices, announcement.others, announcement.digest, background,
                         style);
  OutgoingMail mail = made_mail(announcement.to, headers, page, settings, now);
  mail.thread = announcement.thread;
  return mail;
}

OutgoingMail write_summary(const std::vector<Fault>& faults, const FleetState& fleet,
                           std::uint64_t handed, std::uint64_t dropped,
                           const MailSettings& settings, UnixNanos now) {
  const PageStyle style = style_of(settings);
  const Words& words = words_of(settings.language);
  Page page;
  Block open;
  Block over;
  open.kind = over.kind = Block::Kind::table;
  open.heading = words.summary_open;
  over.heading = words.summary_over;
  open.columns = over.columns = {words.column_state, words.column_what, words.column_since,
                                 words.column_lasted};
  std::size_t open_count = 0;
  std::size_t over_count = 0;
  for (const Fault& fault : faults) {
    if (!fault.open() && now - fault.resolved > kDayShown) continue;
    Block& into = fault.open() ? open : over;
    ++(fault.open() ? open_count : over_count);
    if (into.table.size() < kGroupListMax) into.table.push_back(fault_row(fault, now, style));
  }
  page.tone = open_count > 0 ? Tone::uneasy : Tone::good;
  page.badge = "LinkPilot";
  page.headline = worded(words.summary_headline, over_count, open_count);
  if (open_count + over_count == 0) page.lead = words.summary_quiet;
  page.footer = words.summary_footer;
  Block facts;
  facts.kind = Block::Kind::facts;
  facts.facts = {{words.fleet, worded(words.fleet_text, fleet.nodes_heard, fleet.nodes)},
                 {words.mails, worded(words.mails_text, handed, dropped)}};
  page.blocks.push_back(std::move(facts));
  if (open_count > open.table.size())
    open.note = worded(words.more, open_count - open.table.size());
  if (over_count > over.table.size())
    over.note = worded(words.more, over_count - over.table.size());
  if (open_count > 0) page.blocks.push_back(std::move(open));
  if (over_count > 0) page.blocks.push_back(std::move(over));
  const LocalTime local = settings.zone.at(now);
  const std::string day = fmt::format("{:04}-{:02}-{:02}", local.year, local.month, local.day);
  Headers headers;
  headers.message_id = fmt::format("<summary.{}@{}>", day, domain_of(settings.from));
  headers.subject = "[LinkPilot] " + worded(words.summary_subject, day, open_count, over_count);
  return made_mail(settings.to, headers, page, settings, now);
}

OutgoingMail write_heartbeat(const FleetState& fleet, std::size_t open,
                             const MailSettings& settings, UnixNanos now) {
  const Words& words = words_of(settings.language);
  const std::string next = settings.zone.text(now + settings.heartbeat_interval);
  Page page;
  page.tone = Tone::good;
  page.badge = "LinkPilot";
  page.headline = words.heartbeat_headline;
  page.lead = worded(words.heartbeat_lead, next);
  page.footer = "LinkPilot";
  Block facts;
  facts.kind = Block::Kind::facts;
  facts.facts = {{words.fleet, worded(words.fleet_text, fleet.nodes_heard, fleet.nodes)},
                 {words.summary_open, fmt::format("{}", open)}};
  page.blocks.push_back(std::move(facts));
  Headers headers;
  headers.message_id =
      fmt::format("<heartbeat.{}@{}>", now.ns / 1'000'000'000, domain_of(settings.from));
  headers.subject = fmt::format("[heartbeat] {}", words.heartbeat_subject);
  headers.extra =
      text_field("X-LinkPilot-Heartbeat", "next=" + format_utc(now + settings.heartbeat_interval));
  OutgoingMail mail = made_mail(settings.heartbeat_to, headers, page, settings, now);
  mail.thread = kHeartbeatThread;
  return mail;
}

OutgoingMail write_test_mail(const MailSettings& settings, const std::optional<Mailbox>& to,
                             const std::string& nonce, UnixNanos now) {
  std::vector<Mailbox> recipients = to ? std::vector<Mailbox>{*to} : settings.to;
  if (!to) {
    NoticeThread everybody;
    everybody.add_people(settings.to);
    for (const MailRule& rule : settings.rules) everybody.add_people(rule.to);
    recipients = std::move(everybody.to);
  }
  const Words& words = words_of(settings.language);
  Page page;
  page.badge = "LinkPilot";
  page.headline = words.test_headline;
  page.lead = worded(words.test_lead, settings.zone.text(now));
  page.footer = "LinkPilot";
  Headers headers;
  headers.message_id = fmt::format("<test.{}@{}>", nonce, domain_of(settings.from));
  headers.subject = fmt::format("[test] {}", words.test_subject);
  return made_mail(recipients, headers, page, settings, now);
}

}  // namespace linkpilot::collector
