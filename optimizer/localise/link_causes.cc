#include "optimizer/localise/link_causes.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "optimizer/localise/explain.h"

namespace linkpilot::optimizer {

namespace {

constexpr double kClaimLossErrorMin = 0.002;
constexpr double kClaimDelayErrorMin = 1.5;
constexpr double kLossShareMax = 0.95;
constexpr double kDead = 1.0;  // value of a dead item
constexpr double kDeadError = 0.1;
constexpr double kNotNamed = 1e6;  // nats: the price of what is never to be blamed

// One directed link as the ends that are believed say together.
struct Item {
  std::uint16_t from = 0;
  std::uint16_t to = 0;
  bool dead = false;
  double loss = 0.0;  // -ln(1 - share), so that causes add up
  double loss_error = 1.0;
  double nats = 0.0;
  double delay_ms = 0.0;
  double delay_error_ms = 1.0;
  bool delay_directed = false;  // else half the growth of the round trip
};

double additive_loss(double share) { return -std::log1p(-std::min(share, kLossShareMax)); }

struct Weighted {
  double weight = 0.0;
  double sum = 0.0;
  void add(double value, double error) {
    const double w = 1.0 / (error * error);
    weight += w;
    sum += w * value;
  }
};

Item merge(const LinkFinding& finding, bool near_believed, bool far_believed) {
  Item item{finding.from, finding.to};
  Weighted loss;
  Weighted delay;
  bool alive = false;
  const auto hear = [&](const DirectionClaim& claim) {
    if (!claim.known) return;
    if (claim.dead) {
      item.dead = true;
      return;
    }
    alive = true;
    loss.add(static_cast<double>(claim.loss),
             std::max(kClaimLossErrorMin, static_cast<double>(claim.loss_error)));
    item.nats += static_cast<double>(claim.loss_nats);
    delay.add(static_cast<double>(claim.delay_ms),
              std::max(kClaimDelayErrorMin, static_cast<double>(claim.delay_error_ms)));
    item.delay_directed = item.delay_directed || (claim.delay_ms > 0.0F && claim.delay_directed);
  };
  if (near_believed) hear(finding.near);
  if (far_believed) hear(finding.far);
  if (item.dead || !alive) return item;
  const double share = std::min(loss.sum / loss.weight, kLossShareMax);
  item.loss = additive_loss(share);
  item.loss_error = 1.0 / std::sqrt(loss.weight) / (1.0 - share);
  item.delay_ms = delay.sum / delay.weight;
  item.delay_error_ms = 1.0 / std::sqrt(delay.weight);
  return item;
}

enum class Channel : std::uint8_t { dead, loss, delay };

class LinkExplainer {
 public:
  LinkExplainer(const Evidence& evidence, const Credibility& credibility,
                const LocaliseOptions& options)
      : evidence_(evidence), credibility_(credibility), options_(options) {
    merge_findings();
    list_candidates();
  }

  LinkCauses run() {
    // What is doubtful speaks neither for nor against a group.
    for (const Item& item : doubtful_) excuse(item, candidates_);
    explain_channel(Channel::dead);
    // Nothing more is known of a link that is dead one way: no answer came back.
    std::unordered_set<std::uint32_t> dead;
    for (const Item& item : items_) {
      if (item.dead) dead.insert(key(item.from, item.to));
    }
    for (const Item& item : items_) {
      if (!item.dead) continue;
      excuse(item, candidates_);
      if (!dead.contains(key(item.to, item.from))) excuse({item.to, item.from}, candidates_);
    }
    explain_channel(Channel::loss);
    explain_channel(Channel::delay);
    return std::move(out_);
  }

 private:
  [[nodiscard]] const FleetEnd& end(std::uint16_t index) const {
    return evidence_.shape.ends[index];
  }

  void merge_findings() {
    for (const LinkFinding& finding : evidence_.findings) {
      const bool near = credibility_.believed[end(finding.from).node];
      const bool far = credibility_.believed[end(finding.to).node];
      if (near && far && contradict(finding.near, finding.far, options_.credibility)) {
        ++out_.doubtful;
        if (out_.questions.size() < kQuestionsMax) {
          out_.questions.push_back({QuestionKind::reverse_check, finding.from, finding.to});
        }
        doubtful_.push_back({finding.from, finding.to});
        continue;
      }
      const Item item = merge(finding, near, far);
      if (item.dead || item.nats >= options_.item_nats || item.delay_ms > 0.0) {
        items_.push_back(item);
      }
    }
  }

  // Candidates stand in blocks: nodes (both ways, out, in), pairs of regions (both ways, one way),
  // of ISPs, cut regions, hops, ports of nodes with several (as nodes).
  void list_candidates() {
    const std::size_t nodes = evidence_.shape.nodes;
    const std::size_t regions = evidence_.shape.regions;
    const std::size_t isps = evidence_.shape.isps;
    const Coverage& coverage = evidence_.coverage;
    const Sizes sizes = sizes_of(evidence_.shape);
    const auto add = [this](const CauseId& id, std::uint32_t measured, double price) {
      ids_.push_back(id);
      candidates_.push_back(
          {measured, static_cast<float>(price + (id.both_ways ? 0.0 : options_.price_one_way))});
    };
    for (std::uint32_t n = 0; n < nodes; ++n) {
      const std::uint32_t out = coverage.out_of_node(n);
      const std::uint32_t in = coverage.into_node(n);
      add({CauseKind::node, n, 0, true}, out + in, options_.price_node);
      add({CauseKind::node, n, 0, false}, out, options_.price_node);
      add({CauseKind::node, n, 1, false}, in, options_.price_node);
    }
    region_pairs_ = ids_.size();
    add_pairs(
        CauseKind::region_pair, regions, options_.price_region_pair,
        [&](std::size_t a, std::size_t b) { return coverage.between_regions(a, b); },
        [&](std::size_t a, std::size_t b) { return price_of_pair(sizes.region_ends, a, b); }, add);
    isp_pairs_ = ids_.size();
    add_pairs(
        CauseKind::isp_pair, isps, options_.price_isp_pair,
        [&](std::size_t a, std::size_t b) { return coverage.between_isps(a, b); },
        [&](std::size_t a, std::size_t b) { return price_of_pair(sizes.isp_ends, a, b); }, add);
    region_cuts_ = ids_.size();
    for (std::uint32_t r = 0; r < regions; ++r) {
      add({CauseKind::region_cut, r, 0, true}, coverage.across_region(r),
          options_.price_region_cut + (sizes.region_nodes[r] < 2 ? kNotNamed : 0.0));
    }
    hops_ = ids_.size();
    for (std::uint32_t h = 0; h < evidence_.hops.size(); ++h) {
      const auto links = static_cast<std::uint32_t>(evidence_.hops[h].links.size());
      add({CauseKind::hop, h, 0, true}, links, options_.price_hop);
      for (const SharedHop::Link& link : evidence_.hops[h].links) {
        hops_of_[key(link.from, link.to)].push_back(h);
      }
    }
    ports_ = ids_.size();
    port_place_.assign(evidence_.shape.ends.size(), 0);
    std::uint32_t place = 0;
    for (std::uint32_t e = 0; e < evidence_.shape.ends.size(); ++e) {
      const FleetEnd& port = evidence_.shape.ends[e];
      if (port.alone) continue;
      port_place_[e] = place++;
      const std::uint32_t out = coverage.out_of_port(port.port);
      const std::uint32_t in = coverage.into_port(port.port);
      add({CauseKind::port, e, 0, true}, out + in, options_.price_port);
      add({CauseKind::port, e, 0, false}, out, options_.price_port);
      add({CauseKind::port, e, 1, false}, in, options_.price_port);
    }
  }

  // How many ends (and nodes) make up each group; none of what is not known.
  struct Sizes {
    std::vector<std::uint32_t> region_nodes;
    std::vector<std::uint32_t> region_ends;
    std::vector<std::uint32_t> isp_ends;
  };
  static Sizes sizes_of(const FleetShape& shape) {
    Sizes out{std::vector<std::uint32_t>(shape.regions), std::vector<std::uint32_t>(shape.regions),
              std::vector<std::uint32_t>(shape.isps)};
    std::uint32_t last = ~0U;  // ends of a node stand together
    for (const FleetEnd& each : shape.ends) {
      if (each.region != shape.region_unknown) {
        ++out.region_ends[each.region];
        if (each.node != last) ++out.region_nodes[each.region];
      }
      if (each.isp != shape.isp_unknown) ++out.isp_ends[each.isp];
      last = each.node;
    }
    return out;
  }
  // A pair of groups of one end each is a link, and is to be called so.
  static double price_of_pair(const std::vector<std::uint32_t>& ends, std::size_t a,
                              std::size_t b) {
    const std::uint32_t all = a == b ? ends[a] : ends[a] + ends[b];
    return ends[a] == 0 || ends[b] == 0 || all <= 2 ? kNotNamed : 0.0;
  }

  // For each ordered pair (a, b): one way, and for a <= b both ways.
  template <typename Count, typename Dearer, typename Add>
  static void add_pairs(CauseKind kind, std::size_t size, double price, Count&& count,
                        Dearer&& dearer, Add&& add) {
    for (std::uint32_t a = 0; a < size; ++a) {
      for (std::uint32_t b = 0; b < size; ++b) {
        const bool first = a <= b;
        const double whole_price = price + dearer(a, b);
        const std::uint32_t forward = count(a, b);
        const std::uint32_t both = a == b ? forward : forward + count(b, a);
        add(CauseId{kind, a, b, true}, first ? both : 0, whole_price);
        add(CauseId{kind, a, b, false}, a == b ? 0 : forward, whole_price);
      }
    }
  }

  static std::uint32_t key(std::uint16_t from, std::uint16_t to) {
    return std::uint32_t{from} << 16U | to;
  }

  template <typename Visit>
  void for_each_candidate(const Item& item, Visit&& visit) const {
    const FleetEnd& from = end(item.from);
    const FleetEnd& to = end(item.to);
    visit(from.node * 3U);
    visit(to.node * 3U);
    visit(from.node * 3U + 1U);
    visit(to.node * 3U + 2U);
    visit_pair(region_pairs_, evidence_.shape.regions, from.region, to.region, visit);
    visit_pair(isp_pairs_, evidence_.shape.isps, from.isp, to.isp, visit);
    if (from.region != to.region) {
      visit(region_cuts_ + from.region);
      visit(region_cuts_ + to.region);
    }
    if (const auto found = hops_of_.find(key(item.from, item.to)); found != hops_of_.end()) {
      for (const std::uint32_t hop : found->second) visit(hops_ + hop);
    }
    for (const std::uint16_t each : {item.from, item.to}) {
      if (end(each).alone) continue;
      const std::size_t port = ports_ + std::size_t{3} * port_place_[each];
      visit(port);
      visit(port + (each == item.from ? 1U : 2U));
    }
  }
  template <typename Visit>
  static void visit_pair(std::size_t base, std::size_t size, std::size_t a, std::size_t b,
                         Visit&& visit) {
    visit(base + 2 * (std::min(a, b) * size + std::max(a, b)));
    if (a != b) visit(base + 2 * (a * size + b) + 1);
  }

  void excuse(const Item& item, std::vector<ExplainCandidate>& candidates) const {
    for_each_candidate(item, [&candidates](std::size_t candidate) {
      if (candidates[candidate].measured > 0) --candidates[candidate].measured;
    });
  }

  // Empty: the item says nothing on this channel.
  [[nodiscard]] std::optional<ExplainItem> value_on(Channel channel, const Item& item) const {
    ExplainItem seen{static_cast<float>(kDead), static_cast<float>(kDeadError)};
    if (item.dead != (channel == Channel::dead)) return {};
    if (channel == Channel::loss) {
      if (item.nats < options_.item_nats) return {};
      seen = {static_cast<float>(item.loss), static_cast<float>(item.loss_error)};
    } else if (channel == Channel::delay) {
      seen = {static_cast<float>(item.delay_ms), static_cast<float>(item.delay_error_ms)};
    }
    return seen.value > 0.0F ? std::optional(seen) : std::nullopt;
  }

  using Strengths = std::unordered_map<std::size_t, double>;

  void explain_channel(Channel channel) {
    std::vector<Item> items;
    std::vector<Item> undirected;
    for (const Item& item : items_) {
      if (!value_on(channel, item)) continue;
      const bool known = channel != Channel::delay || item.delay_directed;
      (known ? items : undirected).push_back(item);
    }
    Strengths strengths;
    std::vector<ExplainCandidate> candidates = candidates_;
    for (const Item& item : undirected) excuse(item, candidates);
    const std::vector<float> left = explain_items(items, std::move(candidates), channel, strengths);
    for (std::size_t i = 0; i < items.size(); ++i) {
      note_link(items[i], static_cast<double>(left[i]), channel);
    }
    explain_undirected(undirected, items, strengths);
  }

  // Delays whose direction nobody knows, because clocks are bad: what the others do not account for
  // may still be a group, half of it each way.
  void explain_undirected(const std::vector<Item>& undirected, const std::vector<Item>& directed,
                          Strengths& strengths) {
    if (undirected.empty()) return;
    std::vector<ExplainCandidate> candidates = candidates_;
    for (const Item& item : directed) excuse(item, candidates);
    std::vector<Item> items;
    for (Item item : undirected) {
      const double left = left_of(item, strengths);
      if (left >= options_.group_delay_ms && left >= 0.35 * 2.0 * item.delay_ms) {
        item.delay_ms = left / 2.0;
        items.push_back(item);
      } else {
        excuse(item, candidates);
      }
    }
    (void)explain_items(items, std::move(candidates), Channel::delay, strengths);
    for (const Item& item : undirected) {
      const double left = left_of(item, strengths);
      if (left >= 0.35 * 2.0 * item.delay_ms) note_link(item, left, Channel::delay);
    }
  }

  // What is left of each; adds the strengths of the groups found.
  std::vector<float> explain_items(const std::vector<Item>& items,
                                   std::vector<ExplainCandidate> candidates, Channel channel,
                                   Strengths& strengths) {
    if (items.empty()) return {};
    ExplainProblem problem;
    problem.candidates = std::move(candidates);
    for (const Item& item : items) {
      problem.items.push_back(*value_on(channel, item));
      problem.begin.push_back(static_cast<std::uint32_t>(problem.members.size()));
      for_each_candidate(item, [&problem](std::size_t candidate) {
        problem.members.push_back(static_cast<std::uint32_t>(candidate));
      });
    }
    problem.begin.push_back(static_cast<std::uint32_t>(problem.members.size()));
    Explained found = explain(problem, options_of(channel));
    for (const Explanation& each : found.causes) {
      note_group(each, channel);
      strengths[each.candidate] += each.value;
    }
    return std::move(found.residual);
  }

  // The growth of its round trip less what the groups add to both its directions.
  [[nodiscard]] double left_of(const Item& item, const Strengths& strengths) const {
    double left = 2.0 * item.delay_ms;
    for (const Item& way : {item, Item{item.to, item.from}}) {
      for_each_candidate(way, [&](std::size_t candidate) {
        const auto found = strengths.find(candidate);
        if (found != strengths.end()) left -= found->second;
      });
    }
    return left;
  }

  [[nodiscard]] ExplainOptions options_of(Channel channel) const {
    ExplainOptions out;
    out.share_min = options_.share_min;
    switch (channel) {
      case Channel::dead:
        out.value_min = 0.5 * kDead;
        out.relative_error = 0.0;
        out.saturates = true;
        out.normal_error = kDeadError;
        break;
      case Channel::loss:
        out.value_min = options_.group_loss;
        out.normal_error = 0.004;
        break;
      case Channel::delay:
        out.value_min = options_.group_delay_ms;
        out.normal_error = 2.0;
        break;
    }
    return out;
  }

  static void add_effect(CauseEffect& effect, Channel channel, double value) {
    switch (channel) {
      case Channel::dead:
        effect.dead = true;
        break;
      case Channel::loss:
        effect.loss = std::max(effect.loss, -std::expm1(-value));
        break;
      case Channel::delay:
        effect.delay_ms = std::max(effect.delay_ms, value);
        break;
    }
  }

  void note_group(const Explanation& explanation, Channel channel) {
    const CauseId& id = ids_[explanation.candidate];
    Cause& cause = out_.causes[id];
    cause.id = id;
    add_effect(cause.effect, channel, explanation.value);
    if (explanation.gain <= cause.gain) return;
    cause.gain = explanation.gain;
    cause.shows = explanation.items;
    cause.measured = candidates_[explanation.candidate].measured;
    // Odds from the gains; groups of links hardly ever come near one another.
    double sum = 1.0;
    for (const Alternative& other : explanation.alternatives) {
      sum += std::exp(other.gain - explanation.gain);
    }
    cause.confidence = 1.0 / sum;
    cause.alternatives.clear();
    for (const Alternative& other : explanation.alternatives) {
      cause.alternatives.push_back(
          {ids_[other.candidate], std::exp(other.gain - explanation.gain) / sum});
    }
  }

  // What no group accounts for is the link's own, if there is evidence enough.
  void note_link(const Item& item, double left, Channel channel) {
    double gain = 0.0;
    switch (channel) {
      case Channel::dead:
        if (left < 0.5 * kDead) return;
        gain = kItemNats;
        break;
      case Channel::loss: {
        if (left < options_.link_loss || left < 0.35 * item.loss) return;
        const double share = left / std::max(item.loss, 1e-9);
        gain = item.nats * share * share;
        if (gain < options_.link_nats) {
          if (out_.questions.size() < kQuestionsMax) {
            out_.questions.push_back({QuestionKind::burst, item.from, item.to});
          }
          return;
        }
        break;
      }
      case Channel::delay:
        if (left < options_.link_delay_ms || left < 0.35 * item.delay_ms) return;
        gain = left * left / (2.0 * item.delay_error_ms * item.delay_error_ms);
        break;
    }
    add_link(item, left, std::max(0.1, gain - options_.price_link), channel);
  }

  void add_link(const Item& item, double value, double gain, Channel channel) {
    // Both ways is one cause.
    const CauseId back{CauseKind::link, item.to, item.from, false};
    const CauseId both{CauseKind::link, std::min(item.from, item.to), std::max(item.from, item.to),
                       true};
    CauseId id{CauseKind::link, item.from, item.to, false};
    if (const auto found = out_.causes.find(back); found != out_.causes.end()) {
      Cause merged = found->second;
      merged.id = both;
      out_.causes.erase(found);
      out_.causes.emplace(both, std::move(merged));
      id = both;
    } else if (out_.causes.contains(both)) {
      id = both;
    }
    Cause& cause = out_.causes[id];
    cause.id = id;
    add_effect(cause.effect, channel, value);
    cause.gain = std::max(cause.gain, gain);
    cause.shows = cause.measured = id.both_ways ? 2 : 1;
    cause.confidence = 1.0 - std::exp(-cause.gain);
  }

  const Evidence& evidence_;
  const Credibility& credibility_;
  const LocaliseOptions& options_;
  std::vector<Item> items_;
  std::vector<Item> doubtful_;
  std::vector<CauseId> ids_;
  std::vector<ExplainCandidate> candidates_;
  std::size_t region_pairs_ = 0;
  std::size_t isp_pairs_ = 0;
  std::size_t region_cuts_ = 0;
  std::size_t hops_ = 0;
  std::size_t ports_ = 0;
  std::vector<std::uint32_t> port_place_;  // by end, among those that are not alone
  std::unordered_map<std::uint32_t, std::vector<std::uint32_t>> hops_of_;
  LinkCauses out_;
};

}  // namespace

LinkCauses explain_links(const Evidence& evidence, const Credibility& credibility,
                         const LocaliseOptions& options) {
  return LinkExplainer(evidence, credibility, options).run();
}

}  // namespace linkpilot::optimizer
