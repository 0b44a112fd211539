#include "collector/notify/fault_mail.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace linkpilot::collector {

namespace {

constexpr std::size_t kMailTextMax = 32 * 1024;

std::string clock_text(UnixNanos time) {  // "2026-11-21 14:02:11 UTC"
  std::string text = format_utc(time);
  return text.size() < 19 ? text : text.substr(0, 10) + " " + text.substr(11, 8) + " UTC";
}

std::string span_text(Duration span) {  // "2 h 5 min", "3 min 12 s", "8 s"
  const std::int64_t seconds = std::max<std::int64_t>(0, span.count() / 1'000'000'000);
  if (seconds >= 3600) return fmt::format("{} h {} min", seconds / 3600, seconds % 3600 / 60);
  if (seconds >= 60) return fmt::format("{} min {} s", seconds / 60, seconds % 60);
  return fmt::format("{} s", seconds);
}

std::string_view state_of(const Fault& fault) {
  if (fault.grade == FaultGrade::degraded) return "is degraded";
  return fault.scope == FaultScope::link ? "is cut" : "is down";
}

std::string_view was_state_of(const Fault& fault) {
  if (fault.grade == FaultGrade::degraded) return "degraded";
  return fault.scope == FaultScope::link ? "cut" : "down";
}

std::string headline(const FaultChange& change) {
  const Fault& fault = change.fault;
  std::string subject = subject_of(fault);
  subject.front() = static_cast<char>(subject.front() - 'a' + 'A');
  switch (change.event) {
    case FaultEvent::opened:
      return fmt::format("{} {}.", subject, state_of(fault));
    case FaultEvent::updated:
      return fmt::format("{} {} now.", subject, state_of(fault));
    case FaultEvent::resolved:
      return fmt::format("{} is well again. It was {} for {}.", subject, was_state_of(fault),
                         span_text(fault.resolved - fault.since));
  }
  return subject;
}

std::string_view tag_of(const FaultChange& change) {
  if (change.event == FaultEvent::resolved) return "resolved";
  return was_state_of(change.fault);
}

std::string line(std::string_view label, std::string_view text) {
  return fmt::format("{:<12}{}\n", label, clean_line(text));
}

// Those whose measurements accuse it: the near ends of the links, as far as they are listed.
std::string seen_from(const Fault& fault) {
  std::vector<std::string> names;
  for (const FaultLink& link : fault.links) {
    std::string name = link.text.substr(0, link.text.find('/'));
    const bool about_it =
        fault.scope != FaultScope::link &&
        std::find(fault.members.begin(), fault.members.end(), name) != fault.members.end();
    if (!about_it && std::find(names.begin(), names.end(), name) == names.end()) {
      names.push_back(std::move(name));
    }
  }
  if (names.empty()) return "the collector";
  std::string text = fmt::format("{}", fmt::join(names, ", "));
  return fault.links_total > fault.links.size() ? text + " and others" : text;
}

std::string figure(double value, std::string_view unit) {
  return value < 0 ? "?" : fmt::format("{:.1f} {}", value, unit);
}

std::string loss_figure(double ratio) {
  if (ratio >= 0.995) return "all";
  return ratio < 0 ? "?" : fmt::format("{:.1f} %", ratio * 100);
}

std::string evidence(const FaultChange& change) {
  const Fault& fault = change.fault;
  if (fault.links.empty()) return "";
  std::string text = change.event == FaultEvent::resolved ? "\nEvidence (usual -> now)\n"
                                                          : "\nEvidence (before -> now)\n";
  for (const FaultLink& link : fault.links) {
    const bool gone = link.grade == FaultGrade::dead && change.event != FaultEvent::resolved;
    text += fmt::format("  {}: round trip {} -> {}, lost {} -> {}\n", clean_line(link.text),
                        figure(link.rtt_ms_before, "ms"),
                        gone ? "no answer" : figure(link.rtt_ms, "ms"),
                        loss_figure(link.loss_ratio_before), loss_figure(link.loss_ratio));
    if (!link.seen.empty() && change.event != FaultEvent::resolved) {
      text += fmt::format("    {}\n", clean_line(link.seen));
    }
  }
  if (fault.links_total > fault.links.size()) {
    text += fmt::format("  and {} more\n", fault.links_total - fault.links.size());
  }
  return text;
}

std::string actions(const Fault& fault) {
  std::string text = "\nWhat was done\n";
  if (fault.routes_total == 0) {
    return text + (fault.open() ? "  No route moved: none used it, or there is no better way.\n"
                                : "  No route had to move.\n");
  }
  text += fmt::format("  {} route{} moved away from it at once:\n", fault.routes_total,
                      fault.routes_total == 1 ? "" : "s");
  for (const std::string& route : fault.routes) text += "    " + clean_line(route) + "\n";
  if (fault.routes_total > fault.routes.size()) {
    text += fmt::format("    and {} more\n", fault.routes_total - fault.routes.size());
  }
  return text;
}

std::string commands(const Fault& fault) {
  std::string text = "\nHow to look further\n";
  text += fmt::format("  linkpilot fault show {}\n", fault.id);
  if (fault.scope == FaultScope::link && fault.members.size() == 2) {
    const std::string a = clean_line(fault.members[0]);
    const std::string b = clean_line(fault.members[1]);
    text += fmt::format("  linkpilot link list --from {} --to {}\n", a, b);
    text += fmt::format("  linkpilot link probe {} {}\n", a, b);
    text += fmt::format("  linkpilot route explain {} {}\n", a, b);
  } else if (fault.scope == FaultScope::node && !fault.members.empty()) {
    text += fmt::format("  linkpilot agent show {}\n", clean_line(fault.members[0]));
    text += fmt::format("  linkpilot link list --to {}\n", clean_line(fault.members[0]));
  } else {
    text += "  linkpilot status\n";
  }
  return text + "  linkpilot event tail\n";
}

struct Headers {
  std::string message_id;
  std::string root_id;      // empty: it is the first of its thread
  std::string previous_id;  // of the thread; empty or the root's
  std::string subject;
  std::string extra;  // whole fields
};

std::string whole_message(const MailSettings& settings, const std::vector<Mailbox>& to,
                          const Headers& headers, UnixNanos date, const std::string& text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet == '\n' || (octet >= 0x20 && octet < 0x7F);
  });
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
  out += "Auto-Submitted: auto-generated\r\n";  // RFC 3834: nobody shall answer by machine
  out += "Precedence: bulk\r\n";
  out += headers.extra;
  out += "MIME-Version: 1.0\r\n";
  out += "Content-Type: text/plain; charset=utf-8\r\n";
  out += plain ? "Content-Transfer-Encoding: 7bit\r\n\r\n"
               : "Content-Transfer-Encoding: quoted-printable\r\n\r\n";
  if (!plain) return out + quoted_printable(text);
  for (const char c : text) {
    if (c == '\n') out += '\r';
    out += c;
  }
  return out;
}

// Lines of ASCII may be long, but not beyond 998 (RFC 5322 s2.1.1).
std::string wrapped(const std::string& text) {
  constexpr std::size_t kColumns = 900;
  std::string out;
  std::size_t column = 0;
  for (const char c : text.substr(0, kMailTextMax)) {
    if (c != '\n' && column >= kColumns && (static_cast<unsigned char>(c) & 0xC0) != 0x80) {
      out += '\n';
      column = 0;
    }
    out += c;
    column = c == '\n' ? 0 : column + 1;
  }
  return out;
}

}  // namespace

std::string fault_message_id(const std::string& fault, std::uint32_t event, const Mailbox& from) {
  return fmt::format("<fault.{}.{}@{}>", fault, event, domain_of(from));
}

std::string fault_subject_stem(const Fault& fault) {
  const std::string since = format_utc(fault.since);
  return fmt::format("{}, since {} UTC", subject_of(fault),
                     since.size() < 19 ? since : since.substr(11, 8));
}

std::string fault_text(const FaultChange& change) {
  const Fault& fault = change.fault;
  std::string text = clean_line(headline(change)) + "\n\n";
  if (change.event == FaultEvent::resolved) {
    text += line("Now", fault.outcome);
    text += line("From", clock_text(fault.since));
    text += line("To", clock_text(fault.resolved));
  } else {
    text += line("What", fault.detail);
    text += line("Since", fmt::format("{} ({} before this was written)", clock_text(fault.since),
                                      span_text(fault.updated - fault.since)));
    text += line("Seen from", seen_from(fault));
  }
  if (fault.scope == FaultScope::region) {
    text += line("Nodes", fmt::format("{}", fmt::join(fault.members, ", ")));
  }
  text += line("Fault", fault.id);
  text += evidence(change);
  text += actions(fault);
  text += commands(fault);
  text +=
      "\n-- \nSent by the LinkPilot collector: one mail when a fault begins, one when its grade "
      "changes,\none when it is over, all in one thread.\n";
  return text;
}

OutgoingMail write_fault_mail(const FaultChange& change, const MailSettings& settings) {
  const Fault& fault = change.fault;
  Headers headers;
  headers.message_id = fault_message_id(fault.id, fault.events, settings.from);
  if (fault.events > 1) {
    headers.root_id = fault_message_id(fault.id, 1, settings.from);
    headers.previous_id = fault_message_id(fault.id, fault.events - 1, settings.from);
  }
  headers.subject = fmt::format("[{}] {}", tag_of(change), fault_subject_stem(fault));
  headers.extra =
      text_field("X-LinkPilot-Fault", fmt::format("{}; event={}; grade={}", fault.id,
                                                  to_string(change.event), to_string(fault.grade)));
  OutgoingMail mail;
  mail.thread = fault.id;
  mail.message_id = headers.message_id;
  mail.subject = clean_line(headers.subject);
  mail.created = fault.updated;
  mail.from = settings.from.address;
  for (const Mailbox& to : settings.to) mail.recipients.push_back(to.address);
  mail.octets =
      whole_message(settings, settings.to, headers, fault.updated, wrapped(fault_text(change)));
  return mail;
}

OutgoingMail write_test_mail(const MailSettings& settings, const std::optional<Mailbox>& to,
                             const std::string& nonce, UnixNanos now) {
  const std::vector<Mailbox> recipients = to ? std::vector<Mailbox>{*to} : settings.to;
  Headers headers;
  headers.message_id = fmt::format("<test.{}@{}>", nonce, domain_of(settings.from));
  headers.subject = "[test] LinkPilot can reach you";
  OutgoingMail mail;
  mail.message_id = headers.message_id;
  mail.subject = headers.subject;
  mail.created = now;
  mail.from = settings.from.address;
  for (const Mailbox& each : recipients) mail.recipients.push_back(each.address);
  mail.octets = whole_message(
      settings, recipients, headers, now,
      fmt::format("This is a test, asked for with `linkpilot mail test` at {}.\n\nMail about "
                  "faults of the network comes from the same sender, through the same server.\n",
                  clock_text(now)));
  return mail;
}

}  // namespace linkpilot::collector
