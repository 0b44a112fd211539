// AgentHealth: how far one agent's own word can be trusted, from what its reports say of itself:
// clock trouble, overload, packets its own kernel refused, silence. A sick agent is a fault of its
// own, and what it says of links is discounted, not believed. O(1) a look, 100 octets, pure.
//
// Each trouble has a level to enter and a lower one to leave, and must hold for several looks
// (about a second each), so that one late second is no trouble. Silence is judged by the
// collector's clock.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace linkpilot::optimizer {

enum class AgentTrouble : std::uint8_t { clock, overload, send_errors, silence };
inline constexpr std::size_t kAgentTroubles = 4;

// Sums over all links of one report.
struct AgentLook {
  std::uint64_t scheduled = 0;     // probes sent, missed by itself or refused
  std::uint64_t missed_by_us = 0;  // never sent: it was late
  std::uint64_t send_errors = 0;
  std::uint32_t agent_cpu_permille = 0;  // of one core
  // Links with one-way delays in both directions, and those of them whose two directions moved
  // apart by more than the clocks' stated error while the round trip did not move: the clock moved.
  std::uint32_t links_timed = 0;
  std::uint32_t links_skewed = 0;
};

struct AgentHealthOptions {
  double missed_enter = 0.05;  // share of its probes; a loop that is this late measures itself
  double missed_leave = 0.01;
  std::uint32_t cpu_enter_permille = 950;
  double errors_enter = 0.02;
  double errors_leave = 0.002;
  // Both ends of a link see a clock that moves: only the end most of whose links are skewed did it.
  double skewed_enter = 0.6;
  double skewed_leave = 0.3;
  std::uint32_t links_timed_min = 3;
  std::uint8_t looks_enter = 3;
  std::uint8_t looks_leave = 10;
  Duration silence = std::chrono::seconds(5);
};

class AgentHealth {
 public:
  void look(const AgentLook& look, Now now, const AgentHealthOptions& options);
  // Between reports: only silence can begin. `asked_since`: since when it could have been heard
  // (the collector's own start, or the agent's enrolment).
  void judge_silence(MonoTime asked_since, Now now, const AgentHealthOptions& options);

  [[nodiscard]] bool has(AgentTrouble trouble) const { return standing(trouble).on; }
  [[nodiscard]] bool sick() const;
  // What it says of links is believed: it speaks, and none of the troubles spoils its figures.
  [[nodiscard]] bool credible() const { return !sick(); }
  [[nodiscard]] Now since(AgentTrouble trouble) const { return standing(trouble).since; }
  [[nodiscard]] MonoTime last_heard() const { return last_heard_; }

 private:
  struct Standing {
    Now since{};
    std::uint8_t looks = 0;  // in a row that speak for a change
    bool on = false;
  };
  [[nodiscard]] const Standing& standing(AgentTrouble trouble) const {
    return troubles_[static_cast<std::size_t>(trouble)];
  }
  void judge(AgentTrouble trouble, bool enters, bool leaves, Now now,
             const AgentHealthOptions& options);

  std::array<Standing, kAgentTroubles> troubles_{};
  MonoTime last_heard_;
};

}  // namespace linkpilot::optimizer
