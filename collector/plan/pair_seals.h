// Under which secret each pair of nodes probes, and how it changes without a probe refused. Secrets
// are named by their master's epoch (pair_secret.h); epoch 0 is none: open probes.
//
// A change goes pair by pair and step by step, each step once both ends have acknowledged a plan
// that holds the one before:
//   1. both go on under the secret they have and answer under the new one as well;
//   2. both probe under the new one and answer under the old one as well;
//   3. the new one alone, unless the older master is still configured.
// A node that is away holds up its own pairs only. Pure; one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/ids.h"
#include "base/plan.h"
#include "base/runtime/secret_file.h"

namespace linkpilot::collector {

struct PairSeal {
  std::uint32_t epoch = 0;  // of the probes sent
  std::uint32_t also = 0;   // of those answered as well
  bool changing = false;    // `also` holds
};

class PairSeals {
 public:
  using Master = std::shared_ptr<const Secret>;
  // Whether both ends of a pair have acknowledged plans of that round or a later one.
  using Knows = std::function<bool(NodeId node, std::uint64_t round)>;

  // `newest` null: open probes are wanted. `older` not null: probes under it stay good until it is
  // taken away. New pairs begin as wanted, under `older` where there is one.
  void set_masters(Master newest, Master older);

  // At most one step of one pair in round `round` of planning; ask for every pair in every round.
  PairSeal step(NodeId a, NodeId b, std::uint64_t round, const Knows& knows);
  // Forgets the pairs that `round` did not meet, and masters that nobody uses.
  void end_round(std::uint64_t round);

  // Fills the secrets of a planned link whose epochs are set.
  void fill(PlannedLink& link) const;

  // Pairs that do not probe under what is wanted yet, and their nodes.
  [[nodiscard]] std::size_t waiting() const { return waiting_; }
  // Some pair may take a step when its ends acknowledge.
  [[nodiscard]] bool changing() const { return changing_; }
  [[nodiscard]] std::uint32_t wanted() const { return wanted_; }

 private:
  struct State {
    PairSeal seal;
    std::uint64_t since = 0;  // round in which the step was taken
    std::uint64_t seen = 0;
  };
  [[nodiscard]] std::vector<std::uint8_t> secret(std::uint32_t epoch, LinkId link) const;

  std::map<std::uint32_t, Master> masters_;
  std::uint32_t wanted_ = 0;
  std::uint32_t older_ = 0;
  bool has_older_ = false;
  bool open_before_ = false;  // pairs met in this round for the first time have probed openly
  std::uint64_t rounds_ = 0;
  std::unordered_map<std::uint32_t, State> pairs_;  // by both numbers, the lower first
  std::size_t waiting_ = 0;
  bool changing_ = false;
  std::size_t waiting_this_round_ = 0;
  bool changing_this_round_ = false;
};

}  // namespace linkpilot::collector
