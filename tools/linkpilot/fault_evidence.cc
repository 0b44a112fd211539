// `fault explain` and `fault replay`: what the localiser knew when a fault was told, which causes
// that evidence pointed to, which of them lost, and whether it says the same again.
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "base/runtime/files.h"
#include "collector/evidence/diagnosis_causes.h"
#include "collector/evidence/evidence_record.h"
#include "optimizer/localise/localise.h"
#include "tools/linkpilot/context.h"
#include "tools/linkpilot/text_table.h"

namespace linkpilot::cli {
namespace {

using collector::EvidenceRecord;
using collector::RecordNames;

constexpr std::size_t kFindingsShown = 40;
constexpr std::size_t kPointedShown = 3;

struct EvidenceOptions {
  std::string source;  // a fault's id, or a file
  bool all = false;
};

// The text of the record: a file if there is one of that name, else the collector's.
Result<std::string> fetch(const Context& context, const std::string& source) {
  struct stat info{};
  if (::stat(source.c_str(), &info) == 0) {
    Result<std::vector<std::uint8_t>> octets = read_file(source, collector::kEvidenceTextMax);
    if (!octets) return fail(octets.error());
    return std::string(octets->begin(), octets->end());
  }
  const Result<Json> answer = context.client().get("/v1/faults/evidence", {{"id", source}});
  if (!answer) return fail(answer.error());
  return answer->dump();
}

Result<EvidenceRecord> load(const Context& context, const std::string& source) {
  const Result<std::string> text = fetch(context, source);
  if (!text) return fail(text.error());
  return collector::decode_evidence(*text);
}

class Explainer {
 public:
  explicit Explainer(const EvidenceRecord& record)
      : record_(record), names_(collector::names_of(record)) {}

  [[nodiscard]] std::string what(const optimizer::CauseId& id) const {
    return cause_text(id, record_.evidence, names_.index, names_.nodes);
  }

  [[nodiscard]] std::string link(const optimizer::LinkFinding& finding) const {
    const auto end = [&](std::uint16_t index) {
      const PortId port = record_.evidence.shape.ends[index].port;
      return fmt::format("{}/{}", name_of(port.node, names_.nodes), port.port.value);
    };
    return end(finding.from) + ">" + end(finding.to);
  }

  // The causes told that this finding is accounted for by.
  [[nodiscard]] std::vector<std::string> pointed(const optimizer::LinkFinding& finding) const {
    std::vector<std::string> out;
    for (const optimizer::Cause& cause : record_.causes) {
      if (!collector::touches(cause.id, record_.evidence, finding.from, finding.to)) continue;
      if (out.size() < kPointedShown) out.push_back(what(cause.id));
    }
    return out;
  }

  [[nodiscard]] static std::string effect(const optimizer::CauseEffect& effect) {
    std::string text = effect.dead ? "dead" : "";
    if (effect.loss > 0) text += fmt::format("{}loses {:.1f} %", gap(text), effect.loss * 100);
    if (effect.delay_ms > 0) text += fmt::format("{}{:.0f} ms", gap(text), effect.delay_ms);
    if (effect.failing > 0) text += fmt::format("{}{:.0f} % fail", gap(text), effect.failing * 100);
    return text;
  }

  [[nodiscard]] static std::string claim(const optimizer::DirectionClaim& claim) {
    if (!claim.known) return "?";
    if (claim.dead) return "dead";
    std::string text;
    if (claim.loss_nats > 0.0F) {
      text = fmt::format("{:.1f} % ({:.0f} nats)", static_cast<double>(claim.loss) * 100,
                         static_cast<double>(claim.loss_nats));
    }
    if (claim.delay_ms > 0.0F) {
      text += fmt::format("{}+{:.0f} ms", gap(text), static_cast<double>(claim.delay_ms));
    }
    return text.empty() ? "fine" : text;
  }

  [[nodiscard]] std::vector<std::string> disbelieved() const {
    std::vector<std::string> out;
    const auto& agents = record_.evidence.agents;
    for (std::size_t i = 0; i < agents.size() && i < record_.node_names.size(); ++i) {
      if (!agents[i].heard) out.push_back(record_.node_names[i] + " (not heard)");
      if (agents[i].heard && !agents[i].credible) out.push_back(record_.node_names[i] + " (sick)");
    }
    return out;
  }

 private:
  static std::string_view gap(const std::string& text) { return text.empty() ? "" : ", "; }

  const EvidenceRecord& record_;
  RecordNames names_;
};

Json claim_json(const optimizer::DirectionClaim& claim) {
  if (!claim.known) return nullptr;
  return {{"dead", claim.dead},
          {"loss_ratio", claim.loss},
          {"loss_nats", claim.loss_nats},
          {"delay_ms", claim.delay_ms}};
}

Json explain_json(const EvidenceRecord& record, const Explainer& explainer) {
  Json causes = Json::array();
  for (const optimizer::Cause& cause : record.causes) {
    Json lost = Json::array();
    for (const optimizer::LikelyCause& other : cause.alternatives) {
      lost.push_back({{"what", explainer.what(other.id)}, {"confidence", other.confidence}});
    }
    causes.push_back({{"what", explainer.what(cause.id)},
                      {"kind", optimizer::to_string(cause.id.kind)},
                      {"both_ways", cause.id.both_ways},
                      {"confidence", cause.confidence},
                      {"gain", cause.gain},
                      {"shows", cause.shows},
                      {"measured", cause.measured},
                      {"dead", cause.effect.dead},
                      {"loss_ratio", cause.effect.loss},
                      {"delay_ms", cause.effect.delay_ms},
                      {"lost", std::move(lost)}});
  }
  Json findings = Json::array();
  for (const optimizer::LinkFinding& finding : record.evidence.findings) {
    findings.push_back({{"link", explainer.link(finding)},
                        {"near", claim_json(finding.near)},
                        {"far", claim_json(finding.far)},
                        {"points_to", explainer.pointed(finding)}});
  }
  return {{"fault", record.fault},       {"key", record.key},
          {"at", format_utc(record.at)}, {"cut", record.cut},
          {"doubtful", record.doubtful}, {"disbelieved", explainer.disbelieved()},
          {"causes", std::move(causes)}, {"findings", std::move(findings)}};
}

void print_causes(const EvidenceRecord& record, const Explainer& explainer) {
  TextTable causes({{"CAUSE"},
                    {"SURE", TextTable::Align::right},
                    {"SHOWS ON", TextTable::Align::right},
                    {"NATS", TextTable::Align::right},
                    {"WHAT IT DOES"}});
  for (const optimizer::Cause& cause : record.causes) {
    causes.add({explainer.what(cause.id), fmt::format("{:.0f} %", cause.confidence * 100),
                fmt::format("{} of {}", cause.shows, cause.measured),
                fmt::format("{:.0f}", cause.gain), Explainer::effect(cause.effect)});
  }
  fmt::print("\n{}", causes.to_string());
  TextTable lost({{"WHAT LOST"}, {"AGAINST"}, {"SURE", TextTable::Align::right}});
  for (const optimizer::Cause& cause : record.causes) {
    for (const optimizer::LikelyCause& other : cause.alternatives) {
      lost.add({explainer.what(other.id), explainer.what(cause.id),
                fmt::format("{:.1f} %", other.confidence * 100)});
    }
  }
  if (lost.empty()) {
    fmt::print("\nnothing else came near\n");
  } else {
    fmt::print("\n{}", lost.to_string());
  }
}

void print_findings(const EvidenceRecord& record, const Explainer& explainer, bool all) {
  const auto& findings = record.evidence.findings;
  TextTable table({{"LINK"}, {"SAYS ITS SENDER"}, {"SAYS ITS RECEIVER"}, {"POINTS TO"}});
  const std::size_t shown = all ? findings.size() : std::min(findings.size(), kFindingsShown);
  for (std::size_t i = 0; i < shown; ++i) {
    const std::vector<std::string> pointed = explainer.pointed(findings[i]);
    table.add({explainer.link(findings[i]), Explainer::claim(findings[i].near),
               Explainer::claim(findings[i].far),
               pointed.empty() ? "nothing told" : fmt::format("{}", fmt::join(pointed, ", "))});
  }
  fmt::print("\n{}", table.to_string());
  if (shown < findings.size()) fmt::print("and {} more (--all)\n", findings.size() - shown);
}

int explain_fault(const Context& context, const EvidenceOptions& options) {
  const Result<EvidenceRecord> record = load(context, options.source);
  if (!record) return report_failure(record.error());
  const Explainer explainer(*record);
  if (context.json) {
    print_json("explanation", explain_json(*record, explainer));
    return kOk;
  }
  const optimizer::Coverage::Counts& counts = record->evidence.coverage.counts();
  std::uint64_t measured = 0;
  for (const std::uint32_t count : counts.out) measured += count;
  fmt::print("{} ({}), told at {}\n", record->fault, record->key, format_utc(record->at));
  fmt::print("{} of {} measured directions stood out; {} findings in doubt{}\n",
             record->evidence.findings.size(), measured, record->doubtful,
             record->cut ? "; the record is cut" : "");
  const std::vector<std::string> disbelieved = explainer.disbelieved();
  if (!disbelieved.empty()) {
    fmt::print("not believed: {}\n", fmt::join(disbelieved, ", "));
  }
  print_causes(*record, explainer);
  print_findings(*record, explainer, options.all);
  return kOk;
}

int replay_fault(const Context& context, const EvidenceOptions& options) {
  const Result<EvidenceRecord> record = load(context, options.source);
  if (!record) return report_failure(record.error());
  const Explainer explainer(*record);
  const optimizer::Diagnosis again = optimizer::localise(record->evidence, record->options);
  const bool same = collector::same_diagnosis(record->causes, again.causes);
  const auto names = [&](const std::vector<optimizer::Cause>& causes) {
    std::vector<std::string> out;
    for (const optimizer::Cause& cause : causes) out.push_back(explainer.what(cause.id));
    return out;
  };
  const std::vector<std::string> before = names(record->causes);
  const std::vector<std::string> now = names(again.causes);
  if (context.json) {
    print_json("replay", {{"fault", record->fault},
                          {"same", same},
                          {"cut", record->cut},
                          {"recorded", before},
                          {"again", now}});
  } else if (same) {
    fmt::print("the same diagnosis: {}\n", fmt::join(now, ", "));
  } else {
    fmt::print("another diagnosis{}\n  recorded: {}\n  again:    {}\n",
               record->cut ? " (the record is cut)" : "", fmt::join(before, ", "),
               fmt::join(now, ", "));
  }
  return same ? kOk : kNegative;
}

}  // namespace

void add_fault_evidence(Command fault, Context& context) {
  auto options = std::make_shared<EvidenceOptions>();
  Command explain = fault.verb(
      "explain", "Which evidence pointed where, how sure that is, and which causes lost");
  explain.option("ID", options->source, "of the fault, or a file of evidence").required();
  explain.flag("--all", options->all, "all findings, not the first 40 only");
  on_run(explain, context, [&context, options] { return explain_fault(context, *options); });
  Command replay =
      fault.verb("replay", "Make the diagnosis again from its evidence (exit 1: it is another)");
  replay.option("ID", options->source, "of the fault, or a file of evidence").required();
  on_run(replay, context, [&context, options] { return replay_fault(context, *options); });
}

}  // namespace linkpilot::cli
