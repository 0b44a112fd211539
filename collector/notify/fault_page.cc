#include "collector/notify/fault_page.h"

#include <fmt/format.h>

#include <algorithm>

#include "collector/notify/mime.h"
#include "collector/notify/words.h"

namespace linkpilot::collector {

namespace {

constexpr std::size_t kMatrixSideMax = 8;
constexpr double kShiftMs = 5;  // of the round trip, worth showing in the matrix

template <typename... Values>
std::string say(const char* words, const Values&... values) {
  return fmt::format(fmt::runtime(words), values...);
}

Tone tone_of(const Notice& notice) {
  if (!notice.fault.open()) return Tone::good;
  return notice.fault.grade == FaultGrade::dead ? Tone::bad : Tone::uneasy;
}

std::string headline_of(const Notice& notice, const Words& words) {
  const Fault& fault = notice.fault;
  std::string subject = subject_in(words, fault);
  if (subject.front() >= 'a' && subject.front() <= 'z') {
    subject.front() = static_cast<char>(subject.front() - 'a' + 'A');
  }
  const char* state = state_in(words, fault);
  if (!fault.open()) {
    return say(words.is_well, subject, state, span_text(fault.resolved - fault.since));
  }
  const std::string lasted = span_text(fault.updated - fault.since);
  if (notice.reason == NoticeReason::repeated) return say(words.is_still, subject, state, lasted);
  if (notice.reason == NoticeReason::escalated) {
    return say(words.is_unattended, subject, state, lasted);
  }
  if (fault.grade == FaultGrade::degraded) return say(words.is_degraded, subject);
  return say(fault.scope == FaultScope::link ? words.is_cut : words.is_down, subject);
}

// Those whose measurements accuse it: the near ends of the links, as far as they are listed.
std::string seen_from(const Fault& fault, const Words& words) {
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
  if (names.empty()) return words.collector;
  std::string text = fmt::format("{}", fmt::join(names, ", "));
  return fault.links_total > fault.links.size() ? say(words.others, text) : text;
}

std::string milliseconds(double value) { return value < 0 ? "?" : fmt::format("{:.1f} ms", value); }

std::string loss_figure(double ratio, const Words& words) {
  if (ratio >= 0.995) return words.all;
  return ratio < 0 ? "?" : fmt::format("{:.1f} %", ratio * 100);
}

std::string rtt_now(const FaultLink& link, bool open, const Words& words) {
  return link.grade == FaultGrade::dead && open ? words.no_answer : milliseconds(link.rtt_ms);
}

// A line for each link with addresses, figures, and who saw it: readable without this system.
Block evidence_block(const Fault& fault, const FaultBackground& background, const Words& words,
                     const TimeZone& zone) {
  Block block;
  block.kind = Block::Kind::verbatim;
  block.heading = words.evidence;
  const auto when = [&](const char* label, UnixNanos time) {
    std::string text = zone.text(time);
    if (zone.at(time).offset_s != 0) text += " = " + format_utc(time);
    block.rows.push_back(fmt::format("{}: {}", label, text));
  };
  block.rows.push_back(fmt::format("{} ({})", subject_in(words, fault), fault.id));
  if (!fault.vendor.empty())
    block.rows.push_back(fmt::format("{}: {}", words.vendor, fault.vendor));
  when(words.began, fault.since);
  if (!fault.open()) when(words.ended, fault.resolved);
  when(words.written, fault.updated);
  if (!fault.links.empty()) block.rows.push_back(fmt::format("{}:", words.measured));
  for (const FaultLink& link : fault.links) {
    block.rows.push_back(fmt::format(
        "{}: {} {} -> {}, {} {} -> {}", link.text, words.round_trip,
        milliseconds(link.rtt_ms_before), rtt_now(link, fault.open(), words), words.lost,
        loss_figure(link.loss_ratio_before, words), loss_figure(link.loss_ratio, words)));
    for (const LinkTrace& trace : background.links) {
      if (trace.link == link.link && !trace.from.empty() && !trace.to.empty()) {
        block.rows.push_back(fmt::format("  {} -> {}", trace.from, trace.to));
      }
    }
    if (!link.seen.empty() && fault.open()) block.rows.push_back("  " + link.seen);
  }
  if (fault.links_total > fault.links.size()) {
    block.rows.push_back(say(words.more, fault.links_total - fault.links.size()));
  }
  return block;
}

MatrixCell cell_of(const FaultLink& link, bool open) {
  if (!open) return {Tone::good, "ok"};
  if (link.grade == FaultGrade::dead) return {Tone::bad, "100 %"};
  const double grown =
      link.rtt_ms < 0 || link.rtt_ms_before < 0 ? 0 : link.rtt_ms - link.rtt_ms_before;
  if (link.loss_ratio >= 0.01 || grown < kShiftMs) {
    return {Tone::uneasy,
            link.loss_ratio < 0 ? "?" : fmt::format("{:.0f} %", link.loss_ratio * 100)};
  }
  return {Tone::uneasy, fmt::format("+{:.0f} ms", grown)};
}

// From the row to the column; the ends that most links share come first.
Block matrix_block(const Fault& fault, const Words& words) {
  Block block;
  block.kind = Block::Kind::matrix;
  block.heading = words.matrix;
  block.note = words.matrix_note;
  const auto place = [](std::vector<std::string>& into, const std::string& name) {
    const auto found = std::find(into.begin(), into.end(), name);
    if (found != into.end()) return static_cast<std::size_t>(found - into.begin());
    if (into.size() >= kMatrixSideMax) return kMatrixSideMax;
    into.push_back(name);
    return into.size() - 1;
  };
  struct Entry {
    std::size_t row, column;
    MatrixCell cell;
  };
  std::vector<Entry> entries;
  for (const FaultLink& link : fault.links) {
    const std::size_t arrow = link.text.find('>');
    if (arrow == std::string::npos) continue;
    const std::size_t row = place(block.rows, link.text.substr(0, arrow));
    const std::size_t column = place(block.columns, link.text.substr(arrow + 1));
    if (row < kMatrixSideMax && column < kMatrixSideMax) {
      entries.push_back({row, column, cell_of(link, fault.open())});
    }
  }
  block.cells.assign(block.rows.size(), std::vector<MatrixCell>(block.columns.size()));
  for (Entry& entry : entries) block.cells[entry.row][entry.column] = std::move(entry.cell);
  return block;
}

Block actions_block(const Fault& fault, const Words& words) {
  Block block;
  block.heading = words.done;
  if (fault.routes_total == 0) {
    block.rows = {fault.open() ? words.no_route_moved : words.no_route_had_to};
    return block;
  }
  block.rows.push_back(say(words.routes_moved, fault.routes_total));
  for (const std::string& route : fault.routes) block.rows.push_back(route);
  if (fault.routes_total > fault.routes.size()) {
    block.rows.push_back(say(words.more, fault.routes_total - fault.routes.size()));
  }
  return block;
}

Block commands_block(const Fault& fault, const Words& words) {
  Block block;
  block.kind = Block::Kind::verbatim;
  block.heading = words.look_further;
  block.rows.push_back("linkpilot fault show " + fault.id);
  if (fault.scope == FaultScope::link && fault.members.size() == 2) {
    const std::string& a = fault.members[0];
    const std::string& b = fault.members[1];
    block.rows.push_back(fmt::format("linkpilot link list --from {} --to {}", a, b));
    block.rows.push_back(fmt::format("linkpilot link probe {} {}", a, b));
    block.rows.push_back(fmt::format("linkpilot route explain {} {}", a, b));
  } else if (fault.scope == FaultScope::node && !fault.members.empty()) {
    block.rows.push_back(fmt::format("linkpilot agent show {}", fault.members[0]));
    block.rows.push_back(fmt::format("linkpilot link list --to {}", fault.members[0]));
  } else {
    block.rows.emplace_back("linkpilot status");
  }
  block.rows.emplace_back("linkpilot event tail");
  return block;
}

Block facts_block(const Notice& notice, const FaultPageExtra& extra, const Words& words,
                  const TimeZone& zone) {
  const Fault& fault = notice.fault;
  Block block;
  block.kind = Block::Kind::facts;
  if (fault.open()) {
    block.facts.push_back({words.what, fault.detail});
    block.facts.push_back({words.since_label, say(words.ago, zone.text(fault.since),
                                                  span_text(fault.updated - fault.since))});
    block.facts.push_back({words.seen_from, seen_from(fault, words)});
  } else {
    block.facts.push_back({words.now, fault.outcome});
    block.facts.push_back({words.from, zone.text(fault.since)});
    block.facts.push_back({words.to, zone.text(fault.resolved)});
  }
  if (fault.scope == FaultScope::region) {
    block.facts.push_back({words.nodes, fmt::format("{}", fmt::join(fault.members, ", "))});
  }
  const auto severity = static_cast<std::size_t>(severity_of(fault.scope, fault.grade));
  block.facts.push_back({words.severity_label, words.severity[severity]});
  if (!fault.vendor.empty()) block.facts.push_back({words.vendor, fault.vendor});
  block.facts.push_back({words.fault, fault.id});
  if (extra.muted > 0) block.facts.push_back({"", say(words.muted, extra.muted)});
  return block;
}

void add_chart(Page& page, const Fault& fault, const FaultBackground& background,
               const Words& words, const TimeZone& zone) {
  page.chart = draw_chart(fault, background, zone);
  if (page.chart.png.empty()) return;
  Block block;
  block.kind = Block::Kind::chart;
  block.heading = words.chart;
  block.note = words.chart_note;
  for (const std::size_t i : page.chart.links) {
    for (const FaultLink& link : fault.links) {
      if (link.link != background.links[i].link) continue;
      block.facts.push_back({"", link.text});
      if (!page.chart_alternative.empty()) continue;
      page.chart_alternative =
          say(words.chart_alternative, link.text,
              fmt::format("{} -> {}", milliseconds(link.rtt_ms_before),
                          rtt_now(link, fault.open(), words)),
              fmt::format("{} -> {}", loss_figure(link.loss_ratio_before, words),
                          loss_figure(link.loss_ratio, words)));
    }
  }
  page.blocks.push_back(std::move(block));
}

void add_fault_blocks(Page& page, const Notice& notice, const FaultBackground& background,
                      const FaultPageExtra& extra, const PageStyle& style) {
  const Words& words = words_of(style.language);
  const Fault& fault = notice.fault;
  page.blocks.push_back(facts_block(notice, extra, words, style.zone));
  add_chart(page, fault, background, words, style.zone);
  if (!fault.links.empty()) page.blocks.push_back(matrix_block(fault, words));
  page.blocks.push_back(evidence_block(fault, background, words, style.zone));
  page.blocks.push_back(actions_block(fault, words));
  page.blocks.push_back(commands_block(fault, words));
  if (!style.runbook_base.empty()) {
    Block block;
    block.kind = Block::Kind::link;
    block.heading = words.runbook;
    const std::string url = runbook_url(style.runbook_base, fault);
    block.facts = {{url, url}};
    page.blocks.push_back(std::move(block));
  }
}

}  // namespace

std::string fault_subject_stem(const Fault& fault, const PageStyle& style) {
  const Words& words = words_of(style.language);
  return say(words.since, subject_in(words, fault), style.zone.clock(fault.since));
}

std::string subject_stem(const std::vector<Notice>& notices, const PageStyle& style) {
  const std::string first = fault_subject_stem(notices.front().fault, style);
  if (notices.size() == 1) return first;
  return say(words_of(style.language).group_subject, notices.size(), first);
}

PageStyle style_of(const MailSettings& settings) {
  return {settings.language, settings.zone, settings.runbook_base};
}

std::string tag_of(const Notice& notice, const PageStyle& style) {
  const Words& words = words_of(style.language);
  if (!notice.fault.open()) return words.resolved;
  const std::string state = state_in(words, notice.fault);
  if (notice.reason == NoticeReason::repeated) return fmt::format("{} {}", words.still, state);
  if (notice.reason == NoticeReason::escalated) {
    return fmt::format("{}, {}", state, words.unattended);
  }
  return state;
}

std::string runbook_name(const Fault& fault) {
  return fmt::format("{}-{}", to_string(fault.scope), to_string(fault.grade));
}

std::string runbook_url(const std::string& base, const Fault& fault) {
  return base.empty() ? "" : base + runbook_name(fault);
}

std::vector<std::string> fault_row(const Fault& fault, UnixNanos now, const PageStyle& style) {
  const Words& words = words_of(style.language);
  const UnixNanos end = fault.open() ? std::max(now, fault.updated) : fault.resolved;
  return {fault.open() ? state_in(words, fault) : words.resolved, subject_in(words, fault),
          style.zone.text(fault.since), span_text(end - fault.since)};
}

Page fault_page(const Notice& notice, const FaultBackground& background,
                const FaultPageExtra& extra, const PageStyle& style) {
  const Words& words = words_of(style.language);
  Page page;
  page.tone = tone_of(notice);
  page.badge = fmt::format("{} / {}", tag_of(notice, style), notice.fault.id);
  page.headline = headline_of(notice, words);
  page.footer = words.footer;
  add_fault_blocks(page, notice, background, extra, style);
  return page;
}

Page group_page(const std::vector<Notice>& notices, const std::vector<Fault>& others, bool digest,
                const FaultBackground& first, const PageStyle& style) {
  const Words& words = words_of(style.language);
  Page page;
  page.tone = Tone::good;
  std::size_t open = others.size();
  UnixNanos written;
  Block list;
  list.kind = Block::Kind::table;
  list.heading = words.fault_list;
  list.columns = {words.column_state, words.column_what, words.column_since, words.column_lasted};
  for (const Notice& notice : notices) {
    page.tone = std::min(page.tone, tone_of(notice));
    open += notice.fault.open() ? 1 : 0;
    written = std::max(written, notice.fault.updated);
  }
  const std::size_t total = notices.size() + others.size();
  const auto add = [&](const Fault& fault) {
    if (list.table.size() < kGroupListMax) list.table.push_back(fault_row(fault, written, style));
  };
  for (const Notice& notice : notices) add(notice.fault);
  for (const Fault& fault : others) add(fault);
  if (total > list.table.size()) list.note = say(words.more, total - list.table.size());
  page.headline =
      notices.size() == 1 ? headline_of(notices.front(), words) : say(words.group_headline, total);
  page.lead = say(words.group_open, open, total - open);
  if (digest) page.lead += fmt::format(" {}", words.digest_lead);
  page.badge = fmt::format("LinkPilot / {}", notices.front().fault.id);
  page.footer = words.footer;
  page.blocks.push_back(std::move(list));
  add_fault_blocks(page, notices.front(), first, {}, style);
  return page;
}

}  // namespace linkpilot::collector
