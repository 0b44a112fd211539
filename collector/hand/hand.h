// The operator's hand above the machine: which overrides are in force, which orders are refused
// and why, when they end. Pure: facts about the fleet and the time come in, changes for the store
// and sentences for the operator go out. One thread (the collector's loop).
//
// At most kOverridesMax are in force. Every one expires; a second order of the same kind for the
// same subject takes the first one's place.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "collector/hand/order.h"
#include "collector/hand/override.h"

namespace linkpilot::collector {

// What the hand must know of one enrolled node.
struct HandNode {
  std::string name;
  std::string region;
  bool working = false;  // heard, and not believed dead
};

struct HandFleet {
  std::vector<HandNode> nodes;
  // Why media cannot go over this pair now ("the link tokyo/0>paris/0 is dead"); empty: it can.
  std::function<std::string(const std::string& from, const std::string& to)> trouble;
};

struct HandOutcome {
  HandChange change;
  OrderDone done;
};

class Hand {
 public:
  Hand() = default;
  // What the store kept; `next_id` is above every id ever used.
  Hand(std::vector<Override> restored, std::uint64_t next_id);

  // Takes drain, undrain, freeze, thaw, auto_off, auto_on, pin, unpin and rollback.
  [[nodiscard]] Result<HandOutcome> apply(const Order& order, const HandFleet& fleet,
                                          UnixNanos now);
  // Ends what is over.
  [[nodiscard]] std::vector<Override> expire(UnixNanos now);

  [[nodiscard]] const std::vector<Override>& in_force() const { return in_force_; }
  [[nodiscard]] bool drained(const std::string& node) const;
  // By `auto off` for the node's region or for all.
  [[nodiscard]] bool held(const std::string& region) const;
  // By freeze or rollback: no route may change.
  [[nodiscard]] const Override* frozen() const;

 private:
  [[nodiscard]] Status refuse_drain(const Order& order, const HandFleet& fleet) const;
  [[nodiscard]] Status refuse_pin(const Order& order, const HandFleet& fleet) const;
  [[nodiscard]] Result<HandOutcome> put(Override over, std::string said, UnixNanos now);
  [[nodiscard]] Result<HandOutcome> end(const std::function<bool(const Override&)>& which,
                                        const Order& order, std::string nothing);

  std::vector<Override> in_force_;  // by id
  std::uint64_t next_id_ = 1;
};

}  // namespace linkpilot::collector
