#include <algorithm>

#include "collector/api/json_parts.h"

namespace linkpilot::collector {

namespace {

Json known(double value) { return value < 0 ? Json(nullptr) : Json(value); }

Json fault_json(const Fault& fault, UnixNanos now) {
  Json out = {{"id", fault.id},
              {"state", fault.open() ? "open" : "resolved"},
              {"scope", to_string(fault.scope)},
              {"grade", to_string(fault.grade)},
              {"severity", to_string(severity_of(fault.scope, fault.grade))},
              {"vendor", fault.vendor},
              {"subject", subject_of(fault)},
              {"nodes", fault.members},
              {"region", fault.region},
              {"since_at", time_text(fault.since)},
              {"opened_at", time_text(fault.opened)},
              {"updated_at", time_text(fault.updated)},
              {"resolved_at", time_text(fault.resolved)},
              {"lasted_ms", ms((fault.open() ? now : fault.resolved) - fault.since)},
              {"events", fault.events},
              {"detail", fault.detail},
              {"confidence", fault.confidence},
              {"could_be", fault.could_be},
              {"outcome", fault.outcome},
              {"links_total", fault.links_total},
              {"routes_total", fault.routes_total},
              {"routes", fault.routes}};
  Json links = Json::array();
  for (const FaultLink& link : fault.links) {
    links.push_back({{"link", link.text},
                     {"grade", to_string(link.grade)},
                     {"rtt_ms_before", known(link.rtt_ms_before)},
                     {"rtt_ms", known(link.rtt_ms)},
                     {"loss_ratio_before", known(link.loss_ratio_before)},
                     {"loss_ratio", known(link.loss_ratio)},
                     {"seen", link.seen}});
  }
  out["links"] = std::move(links);
  return out;
}

}  // namespace

Json faults_json(const CollectorView& view, const std::string& state, const std::string& id) {
  Json faults = Json::array();
  // Open ones first, then the newest resolved ones.
  for (const Fault& fault : view.faults) {
    if (fault.open() && state != "resolved" && fault.id.starts_with(id)) {
      faults.push_back(fault_json(fault, view.now));
    }
  }
  for (auto fault = view.faults.rbegin(); fault != view.faults.rend(); ++fault) {
    if (!fault->open() && state != "open" && fault->id.starts_with(id)) {
      faults.push_back(fault_json(*fault, view.now));
    }
  }
  const auto open = std::count_if(view.faults.begin(), view.faults.end(),
                                  [](const Fault& fault) { return fault.open(); });
  return {{"open", open},
          {"mail",
           {{"enabled", view.mail.enabled},
            {"waiting", view.mail.waiting},
            {"trouble", view.mail.trouble},
            {"handed", view.mail.counters.handed}}},
          {"faults", std::move(faults)}};
}

Json mail_test_json(const MailTest& test) {
  return {{"ok", test.ok()},
          {"message_id", test.message_id},
          {"handed", test.handed},
          {"refused", test.refused},
          {"error", test.error}};
}

}  // namespace linkpilot::collector
