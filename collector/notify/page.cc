#include "collector/notify/page.h"

#include <fmt/format.h>

#include <algorithm>

#include "collector/notify/mime.h"

namespace linkpilot::collector {

namespace {

constexpr std::size_t kLabelColumns = 12;

// Columns on a screen: what is not ASCII counts two if it takes three octets or more (CJK).
std::size_t columns_of(std::string_view text) {
  std::size_t columns = 0;
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet < 0x80 || (octet >= 0xC0 && octet < 0xE0)) ++columns;
    if (octet >= 0xE0) columns += 2;
  }
  return columns;
}

std::string padded(std::string_view text, std::size_t columns) {
  std::string out(text);
  out.append(columns - std::min(columns, columns_of(text)), ' ');
  return out;
}

std::string heading_of(const Block& block) {
  return block.heading.empty() ? "\n" : "\n" + clean_line(block.heading) + "\n";
}

std::string table_text(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], columns_of(clean_line(row[i])));
    }
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line = "  ";
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += i + 1 < row.size()
                  ? padded(clean_line(row[i]), std::min<std::size_t>(40, widths[i]) + 2)
                  : clean_line(row[i]);
    }
    out += line + "\n";
  }
  return out;
}

std::string matrix_text(const Block& block) {
  std::vector<std::vector<std::string>> rows(1);
  rows[0].push_back("");
  rows[0].insert(rows[0].end(), block.columns.begin(), block.columns.end());
  for (std::size_t r = 0; r < block.cells.size(); ++r) {
    std::vector<std::string> row{r < block.rows.size() ? block.rows[r] : ""};
    for (const MatrixCell& cell : block.cells[r])
      row.push_back(cell.text.empty() ? "." : cell.text);
    rows.push_back(std::move(row));
  }
  return table_text(rows);
}

std::string block_text(const Block& block) {
  std::string out;
  switch (block.kind) {
    case Block::Kind::facts:
      for (const Fact& fact : block.facts) {
        out += padded(clean_line(fact.label), kLabelColumns) + clean_line(fact.value) + "\n";
      }
      return (block.heading.empty() ? "" : heading_of(block)) + out;
    case Block::Kind::table: {
      std::vector<std::vector<std::string>> rows = block.table;
      if (!block.columns.empty()) rows.insert(rows.begin(), block.columns);
      out = heading_of(block) + table_text(rows);
      break;
    }
    case Block::Kind::matrix:
      out = heading_of(block) + matrix_text(block);
      break;
    case Block::Kind::lines:
    case Block::Kind::verbatim:
      out = heading_of(block);
      for (const std::string& row : block.rows) out += "  " + clean_line(row) + "\n";
      break;
    case Block::Kind::chart:
      return "";
    case Block::Kind::link:
      out = heading_of(block);
      for (const Fact& fact : block.facts) out += "  " + clean_line(fact.value) + "\n";
      break;
  }
  if (!block.note.empty()) out += "  " + clean_line(block.note) + "\n";
  return out;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : clean_line(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string_view ground_of(Tone tone) {
  switch (tone) {
    case Tone::bad:
      return "#B34700";
    case Tone::uneasy:
      return "#8A5A00";
    case Tone::good:
      return "#005A8C";
    case Tone::plain:
      return "#444444";
  }
  return "#444444";
}

std::string_view cell_style(Tone tone) {
  switch (tone) {
    case Tone::bad:
      return "background:#D55E00;color:#ffffff;font-weight:bold";
    case Tone::uneasy:
      return "background:#F5C56B;color:#222222";
    case Tone::good:
      return "background:#D3E8F5;color:#222222";
    case Tone::plain:
      return "background:#f2f2f2;color:#777777";
  }
  return "";
}

constexpr std::string_view kSmall = "font-size:13px;line-height:1.45;color:#555555";

std::string facts_html(const Block& block) {
  std::string out =
      "<table role=\"presentation\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\">";
  for (const Fact& fact : block.facts) {
    out += fmt::format(
        "<tr><td style=\"padding:2px 14px 2px 0;color:#666666;white-space:nowrap;vertical-align:"
        "top\">{}</td><td style=\"padding:2px 0;vertical-align:top\">{}</td></tr>\n",
        escaped(fact.label), escaped(fact.value));
  }
  return out + "</table>\n";
}

std::string table_html(const Block& block) {
  std::string out =
      "<table cellpadding=\"0\" cellspacing=\"0\" border=\"0\" style=\"border-collapse:collapse;"
      "font-size:14px\">";
  const auto row_html = [&](const std::vector<std::string>& row, std::string_view tag) {
    out += "<tr>";
    for (const std::string& cell : row) {
      out += fmt::format(
          "<{0} align=\"left\" style=\"padding:4px 12px 4px 0;border-bottom:1px solid #dddddd;"
          "vertical-align:top\">{1}</{0}>",
          tag, escaped(cell));
    }
    out += "</tr>\n";
  };
  if (!block.columns.empty()) row_html(block.columns, "th");
  for (const auto& row : block.table) row_html(row, "td");
  return out + "</table>\n";
}

std::string matrix_html(const Block& block) {
  std::string out =
      "<table cellpadding=\"0\" cellspacing=\"2\" border=\"0\" "
      "style=\"font-size:13px\"><tr><th></th>";
  for (const std::string& column : block.columns) {
    out += fmt::format("<th style=\"padding:2px 4px;font-weight:normal;color:#555555\">{}</th>",
                       escaped(column));
  }
  out += "</tr>\n";
  for (std::size_t r = 0; r < block.cells.size(); ++r) {
    out += fmt::format(
        "<tr><th align=\"right\" style=\"padding:2px 6px 2px 0;font-weight:normal;color:#555555\">"
        "{}</th>",
        r < block.rows.size() ? escaped(block.rows[r]) : "");
    for (const MatrixCell& cell : block.cells[r]) {
      out +=
          fmt::format("<td align=\"center\" style=\"padding:5px 7px;{}\">{}</td>",
                      cell_style(cell.tone), cell.text.empty() ? "&middot;" : escaped(cell.text));
    }
    out += "</tr>\n";
  }
  return out + "</table>\n";
}

std::string chart_html(const Page& page, const Block& block, const std::string& chart_id) {
  if (chart_id.empty() || page.chart.png.empty()) return "";
  std::string out = fmt::format(
      "<img src=\"cid:{}\" width=\"560\" alt=\"{}\" style=\"display:block;width:100%;max-width:"
      "560px;height:auto;border:0\">\n<div style=\"{}\">",
      chart_id, escaped(page.chart_alternative), kSmall);
  for (std::size_t i = 0; i < block.facts.size() && i < kChartLinksMax; ++i) {
    const Colour colour = kChartColours[i];
    out += fmt::format(
        "<span style=\"color:#{:02X}{:02X}{:02X};font-weight:bold\">&#9632;</span> "
        "{} &nbsp; ",
        colour.red, colour.green, colour.blue, escaped(block.facts[i].value));
  }
  return out + "</div>\n";
}

std::string block_html(const Page& page, const Block& block, const std::string& chart_id) {
  std::string out;
  switch (block.kind) {
    case Block::Kind::facts:
      out = facts_html(block);
      break;
    case Block::Kind::table:
      out = table_html(block);
      break;
    case Block::Kind::matrix:
      out = matrix_html(block);
      break;
    case Block::Kind::lines:
      for (const std::string& row : block.rows) out += "<div>" + escaped(row) + "</div>\n";
      break;
    case Block::Kind::verbatim:
      out =
          "<pre style=\"margin:0;padding:10px 12px;background:#f5f5f5;border-left:3px solid "
          "#bbbbbb;font-family:Consolas,Menlo,monospace;font-size:12.5px;line-height:1.5;"
          "white-space:pre-wrap;word-break:break-word\">";
      for (const std::string& row : block.rows) out += escaped(row) + "\n";
      out += "</pre>\n";
      break;
    case Block::Kind::chart:
      out = chart_html(page, block, chart_id);
      if (out.empty()) return "";
      break;
    case Block::Kind::link:
      for (const Fact& fact : block.facts) {
        out += fmt::format("<div><a href=\"{}\" style=\"color:#0072B2\">{}</a></div>\n",
                           escaped(fact.value), escaped(fact.label));
      }
      break;
  }
  if (!block.note.empty()) {
    out += fmt::format("<div style=\"{}\">{}</div>\n", kSmall, escaped(block.note));
  }
  const std::string heading =
      block.heading.empty()
          ? ""
          : fmt::format("<h2 style=\"margin:0 0 6px;font-size:15px;color:#222222\">{}</h2>\n",
                        escaped(block.heading));
  return "<div style=\"margin:0 0 20px\">\n" + heading + out + "</div>\n";
}

// At a line's end, so that no character and no tag is torn.
std::string bounded(std::string text, std::size_t max) {
  if (text.size() <= max) return text;
  text.resize(max);
  const std::size_t end = text.rfind('\n');
  text.resize(end == std::string::npos ? 0 : end + 1);
  return text;
}

}  // namespace

std::string page_text(const Page& page) {
  std::string out = clean_line(page.headline) + "\n";
  if (!page.lead.empty()) out += clean_line(page.lead) + "\n";
  out += "\n";
  for (const Block& block : page.blocks) {
    const std::string text = block_text(block);
    if (out.size() + text.size() > kPageTextMax) break;
    out += text;
  }
  out = bounded(std::move(out), kPageTextMax);
  return out + "\n-- \n" + clean_line(page.footer) + "\n";
}

std::string page_html(const Page& page, const std::string& chart_id) {
  std::string out =
      "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\""
      "width=device-width,initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light\">\n"
      "</head>\n<body style=\"margin:0;padding:0;background:#ffffff\">\n";
  out += fmt::format(
      "<div style=\"max-width:600px;margin:0 auto;font-family:-apple-system,'Segoe UI',Roboto,"
      "Helvetica,Arial,'PingFang SC','Microsoft YaHei',sans-serif;font-size:15px;line-height:1.5;"
      "color:#222222\">\n<div style=\"background:{};color:#ffffff;padding:14px 18px\">\n"
      "<div style=\"font-size:12px;letter-spacing:1px\">{}</div>\n<div style=\"font-size:20px;"
      "line-height:1.3;font-weight:bold\">{}</div>\n",
      ground_of(page.tone), escaped(page.badge), escaped(page.headline));
  if (!page.lead.empty()) {
    out += fmt::format("<div style=\"font-size:14px\">{}</div>\n", escaped(page.lead));
  }
  out += "</div>\n<div style=\"padding:18px\">\n";
  for (const Block& block : page.blocks) {
    const std::string html = block_html(page, block, chart_id);
    if (out.size() + html.size() > kPageHtmlMax) break;
    out += html;
  }
  return out + fmt::format(
                   "<div style=\"border-top:1px solid #dddddd;padding-top:10px;{}\">{}</div>"
                   "\n</div>\n</div>\n</body></html>\n",
                   kSmall, escaped(page.footer));
}

}  // namespace linkpilot::collector
