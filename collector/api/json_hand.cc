#include <algorithm>

#include "collector/api/json_parts.h"
#include "collector/hand/hand_effect.h"

namespace linkpilot::collector {

Json hand_json(const CollectorView& view) {
  const HandFacts facts{view.agents, view.beliefs(), view.tables};
  Json overrides = Json::array();
  bool frozen = false;
  for (const Override& over : view.overrides) {
    frozen = frozen || over.kind == HandKind::freeze || over.kind == HandKind::rollback;
    Json json = {{"id", over.id},
                 {"kind", to_string(over.kind)},
                 {"text", describe(over)},
                 {"author", over.author},
                 {"reason", over.reason},
                 {"created_at", time_text(over.created)},
                 {"expires_at", time_text(over.expires)},
                 {"left_ms", ms(over.expires - view.now)},
                 {"effect", effect_of(over, view.overrides, facts)}};
    if (!over.node.empty()) json["node"] = over.node;
    if (!over.target.empty()) json["target"] = over.target;
    if (over.kind == HandKind::pin) json["via"] = over.via;
    if (over.kind == HandKind::auto_off) json["region"] = over.region;
    if (over.kind == HandKind::rollback) {
      json["epoch"] = over.version.epoch;
      json["version"] = over.version.version;
    }
    if (over.kind == HandKind::drain) {
      const DrainProgress progress = drain_progress(facts, over.node);
      json["drained"] = progress.done();
      json["relayed_routes"] = progress.relayed_routes;
      json["waiting_for"] = progress.waiting_for;
    }
    overrides.push_back(std::move(json));
  }
  return {{"frozen", frozen}, {"overrides", std::move(overrides)}};
}

Json audit_json(const CollectorView& view, std::optional<std::uint64_t> after, std::size_t limit) {
  Json entries = Json::array();
  std::uint64_t last = after.value_or(0);
  const std::size_t count = view.audit ? view.audit->size() : 0;
  const std::size_t newest = count > limit ? count - limit : 0;
  for (std::size_t i = after ? 0 : newest; i < count && entries.size() < limit; ++i) {
    const AuditEntry& entry = (*view.audit)[i];
    if (after && entry.id <= *after) continue;
    last = entry.id;
    entries.push_back({{"id", entry.id},
                       {"time_at", time_text(entry.time)},
                       {"author", entry.author},
                       {"action", entry.action},
                       {"subject", entry.subject},
                       {"outcome", entry.outcome},
                       {"reason", entry.reason},
                       {"detail", entry.detail}});
  }
  return {{"last_id", last}, {"entries", std::move(entries)}};
}

Json refused_json(const CollectorView& view) {
  Json refused = Json::array();
  for (const RefusedKey& knock : view.refused_keys) {
    refused.push_back({{"public_key", knock.public_key},
                       {"address", knock.address},
                       {"first_at", time_text(knock.first)},
                       {"last_at", time_text(knock.last)},
                       {"count", knock.count},
                       {"reason", knock.reason}});
  }
  return {{"refused_keys", std::move(refused)},
          {"limit", kRefusedKeysMax},
          {"refused_total", view.sockets.refused_keys}};
}

Json done_json(const OrderDone& done) {
  return {{"done", done.said},
          {"id", done.id},
          {"expires_at", time_text(done.expires)},
          {"durable", done.durable},
          {"warnings", done.warnings}};
}

}  // namespace linkpilot::collector
