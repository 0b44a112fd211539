#include "collector/evidence/evidence_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>

#include "base/fleet.h"

namespace linkpilot::collector {

namespace {

using optimizer::CauseKind;
using optimizer::DirectionClaim;
using optimizer::Evidence;
using RecordJson = nlohmann::json;

constexpr std::size_t kRecordNodesMax = kFleetNodesMax;
constexpr std::size_t kRecordEndsMax = EvidenceMaker::kEndsMax;
constexpr std::size_t kRecordNameMax = 255;
constexpr double kFigureMax = 1e9;

// ---- writing: by hand, because a shortest float is shorter than the double it would become ----

class RecordText {
 public:
  explicit RecordText(std::string& text) : text_(text) {}
  template <typename... Parts>
  void add(fmt::format_string<Parts...> format, Parts&&... parts) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<Parts>(parts)...);
  }
  void name(const std::string& text) {
    text_ += RecordJson(text).dump(-1, ' ', false, RecordJson::error_handler_t::replace);
  }
  template <typename List, typename Write>
  void list(const List& items, Write&& write) {
    text_ += '[';
    bool first = true;
    for (const auto& item : items) {
      if (!std::exchange(first, false)) text_ += ',';
      write(item);
    }
    text_ += ']';
  }
  void names(const std::vector<std::string>& all) {
    list(all, [this](const std::string& each) { name(each); });
  }
  void numbers(const std::vector<std::uint32_t>& all) {
    list(all, [this](std::uint32_t each) { add("{}", each); });
  }
  // Pairs of place and value of what is not zero.
  void sparse(const std::vector<std::uint32_t>& all) {
    text_ += '[';
    bool first = true;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i] == 0) continue;
      add("{}{},{}", std::exchange(first, false) ? "" : ",", i, all[i]);
    }
    text_ += ']';
  }
  // 0: unknown, 1: nothing to say, 2: dead, else the figures.
  void claim(const DirectionClaim& claim) {
    if (!claim.known || claim.dead || claim == DirectionClaim{.known = true}) {
      text_ += !claim.known ? '0' : claim.dead ? '2' : '1';
      return;
    }
    add("[{},{},{},{},{},{}]", claim.loss, claim.loss_error, claim.loss_nats, claim.delay_ms,
        claim.delay_error_ms, claim.delay_directed ? 1 : 0);
  }
  void ports(const optimizer::Coverage::PortCounts& counts) {
    list(counts, [this](const auto& each) {
      add("[{},{},{}]", each.first.node.value, each.first.port.value, each.second);
    });
  }
  void id(const optimizer::CauseId& id) {
    add("[{},{},{},{}]", static_cast<int>(id.kind), id.a, id.b, id.both_ways ? 1 : 0);
  }

 private:
  std::string& text_;
};

void write_shape(RecordText& out, const Evidence& evidence) {
  const optimizer::FleetShape& shape = evidence.shape;
  out.add(R"(,"region_unknown":{},"isp_unknown":{},"ends":)", shape.region_unknown,
          shape.isp_unknown);
  out.list(shape.ends, [&](const optimizer::FleetEnd& end) {
    out.add("[{},{},{},{},{},{}]", end.port.node.value, end.port.port.value, end.node, end.region,
            end.isp, end.alone ? 1 : 0);
  });
  const optimizer::Coverage::Counts& counts = evidence.coverage.counts();
  out.add(R"(,"coverage":{{"out":)");
  out.numbers(counts.out);
  out.add(R"(,"in":)");
  out.numbers(counts.in);
  out.add(R"(,"regions":)");
  out.sparse(counts.region_pairs);
  out.add(R"(,"isps":)");
  out.sparse(counts.isp_pairs);
  out.add(R"(,"ports_out":)");
  out.ports(counts.ports_out);
  out.add(R"(,"ports_in":)");
  out.ports(counts.ports_in);
  out.add("}}");
}

void write_seen(RecordText& out, const Evidence& evidence) {
  out.add(R"(,"findings":)");
  out.list(evidence.findings, [&](const optimizer::LinkFinding& finding) {
    out.add("[{},{},", finding.from, finding.to);
    out.claim(finding.near);
    out.add(",");
    out.claim(finding.far);
    out.add("]");
  });
  out.add(R"(,"agents":)");
  out.list(evidence.agents, [&](const optimizer::AgentEvidence& agent) {
    out.add("{}", (agent.heard ? 1 : 0) + (agent.credible ? 2 : 0) + (agent.enrolled ? 4 : 0));
  });
  out.add(R"(,"hops":)");
  out.list(evidence.hops, [&](const optimizer::SharedHop& hop) {
    out.add("[{}", hop.id);
    for (const auto& link : hop.links) out.add(",{},{}", link.from, link.to);
    out.add("]");
  });
  out.add(R"(,"dials":)");
  out.list(evidence.dials, [&](const optimizer::DialEvidence& dial) {
    out.add("[{},{},{},{},{},{}", dial.prober, dial.stream, dial.vendor, dial.attempts,
            dial.unopened, dial.missing);
    for (const std::uint16_t node : dial.path) out.add(",{}", node);
    out.add("]");
  });
}

void write_causes(RecordText& out, const EvidenceRecord& record) {
  out.add(R"(,"options":{{"link_delay_ms":{},"group_delay_ms":{}}},"doubtful":{},"causes":)",
          record.options.link_delay_ms, record.options.group_delay_ms, record.doubtful);
  out.list(record.causes, [&](const optimizer::Cause& cause) {
    out.add(R"({{"id":)");
    out.id(cause.id);
    out.add(R"(,"dead":{},"loss":{},"delay_ms":{},"failing":{},"gain":{},"shows":{},"measured":{},)"
            R"("confidence":{},"others":)",
            cause.effect.dead, cause.effect.loss, cause.effect.delay_ms, cause.effect.failing,
            cause.gain, cause.shows, cause.measured, cause.confidence);
    out.list(cause.alternatives, [&](const optimizer::LikelyCause& other) {
      out.add("[{},", other.confidence);
      out.id(other.id);
      out.add("]");
    });
    out.add("}}");
  });
}

// ---- reading ----

// Says the first thing that is wrong, and goes on with zeros.
class RecordReader {
 public:
  [[nodiscard]] const std::string& wrong() const { return wrong_; }
  void refuse(std::string_view what) {
    if (wrong_.empty()) wrong_ = what;
  }
  [[nodiscard]] const RecordJson& at(const RecordJson& object, const char* key) {
    static const RecordJson none;
    const auto found = object.find(key);
    return found == object.end() ? none : *found;
  }
  [[nodiscard]] const RecordJson& list(const RecordJson& value, std::size_t most,
                                       std::string_view what) {
    static const RecordJson empty = RecordJson::array();
    if (value.is_array() && value.size() <= most) return value;
    refuse(what);
    return empty;
  }
  template <typename Number>
  [[nodiscard]] Number number(const RecordJson& value, std::uint64_t most, std::string_view what) {
    if (value.is_number_unsigned() && value.get<std::uint64_t>() <= most) {
      return static_cast<Number>(value.get<std::uint64_t>());
    }
    refuse(what);
    return Number{};
  }
  [[nodiscard]] double figure(const RecordJson& value, std::string_view what) {
    if (value.is_number()) {
      const double figure = value.get<double>();
      if (std::isfinite(figure) && std::abs(figure) <= kFigureMax) return figure;
    }
    refuse(what);
    return 0.0;
  }
  [[nodiscard]] std::string name(const RecordJson& value) {
    if (value.is_string() && value.get_ref<const std::string&>().size() <= kRecordNameMax) {
      return value.get<std::string>();
    }
    refuse("a name");
    return "";
  }
  [[nodiscard]] std::vector<std::string> names(const RecordJson& value, std::size_t most) {
    std::vector<std::string> out;
    for (const RecordJson& each : list(value, most, "names")) out.push_back(name(each));
    return out;
  }
  // A row of at least `least` numbers.
  [[nodiscard]] bool row(const RecordJson& value, std::size_t least, std::size_t most,
                         std::string_view what) {
    if (value.is_array() && value.size() >= least && value.size() <= most) return true;
    refuse(what);
    return false;
  }

 private:
  std::string wrong_;
};

optimizer::FleetShape read_shape(RecordReader& in, const RecordJson& json,
                                 const EvidenceRecord& record) {
  optimizer::FleetShape shape;
  shape.nodes = static_cast<std::uint16_t>(record.node_names.size());
  shape.regions = static_cast<std::uint16_t>(record.regions.size());
  shape.isps = static_cast<std::uint16_t>(record.isps.size());
  shape.region_unknown = in.number<std::uint16_t>(in.at(json, "region_unknown"), 0xffff, "region");
  shape.isp_unknown = in.number<std::uint16_t>(in.at(json, "isp_unknown"), 0xffff, "ISP");
  for (const RecordJson& each : in.list(in.at(json, "ends"), kRecordEndsMax, "ends")) {
    if (!in.row(each, 6, 6, "an end")) break;
    if (shape.nodes == 0 || shape.regions == 0 || shape.isps == 0) {
      in.refuse("ends of no node");
      break;
    }
    optimizer::FleetEnd end;
    end.port.node = NodeId{in.number<std::uint16_t>(each[0], 0xffff, "a node")};
    end.port.port = PortIndex{in.number<std::uint8_t>(each[1], kPortsPerNodeMax - 1, "a port")};
    end.node = in.number<std::uint16_t>(each[2], shape.nodes - 1U, "a node");
    end.region = in.number<std::uint16_t>(each[3], shape.regions - 1U, "a region");
    end.isp = in.number<std::uint16_t>(each[4], shape.isps - 1U, "an ISP");
    end.alone = in.number<int>(each[5], 1, "an end") == 1;
    shape.ends.push_back(end);
  }
  return shape;
}

std::vector<std::uint32_t> read_numbers(RecordReader& in, const RecordJson& value,
                                        std::size_t size) {
  std::vector<std::uint32_t> out;
  for (const RecordJson& each : in.list(value, size, "counts")) {
    out.push_back(in.number<std::uint32_t>(each, 0xffff'ffff, "a count"));
  }
  out.resize(size);
  return out;
}

std::vector<std::uint32_t> read_sparse(RecordReader& in, const RecordJson& value,
                                       std::size_t size) {
  std::vector<std::uint32_t> out(size);
  const RecordJson& pairs = in.list(value, 2 * size, "counts of pairs");
  for (std::size_t i = 0; i + 1 < pairs.size(); i += 2) {
    const auto place = in.number<std::size_t>(pairs[i], size - 1, "a pair");
    out[place] = in.number<std::uint32_t>(pairs[i + 1], 0xffff'ffff, "a count");
  }
  return out;
}

optimizer::Coverage::PortCounts read_ports(RecordReader& in, const RecordJson& value) {
  optimizer::Coverage::PortCounts out;
  for (const RecordJson& each : in.list(value, kRecordEndsMax, "ports")) {
    if (!in.row(each, 3, 3, "a port")) break;
    const PortId port{NodeId{in.number<std::uint16_t>(each[0], 0xffff, "a node")},
                      PortIndex{in.number<std::uint8_t>(each[1], 0xff, "a port")}};
    out[port] = in.number<std::uint32_t>(each[2], 0xffff'ffff, "a count");
  }
  return out;
}

DirectionClaim read_claim(RecordReader& in, const RecordJson& value) {
  DirectionClaim claim;
  if (value.is_number_unsigned()) {
    const auto word = in.number<unsigned>(value, 2, "a claim");
    claim.known = word > 0;
    claim.dead = word == 2;
    return claim;
  }
  if (!in.row(value, 6, 6, "a claim")) return claim;
  claim.known = true;
  claim.loss = static_cast<float>(in.figure(value[0], "a loss"));
  claim.loss_error = static_cast<float>(in.figure(value[1], "a loss"));
  claim.loss_nats = static_cast<float>(in.figure(value[2], "a loss"));
  claim.delay_ms = static_cast<float>(in.figure(value[3], "a delay"));
  claim.delay_error_ms = static_cast<float>(in.figure(value[4], "a delay"));
  claim.delay_directed = in.number<int>(value[5], 1, "a delay") == 1;
  return claim;
}

void read_seen(RecordReader& in, const RecordJson& json, Evidence& evidence) {
  const std::uint64_t ends = evidence.shape.ends.size();
  const std::uint64_t nodes = evidence.shape.nodes;
  const auto end = [&](const RecordJson& value) {
    if (ends == 0) in.refuse("a link without ends");
    return in.number<std::uint16_t>(value, ends == 0 ? 0 : ends - 1, "an end");
  };
  for (const RecordJson& each : in.list(in.at(json, "findings"), kRecordFindingsMax, "findings")) {
    if (!in.row(each, 4, 4, "a finding")) break;
    evidence.findings.push_back(
        {end(each[0]), end(each[1]), read_claim(in, each[2]), read_claim(in, each[3])});
  }
  std::size_t number = 0;
  for (const RecordJson& each : in.list(in.at(json, "agents"), nodes, "agents")) {
    const auto bits = in.number<unsigned>(each, 7, "an agent");
    evidence.agents[number++] = {(bits & 1U) != 0, (bits & 2U) != 0, (bits & 4U) != 0};
  }
  std::size_t links = 0;
  for (const RecordJson& each : in.list(in.at(json, "hops"), optimizer::kEvidenceHopsMax, "hops")) {
    if (!in.row(each, 1, optimizer::kEvidenceHopLinksMax, "a hop")) break;
    optimizer::SharedHop hop;
    hop.id = in.number<std::uint32_t>(each[0], 0xffff'ffff, "a hop");
    for (std::size_t i = 1; i + 1 < each.size(); i += 2) {
      hop.links.push_back({end(each[i]), end(each[i + 1])});
    }
    links += hop.links.size();
    if (links > optimizer::kEvidenceHopLinksMax) in.refuse("too many links of hops");
    evidence.hops.push_back(std::move(hop));
  }
  const auto node = [&](const RecordJson& value) {
    if (nodes == 0) in.refuse("a dial without nodes");
    return in.number<std::uint16_t>(value, nodes == 0 ? 0 : nodes - 1, "a node");
  };
  for (const RecordJson& each :
       in.list(in.at(json, "dials"), optimizer::kEvidenceDialsMax, "dials")) {
    if (!in.row(each, 6, 32, "a dial")) break;
    optimizer::DialEvidence dial;
    dial.prober = node(each[0]);
    dial.stream = in.number<std::uint16_t>(each[1], 0xffff, "a stream");
    dial.vendor = in.number<std::uint16_t>(each[2], 0xffff, "a vendor");
    dial.attempts = in.number<std::uint16_t>(each[3], 0xffff, "a count");
    dial.unopened = in.number<std::uint16_t>(each[4], 0xffff, "a count");
    dial.missing = in.number<std::uint16_t>(each[5], 0xffff, "a count");
    for (std::size_t i = 6; i < each.size(); ++i) dial.path.push_back(node(each[i]));
    evidence.dials.push_back(std::move(dial));
  }
}

optimizer::CauseId read_id(RecordReader& in, const RecordJson& value) {
  optimizer::CauseId id;
  if (!in.row(value, 4, 4, "a cause")) return id;
  id.kind = static_cast<CauseKind>(in.number<int>(value[0], optimizer::kCauseKinds - 1, "a kind"));
  id.a = in.number<std::uint32_t>(value[1], 0xffff'ffff, "a cause");
  id.b = in.number<std::uint32_t>(value[2], 0xffff'ffff, "a cause");
  id.both_ways = in.number<int>(value[3], 1, "a cause") == 1;
  return id;
}

optimizer::Cause read_cause(RecordReader& in, const RecordJson& json) {
  optimizer::Cause cause;
  if (!json.is_object()) {
    in.refuse("a cause");
    return cause;
  }
  cause.id = read_id(in, in.at(json, "id"));
  const RecordJson& dead = in.at(json, "dead");
  cause.effect.dead = dead.is_boolean() && dead.get<bool>();
  cause.effect.loss = in.figure(in.at(json, "loss"), "an effect");
  cause.effect.delay_ms = in.figure(in.at(json, "delay_ms"), "an effect");
  cause.effect.failing = in.figure(in.at(json, "failing"), "an effect");
  cause.gain = in.figure(in.at(json, "gain"), "a gain");
  cause.shows = in.number<std::uint32_t>(in.at(json, "shows"), 0xffff'ffff, "a count");
  cause.measured = in.number<std::uint32_t>(in.at(json, "measured"), 0xffff'ffff, "a count");
  cause.confidence = in.figure(in.at(json, "confidence"), "a confidence");
  for (const RecordJson& each : in.list(in.at(json, "others"), 8, "alternatives")) {
    if (!in.row(each, 2, 2, "an alternative")) break;
    cause.alternatives.push_back({read_id(in, each[1]), in.figure(each[0], "a confidence")});
  }
  return cause;
}

}  // namespace

EvidenceRecord record_evidence(const Evidence& evidence, const optimizer::Diagnosis& diagnosis,
                               const optimizer::LocaliseOptions& options, const FleetIndex& index,
                               const NodeTable& nodes, UnixNanos at) {
  EvidenceRecord record;
  record.at = at;
  for (const NodeId node : index.nodes) record.node_names.push_back(name_of(node, nodes));
  record.regions = index.regions;
  record.isps = index.isps;
  record.evidence = evidence;
  if (record.evidence.findings.size() > kRecordFindingsMax) {
    record.evidence.findings.resize(kRecordFindingsMax);
    record.cut = true;
  }
  record.options = options;
  record.causes = diagnosis.causes;
  record.doubtful = diagnosis.doubtful;
  return record;
}

std::string encode_evidence(const EvidenceRecord& record) {
  std::string text;
  RecordText out(text);
  out.add(R"({{"linkpilot_evidence":{},"fault":)", kEvidenceVersion);
  out.name(record.fault);
  out.add(R"(,"key":)");
  out.name(record.key);
  out.add(R"(,"at_ns":{},"cut":{},"nodes":)", record.at.ns, record.cut);
  out.names(record.node_names);
  out.add(R"(,"regions":)");
  out.names(record.regions);
  out.add(R"(,"isps":)");
  out.names(record.isps);
  write_shape(out, record.evidence);
  write_seen(out, record.evidence);
  write_causes(out, record);
  out.add("}}\n");
  return text;
}

Result<EvidenceRecord> decode_evidence(std::string_view text) {
  if (text.size() > kEvidenceTextMax) {
    return fail(ErrorCode::limit_exceeded, "more evidence than a record may hold");
  }
  const RecordJson json = RecordJson::parse(text, nullptr, false);
  if (!json.is_object()) return fail(ErrorCode::corrupt, "evidence that is no JSON object");
  RecordReader in;
  const auto version = in.number<int>(in.at(json, "linkpilot_evidence"), 1'000'000, "version");
  if (!in.wrong().empty()) return fail(ErrorCode::corrupt, "no record of evidence");
  if (version > kEvidenceVersion) {
    return fail(ErrorCode::corrupt,
                fmt::format("a record of version {}; this program reads up to {}", version,
                            kEvidenceVersion));
  }
  EvidenceRecord record;
  record.fault = in.name(in.at(json, "fault"));
  record.key = in.name(in.at(json, "key"));
  record.at = {in.number<std::int64_t>(in.at(json, "at_ns"), INT64_MAX, "a time")};
  const RecordJson& cut = in.at(json, "cut");
  record.cut = cut.is_boolean() && cut.get<bool>();
  record.node_names = in.names(in.at(json, "nodes"), kRecordNodesMax);
  record.regions = in.names(in.at(json, "regions"), kRecordGroupsMax);
  record.isps = in.names(in.at(json, "isps"), kRecordGroupsMax);
  optimizer::FleetShape shape = read_shape(in, json, record);
  if (!in.wrong().empty()) return fail(ErrorCode::corrupt, "evidence: " + in.wrong());
  const RecordJson& counts = in.at(json, "coverage");
  if (!counts.is_object()) return fail(ErrorCode::corrupt, "evidence: no coverage");
  optimizer::Coverage::Counts coverage;
  coverage.out = read_numbers(in, in.at(counts, "out"), shape.nodes);
  coverage.in = read_numbers(in, in.at(counts, "in"), shape.nodes);
  coverage.region_pairs =
      read_sparse(in, in.at(counts, "regions"), std::size_t{shape.regions} * shape.regions);
  coverage.isp_pairs = read_sparse(in, in.at(counts, "isps"), std::size_t{shape.isps} * shape.isps);
  coverage.ports_out = read_ports(in, in.at(counts, "ports_out"));
  coverage.ports_in = read_ports(in, in.at(counts, "ports_in"));
  record.evidence = Evidence(std::move(shape));
  record.evidence.coverage = optimizer::Coverage(record.evidence.shape, std::move(coverage));
  read_seen(in, json, record.evidence);
  const RecordJson& options = in.at(json, "options");
  if (options.is_object()) {
    record.options.link_delay_ms = in.figure(in.at(options, "link_delay_ms"), "an option");
    record.options.group_delay_ms = in.figure(in.at(options, "group_delay_ms"), "an option");
  }
  record.doubtful = in.number<std::uint32_t>(in.at(json, "doubtful"), 0xffff'ffff, "a count");
  for (const RecordJson& each :
       in.list(in.at(json, "causes"), optimizer::kDiagnosisCausesMax, "causes")) {
    record.causes.push_back(read_cause(in, each));
  }
  if (!in.wrong().empty()) return fail(ErrorCode::corrupt, "evidence: " + in.wrong());
  return record;
}

bool same_diagnosis(const std::vector<optimizer::Cause>& a,
                    const std::vector<optimizer::Cause>& b) {
  const auto near = [](double x, double y) {
    return std::abs(x - y) <= 1e-3 * std::max({1.0, std::abs(x), std::abs(y)});
  };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](const optimizer::Cause& x, const optimizer::Cause& y) {
                      return x.id == y.id && x.effect.dead == y.effect.dead &&
                             near(x.effect.loss, y.effect.loss) &&
                             near(x.effect.delay_ms, y.effect.delay_ms) && near(x.gain, y.gain) &&
                             x.shows == y.shows && x.measured == y.measured;
                    });
}

RecordNames names_of(const EvidenceRecord& record) {
  RecordNames out;
  out.index.regions = record.regions;
  out.index.isps = record.isps;
  for (std::size_t i = 0; i < record.node_names.size(); ++i) {
    // A node without an end keeps a number of its own above all others.
    out.index.nodes.emplace_back(static_cast<std::uint16_t>(0xffff - i));
  }
  for (const optimizer::FleetEnd& end : record.evidence.shape.ends) {
    out.index.nodes[end.node] = end.port.node;
  }
  for (std::size_t i = 0; i < record.node_names.size(); ++i) {
    out.nodes[out.index.nodes[i]].name = record.node_names[i];
  }
  return out;
}

}  // namespace linkpilot::collector
