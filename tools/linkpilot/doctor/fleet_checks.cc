#include <fmt/format.h>

#include <map>

#include "tools/linkpilot/doctor/checks.h"

namespace linkpilot::cli {

namespace {

constexpr double kClockWarnMs = 2'000;       // beyond, samples are dated by the collector's clock
constexpr double kClockBadMs = 30'000;       // beyond, they are refused
constexpr std::uint64_t kBacklogWarn = 600;  // ten minutes of reports
constexpr std::size_t kNamesMax = 8;

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (std::size_t i = 0; i < std::min(names.size(), kNamesMax); ++i) {
    out += (i == 0 ? "" : ", ") + names[i];
  }
  if (names.size() > kNamesMax) out += fmt::format(" and {} more", names.size() - kNamesMax);
  return out;
}

const Json& child(const Json& object, const char* key) {
  static const Json kNone = Json::object();
  const auto found = object.find(key);
  return found != object.end() && found->is_object() ? *found : kNone;
}

std::string word(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

double figure(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>() : 0;
}

// "linkpilot-agent 0.1.0" -> "0.1.0"
std::string version_of(const std::string& software) {
  const std::size_t space = software.rfind(' ');
  return space == std::string::npos ? software : software.substr(space + 1);
}

struct Gathered {
  std::vector<std::string> silent, never, refused, stale, spool, backlog, dropped, clock_warn,
      clock_bad, capped, unauthenticated;
  std::map<std::string, std::vector<std::string>> versions;
};

Gathered gather(const Json& agents) {
  Gathered out;
  const auto list = agents.find("agents");
  if (list == agents.end() || !list->is_array()) return out;
  for (const Json& agent : *list) {
    if (!agent.is_object()) continue;
    const std::string name = word(agent, "node");
    const std::string state = word(agent, "state");
    if (state == "never_seen") out.never.push_back(name);
    if (state == "silent" || state == "dead") {
      out.silent.push_back(fmt::format("{} ({})", name, word(agent, "reason")));
    }
    if (const std::string reason = word(child(agent, "table"), "refused_reason"); !reason.empty()) {
      out.refused.push_back(fmt::format("{} ({})", name, reason));
    }
    const std::string table = word(child(agent, "freshness"), "table");
    if (table == "stale" || table == "expired") out.stale.push_back(name);
    const Json& spool = child(agent, "spool");
    if (const std::string error = word(spool, "error"); !error.empty()) {
      out.spool.push_back(fmt::format("{} ({})", name, error));
    }
    if (figure(spool, "reports") > kBacklogWarn) {
      out.backlog.push_back(fmt::format("{} ({:.0f})", name, figure(spool, "reports")));
    }
    if (figure(spool, "dropped") > 0) {
      out.dropped.push_back(fmt::format("{} ({:.0f})", name, figure(spool, "dropped")));
    }
    if (figure(child(agent, "plan"), "capped") > 0) out.capped.push_back(name);
    if (figure(child(agent, "probing"), "refused_authentication") > 0) {
      out.unauthenticated.push_back(name);
    }
    if (state != "connected") continue;
    out.versions[version_of(word(agent, "software"))].push_back(name);
    const double ahead = figure(agent, "clock_ahead_ms");
    const double offset = ahead < 0 ? -ahead : ahead;
    auto& sick = offset > kClockBadMs ? out.clock_bad : out.clock_warn;
    if (offset > kClockWarnMs) {
      sick.push_back(
          fmt::format("{} ({:.1f} s {})", name, offset / 1000, ahead > 0 ? "ahead" : "behind"));
    }
  }
  return out;
}

void list(Examination& out, const std::vector<std::string>& names, Health health, const char* check,
          const char* what, const char* meaning, const char* fix) {
  if (!names.empty()) {
    out.add(health, check, fmt::format("{}: {}", what, joined(names)), meaning, fix);
  }
}

void check_versions(const Gathered& seen, const Json& status, const std::string& own,
                    Examination& out) {
  const std::string collector = version_of(word(status, "software"));
  if (collector != own) {
    out.add(Health::warn, "version.cli",
            fmt::format("this program is {}, the collector {}", own, collector),
            "fields may be missing from what is shown", "apt-get install linkpilot");
  }
  std::string skew;
  for (const auto& [version, names] : seen.versions) {
    if (version != collector)
      skew += fmt::format("{}{} runs {}", skew.empty() ? "" : "; ", joined(names), version);
  }
  if (skew.empty()) {
    out.add(Health::ok, "version.agents", fmt::format("every agent heard runs {}", collector));
  } else {
    out.add(
        Health::warn, "version.agents", fmt::format("the collector runs {}; {}", collector, skew),
        "one version of difference works, the collector being the newer one; more is not tested",
        "upgrade the collector first, then: apt-get install linkpilot-agent on these");
  }
}

void check_store(const FleetFacts& facts, Examination& out) {
  const Json& store = child(facts.status, "store");
  if (!store.value("ok", true)) {
    out.add(Health::bad, "collector.store", "the store fails: " + word(store, "reason"),
            "nothing is acknowledged; agents keep their reports",
            "df -h; dmesg | tail   # on the collector's host");
  }
  const auto metric = [&](const char* name) {
    const auto found = facts.metrics.find(name);
    return found == facts.metrics.end() ? -1.0 : found->second;
  };
  const double free = metric("linkpilot_collector_store_disk_free_bytes");
  const double wanted = metric("linkpilot_collector_store_size_max_bytes") -
                        metric("linkpilot_collector_store_size_bytes");
  if (free < 0) {
    out.unseen.push_back("the collector's disk: it does not tell");
    return;
  }
  constexpr double kMib = 1 << 20;
  const std::string found = fmt::format("{:.0f} MiB free, the store may still grow by {:.0f} MiB",
                                        free / kMib, std::max(0.0, wanted) / kMib);
  if (free < 256 * kMib && free < wanted) {
    out.add(Health::bad, "collector.disk", found, "reports are about to be refused by the disk",
            "df -h   # on the collector's host: free some, or lower [store] size_max");
  } else if (free < wanted) {
    out.add(Health::warn, "collector.disk", found, "the disk is full before size_max is reached",
            "lower [store] size_max and reload: systemctl reload linkpilot-collector");
  } else {
    out.add(Health::ok, "collector.disk", found);
  }
}

}  // namespace

Examination examine_fleet(const FleetFacts& facts, const std::string& own_version) {
  Examination out;
  const Gathered seen = gather(facts.agents);
  const Json& agents = child(facts.status, "agents");
  out.add(Health::ok, "fleet.size",
          fmt::format("{:.0f} of {:.0f} enrolled agents are heard", figure(agents, "connected"),
                      figure(agents, "enrolled")));
  list(out, seen.silent, Health::bad, "fleet.silent", "agents are silent",
       "nothing is measured from these nodes; routes avoid those that are dead",
       "ssh NODE linkpilot doctor");
  list(out, seen.never, Health::warn, "fleet.never_seen", "enrolled and never heard",
       "the key was let in, its agent never came",
       "ssh NODE linkpilot doctor; or linkpilot agent revoke NAME --reason WHY");
  list(
      out, seen.refused, Health::bad, "fleet.table_refused", "agents refuse their table",
      "they go on with the one before, until it expires",
      "unknown signer: copy routes.key.pub to the node and reload; else linkpilot agent show NAME");
  list(out, seen.stale, Health::warn, "fleet.table_stale", "tables are past their expiry",
       "soft: served with a warning; hard: direct paths only", "linkpilot status");
  list(out, seen.clock_bad, Health::bad, "fleet.clock", "clocks are far off",
       "samples of these nodes are refused", "ssh NODE 'chronyc makestep; chronyc tracking'");
  list(out, seen.clock_warn, Health::warn, "fleet.clock_skew", "clocks are off",
       "one-way delays of these nodes are not used", "ssh NODE chronyc tracking");
  list(out, seen.spool, Health::bad, "fleet.spool_disk", "disks refuse the spool",
       "reports are kept in memory only", "ssh NODE df -h /var/lib/linkpilot");
  list(out, seen.backlog, Health::warn, "fleet.spool_backlog", "reports wait for acknowledgement",
       "the collector or the way to it is too slow, or was away: it drains by itself",
       "linkpilot status; watch linkpilot agent list");
  list(out, seen.dropped, Health::warn, "fleet.spool_dropped", "spools were full",
       "a part of the history is lost", "raise [spool] size_max in agent.toml");
  list(out, seen.capped, Health::warn, "fleet.capped", "plans are cut by the agent's ceilings",
       "some links are measured slower than asked", "linkpilot plan show NODE");
  list(out, seen.unauthenticated, Health::warn, "fleet.unauthenticated",
       "probes came that were not under their pair's secret", "forged, or keys were being changed",
       "linkpilot event tail; linkpilot keys show");
  const auto refused = facts.agents.find("refused_keys");
  if (refused != facts.agents.end() && refused->is_array() && !refused->empty()) {
    out.add(Health::warn, "fleet.refused_keys",
            fmt::format("{} keys that are not enrolled knocked", refused->size()),
            "an agent that was forgotten, or a stranger", "linkpilot agent refused");
  }
  check_versions(seen, facts.status, own_version, out);
  check_store(facts, out);
  return out;
}

}  // namespace linkpilot::cli
