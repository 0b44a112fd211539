#include "tools/fleet/store_check.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_set>
#include <variant>

#include "base/rng.h"
#include "collector/store/store.h"
#include "schemas/codec.h"

namespace linkpilot::fleet {

namespace {

constexpr std::size_t kReadAtOnce = 512;

struct Seen {
  std::uint64_t oldest = 0;
  std::unordered_set<std::uint64_t> sequences;
};

// Compares one sample, drawn at random, with the same of the report as it was sent.
bool is_as_sent(const collector::ReportRow& row, const SentReports& sent_by, Rng& rng) {
  const Result<AgentMessage> stored = schemas::decode_agent_message(row.bytes());
  if (!stored || !std::holds_alternative<Report>(*stored)) return false;
  const Report& report = std::get<Report>(*stored);
  const Result<AgentMessage> sent =
      schemas::decode_agent_message(sent_by.mill->make(row.id.sequence, report.created));
  const Report& wanted = std::get<Report>(*sent);
  if (report.links.empty() || report.links.size() != wanted.links.size()) return false;
  const std::size_t at = rng.below(report.links.size());
  return report.links[at] == wanted.links[at] && report.id == wanted.id;
}

}  // namespace

Result<StoreCheck> check_store(const std::vector<SentReports>& sent, const std::string& store_path,
                               std::size_t samples) {
  std::map<NodeId, const SentReports*> agents;
  for (const SentReports& each : sent) agents[each.node] = &each;
  StoreCheck check;
  bool equal = true;
  std::map<NodeId, Seen> seen;
  Rng rng(1);
  std::uint64_t row = 0;
  std::vector<collector::ReportRow> drawn;
  for (;;) {
    Result<std::vector<collector::ReportRow>> rows =
        collector::read_reports(store_path, row, kReadAtOnce);
    if (!rows) return fail(rows.error());
    if (rows->empty()) break;
    row = rows->back().row;
    for (collector::ReportRow& each : *rows) {
      const auto agent = agents.find(each.node);
      if (agent == agents.end() || each.id.epoch != agent->second->epoch) continue;
      ++check.reports;
      Seen& of_agent = seen[each.node];
      if (!of_agent.sequences.insert(each.id.sequence).second) ++check.twice;
      // Reservoir sampling (Knuth, TAOCP 2, s3.4.2, algorithm R).
      if (drawn.size() < samples) {
        drawn.push_back(std::move(each));
      } else if (const std::uint64_t at = rng.below(check.reports); at < samples) {
        drawn[at] = std::move(each);
      }
    }
  }
  for (const collector::ReportRow& each : drawn) {
    equal = equal && is_as_sent(each, *agents.at(each.node), rng);
    ++check.samples_compared;
  }
  for (auto& [node, of_agent] : seen) {
    const std::uint64_t oldest =
        *std::min_element(of_agent.sequences.begin(), of_agent.sequences.end());
    for (std::uint64_t sequence = oldest; sequence <= agents.at(node)->acked; ++sequence) {
      if (!of_agent.sequences.contains(sequence)) ++check.missing;
    }
  }
  check.reread_equal = equal && check.samples_compared > 0;
  return check;
}

}  // namespace linkpilot::fleet
