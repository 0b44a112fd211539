#include "tools/media/route_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "agent/route_client/table_check.h"
#include "agent/route_client/table_store.h"
#include "base/runtime/files.h"
#include "schemas/route_file.h"

namespace linkpilot::media {
namespace {

// A table may be replaced between taking it in and reading it again; then both are done once more.
constexpr int kPollTriesMax = 5;

bool same_path(const lpr_path& answer, const CandidatePath& published) {
  if (answer.hop_count != published.hops.size() || answer.cost_us != published.cost_us)
    return false;
  if (((answer.flags & LPR_PATH_LOOP_FREE) != 0) != published.loop_free) return false;
  for (std::size_t i = 0; i < published.hops.size(); ++i) {
    const lpr_hop& a = answer.hops[i];
    const Hop& p = published.hops[i];
    if (a.node != p.node.value || a.near_port != p.near_port.value ||
        a.far_port != p.far_port.value) {
      return false;
    }
  }
  return true;
}

}  // namespace

Result<RouteView> RouteView::open(Options options) {
  const char* reason = nullptr;
  std::unique_ptr<lpr_client, CloseClient> client(
      lpr_open(options.table_path.c_str(), options.marks_path.c_str(), &reason));
  if (!client) {
    return fail(ErrorCode::unavailable,
                fmt::format("open route table {}: {}: {}", options.table_path,
                            reason == nullptr ? "refused" : reason, std::strerror(errno)));
  }
  std::unique_ptr<lpr_reader, FreeReader> reader(lpr_reader_new(client.get()));
  if (!reader) return fail(ErrorCode::limit_exceeded, "no memory for a route reader");
  return RouteView(std::move(options), std::move(client), std::move(reader));
}

RouteView::RouteView(Options options, std::unique_ptr<lpr_client, CloseClient> client,
                     std::unique_ptr<lpr_reader, FreeReader> reader)
    : options_(std::move(options)), client_(std::move(client)), reader_(std::move(reader)) {}

bool RouteView::poll(UnixNanos now) {
  bool changed = false;
  for (int i = 0; i < kPollTriesMax; ++i) {
    const int taken = lpr_poll(client_.get());
    if (taken < 0) trouble_ = lpr_refusal(client_.get());
    if (taken <= 0 && !(changed && expected_version_ != version_)) break;
    lpr_table_info info{};
    if (lpr_info(reader_.get(), &info) != 0) break;
    version_ = {info.epoch, info.version};
    self_ = NodeId(info.node);
    changed = true;
    addresses_.clear();
    learn_nodes();
    read_expected(now);
  }
  return changed;
}

std::optional<NodeId> RouteView::self() const {
  if (self_.value == 0) return std::nullopt;
  return self_;
}

void RouteView::learn_nodes() {
  nodes_.clear();
  lpr_table_info info{};
  if (lpr_info(reader_.get(), &info) != 0) return;
  for (std::uint32_t id = 1; id <= 0xffff && nodes_.size() < info.node_count; ++id) {
    lpr_node node{};
    if (lpr_describe_node(reader_.get(), static_cast<std::uint16_t>(id), &node) != 0) continue;
    nodes_.push_back({NodeId(node.id), node.name});
  }
}

void RouteView::read_expected(UnixNanos now) {
  const auto bytes =
      read_file(options_.table_path, LP_ROUTE_FILE_OCTETS_MAX + LP_ROUTE_TRAILER_OCTETS);
  if (!bytes) {
    trouble_ = bytes.error().message;
    return;
  }
  const auto file = route_client::from_file(*bytes);
  if (!file) {
    trouble_ = file.error().message;
    return;
  }
  route_client::TableVerdict verdict = route_client::check_table(
      *file, {.self = self_, .signers = options_.signers, .in_use = nullptr, .now = now});
  if (verdict.refusal) {
    trouble_ = verdict.detail;
    return;
  }
  trouble_.clear();
  expected_.clear();
  expected_version_ = verdict.table.version;
  for (Route& route : verdict.table.routes) {
    if (route.direction == Direction::push) expected_[route.target] = std::move(route.candidates);
  }
}

bool RouteView::as_published(const lpr_route& route) const {
  if (TableVersion{route.epoch, route.version} != expected_version_) return false;
  if ((route.flags & LPR_ROUTE_EXPIRED) != 0) return true;  // made by the library, says so itself
  const auto found = expected_.find(NodeId(route.target));
  if (found == expected_.end() || found->second.size() != route.path_count) return false;
  for (std::uint32_t i = 0; i < route.path_count; ++i) {
    if (!same_path(route.paths[i], found->second[i])) return false;
  }
  return true;
}

IpAddress RouteView::address_of(const lpr_hop& hop) {
  const std::uint32_t key = std::uint32_t{hop.node} << 8U | hop.far_port;
  const auto known = addresses_.find(key);
  if (known != addresses_.end()) return known->second;
  const auto parsed = IpAddress::parse(lpr_hop_address(reader_.get(), &hop));
  const IpAddress address = parsed ? *parsed : IpAddress{};
  addresses_.emplace(key, address);  // at most nodes x ports of one table
  return address;
}

ChosenPath RouteView::lookup(const std::string& target, UnixNanos now) {
  lpr_route route{};
  ChosenPath chosen;
  chosen.status = lpr_lookup_n(reader_.get(), LPR_PUSH, target.data(),
                               static_cast<std::uint32_t>(target.size()), now.ns, &route);
  ++counts_.total;
  if (chosen.status != LPR_OK || route.path_count == 0 || route.chosen >= route.path_count) {
    ++counts_.unanswered;
    return chosen;
  }
  ++counts_.answered;
  const TableVersion version{route.epoch, route.version};
  if (version < newest_answer_) ++counts_.older;
  newest_answer_ = std::max(newest_answer_, version);
  if (!as_published(route)) ++counts_.not_published;
  const lpr_path& path = route.paths[route.chosen];
  chosen.length = path.hop_count;
  chosen.candidate = static_cast<std::uint8_t>(route.chosen);
  chosen.flags = route.flags;
  for (std::size_t i = 0; i < path.hop_count; ++i) chosen.nodes[i] = NodeId(path.hops[i].node);
  chosen.next_address = address_of(path.hops[0]);
  return chosen;
}

RouteView::Turn RouteView::turn(std::span<const NodeId> remaining, std::size_t hops_max,
                                UnixNanos now) {
  std::array<std::uint16_t, LPR_HOPS_MAX + 1> ids{};
  Turn turn;
  if (remaining.empty() || remaining.size() > ids.size()) return turn;
  for (std::size_t i = 0; i < remaining.size(); ++i) ids[i] = remaining[i].value;
  lpr_turn_answer answer{};
  const lpr_status status =
      lpr_turn(reader_.get(), LPR_PUSH, ids.data(), static_cast<std::uint32_t>(remaining.size()),
               static_cast<std::uint32_t>(hops_max), now.ns, &answer);
  if (status != LPR_OK || answer.path.hop_count == 0) return turn;
  turn.turned = answer.turned != 0;
  turn.length = answer.path.hop_count;
  for (std::size_t i = 0; i < turn.length; ++i) turn.nodes[i] = NodeId(answer.path.hops[i].node);
  turn.next_address = address_of(answer.path.hops[0]);
  return turn;
}

}  // namespace linkpilot::media
