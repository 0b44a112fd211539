// A mail as a page of blocks, before it becomes text or HTML: what is said is said once, and both
// forms hold the same. Values; renderers bound and clean what they are given.
#pragma once

#include <string>
#include <vector>

#include "collector/notify/chart.h"

namespace linkpilot::collector {

enum class Tone : std::uint8_t { bad, uneasy, good, plain };

struct Fact {
  std::string label;
  std::string value;
};

// One cell of a matrix of links; rows are where packets come from.
struct MatrixCell {
  Tone tone = Tone::plain;
  std::string text;  // empty: nothing is known
};

struct Block {
  enum class Kind : std::uint8_t { facts, table, matrix, lines, verbatim, chart, link };
  Kind kind = Kind::lines;
  std::string heading;
  std::string note;                             // below it, small
  std::vector<Fact> facts;                      // facts, link (label, URL), chart (its legend)
  std::vector<std::string> columns;             // table, matrix
  std::vector<std::string> rows;                // matrix: labels of the rows; lines, verbatim
  std::vector<std::vector<std::string>> table;  // table
  std::vector<std::vector<MatrixCell>> cells;   // matrix
};

struct Page {
  Tone tone = Tone::plain;
  std::string badge;  // "CUT", "RESOLVED"
  std::string headline;
  std::string lead;
  std::vector<Block> blocks;
  std::string footer;
  std::string chart_alternative;  // what who cannot see the chart reads
  Chart chart;
};

inline constexpr std::size_t kPageTextMax = std::size_t{24} * 1024;  // octets, of each form
inline constexpr std::size_t kPageHtmlMax = std::size_t{40} * 1024;

// Lines end in LF; valid UTF-8; no control characters.
[[nodiscard]] std::string page_text(const Page& page);
// Tables and inline styles, as readers of mail want it; the chart is "cid:`chart_id`", left out if
// that is empty. Nothing is loaded from elsewhere.
[[nodiscard]] std::string page_html(const Page& page, const std::string& chart_id);

}  // namespace linkpilot::collector
