#include "optimizer/detect/agent_health.h"

#include <algorithm>

namespace linkpilot::optimizer {

namespace {

double share_of(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

void AgentHealth::look(const AgentLook& look, Now now, const AgentHealthOptions& options) {
  last_heard_ = now.mono;
  troubles_[static_cast<std::size_t>(AgentTrouble::silence)] = {};
  // A report without a probe says nothing of these.
  if (look.scheduled > 0) {
    const double missed = share_of(look.missed_by_us, look.scheduled);
    judge(AgentTrouble::overload,
          missed >= options.missed_enter || look.agent_cpu_permille >= options.cpu_enter_permille,
          missed <= options.missed_leave && look.agent_cpu_permille < options.cpu_enter_permille,
          now, options);
    const double errors = share_of(look.send_errors, look.scheduled);
    judge(AgentTrouble::send_errors, errors >= options.errors_enter, errors <= options.errors_leave,
          now, options);
  }
  if (look.links_timed >= options.links_timed_min) {
    const double skewed = share_of(look.links_skewed, look.links_timed);
    judge(AgentTrouble::clock, skewed >= options.skewed_enter, skewed <= options.skewed_leave, now,
          options);
  }
}

void AgentHealth::judge_silence(MonoTime asked_since, Now now, const AgentHealthOptions& options) {
  Standing& silence = troubles_[static_cast<std::size_t>(AgentTrouble::silence)];
  if (silence.on || now.mono - std::max(asked_since, last_heard_) < options.silence) return;
  silence = {now, 0, true};
}

bool AgentHealth::sick() const {
  return std::any_of(troubles_.begin(), troubles_.end(),
                     [](const Standing& each) { return each.on; });
}

void AgentHealth::judge(AgentTrouble trouble, bool enters, bool leaves, Now now,
                        const AgentHealthOptions& options) {
  Standing& standing = troubles_[static_cast<std::size_t>(trouble)];
  const bool speaks = standing.on ? leaves : enters;
  standing.looks = speaks ? static_cast<std::uint8_t>(standing.looks + 1U) : std::uint8_t{0};
  if (standing.looks < (standing.on ? options.looks_leave : options.looks_enter)) return;
  standing = {standing.on ? Now{} : now, 0, !standing.on};
}

}  // namespace linkpilot::optimizer
