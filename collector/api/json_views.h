// The JSON of each GET, as API.md states it. Pure functions of a view.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "collector/api/collector_view.h"
#include "collector/hand/order.h"
#include "collector/store/event_log.h"

namespace linkpilot::collector {

using Json = nlohmann::ordered_json;

// What is wrong with the fleet, one sentence each; empty: healthy.
[[nodiscard]] std::vector<std::string> complaints(const CollectorView& view);
// What is wrong with the collector itself.
[[nodiscard]] std::vector<std::string> own_complaints(const CollectorView& view);

[[nodiscard]] Json health_json(const CollectorView& view);
[[nodiscard]] Json status_json(const CollectorView& view);
// Of one node, or of all.
[[nodiscard]] Json agents_json(const CollectorView& view, std::optional<NodeId> node);
[[nodiscard]] Json links_json(const CollectorView& view, std::optional<NodeId> from,
                              std::optional<NodeId> to);
[[nodiscard]] Json routes_json(const CollectorView& view,
                               const std::map<NodeId, PublishedTable>& published_tables,
                               std::optional<NodeId> node, std::optional<NodeId> to);
// json_hand.cc: the operator's hand.
[[nodiscard]] Json hand_json(const CollectorView& view);
// Entries after `after`, or the newest; oldest first.
[[nodiscard]] Json audit_json(const CollectorView& view, std::optional<std::uint64_t> after,
                              std::size_t limit);
[[nodiscard]] Json refused_json(const CollectorView& view);
[[nodiscard]] Json done_json(const OrderDone& done);
[[nodiscard]] Json events_json(const EventLog::Page& page);
// `state`: "open", "resolved" or "" for both; `id`: its beginning, "" for all.
[[nodiscard]] Json faults_json(const CollectorView& view, const std::string& state,
                               const std::string& id);
[[nodiscard]] Json mail_test_json(const MailTest& test);
[[nodiscard]] Json plan_json(const CollectorView& view);
[[nodiscard]] Json samples_json(const CollectorView& view, const std::vector<ReportRow>& rows,
                                std::uint64_t after, bool more, const std::string& link);
[[nodiscard]] Json probe_json(const CollectorView& view, const LinkSample& sample,
                              Duration elapsed);

// Rates of what one node sends and answers, from its plan.
struct ProbeLoad {
  double probes_per_second = 0.0;
  double kbit_per_second = 0.0;
};
[[nodiscard]] ProbeLoad probe_load(const NodePlan& plan);

[[nodiscard]] std::string time_text(UnixNanos time);  // "" for zero
[[nodiscard]] std::string node_name(const CollectorView& view, NodeId node);

}  // namespace linkpilot::collector
