#include "collector/ingest/deaths.h"

#include "collector/ingest/link_text.h"

namespace linkpilot::collector {

void replay_deaths(const std::vector<Event>& events, const Agents& agents,
                   optimizer::FleetEstimates& estimates, Now now) {
  // Ten half-lives: a thousandth is left.
  const Duration remembered = estimates.parameters().flap_half_life * 10;
  for (const Event& event : events) {
    if (event.name != "link_dead" || event.time > now.wall) continue;
    const Duration age = now.wall - event.time;
    const std::optional<LinkId> link = parse_link_text(event.link, agents);
    if (age > remembered || !link) continue;
    Alarm alarm;
    alarm.link = *link;
    alarm.confirmed = true;
    for (const LinkState state : {LinkState::dead, LinkState::alive}) {
      alarm.state = state;
      estimates.apply(alarm, link->from.node, now.mono - age);
    }
  }
}

}  // namespace linkpilot::collector
