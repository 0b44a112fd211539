#include "collector/hand/hand.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "collector/registry/registry.h"

namespace linkpilot::collector {

namespace {

const HandNode* find_node(const HandFleet& fleet, const std::string& name) {
  const auto found = std::find_if(fleet.nodes.begin(), fleet.nodes.end(),
                                  [&](const HandNode& node) { return node.name == name; });
  return found == fleet.nodes.end() ? nullptr : &*found;
}

tl::unexpected<Error> refuse(std::string sentence) {
  return fail(ErrorCode::unavailable, std::move(sentence));
}

// `what` is "enrolled node" or "region"; the sentence ends with the next thing to try.
tl::unexpected<Error> no_such(std::string_view what, const std::string& name,
                              const std::set<std::string>& known) {
  std::string sentence = fmt::format("no {} \"{}\"", what, name);
  const std::vector<std::string> near = near_names(name, {known.begin(), known.end()});
  if (!near.empty()) sentence += fmt::format("; did you mean {}?", fmt::join(near, " or "));
  return fail(ErrorCode::not_found,
              sentence + (near.empty() ? "; linkpilot agent list shows all of them" : ""));
}

tl::unexpected<Error> no_such_node(const HandFleet& fleet, const std::string& name) {
  std::set<std::string> known;
  for (const HandNode& node : fleet.nodes) known.insert(node.name);
  return no_such("enrolled node", name, known);
}

Status refuse_region(const Order& order, const HandFleet& fleet) {
  if (order.region.empty()) return {};
  std::set<std::string> known;
  for (const HandNode& node : fleet.nodes) known.insert(node.region);
  if (known.contains(order.region)) return {};
  known.erase("");
  return no_such("region", order.region, known);
}

bool same_subject(const Override& a, const Override& b) {
  return a.kind == b.kind && a.node == b.node && a.target == b.target && a.region == b.region;
}

std::string in_region(const std::string& region) {
  return region.empty() ? "everywhere" : "in " + region;
}

}  // namespace

std::string_view to_string(HandKind kind) {
  switch (kind) {
    case HandKind::drain:
      return "drain";
    case HandKind::freeze:
      return "freeze";
    case HandKind::auto_off:
      return "auto_off";
    case HandKind::pin:
      return "pin";
    case HandKind::rollback:
      return "rollback";
  }
  return "?";
}

std::string describe(const Override& over) {
  switch (over.kind) {
    case HandKind::drain:
      return "drain " + over.node;
    case HandKind::freeze:
      return "freeze";
    case HandKind::auto_off:
      return "auto off " + in_region(over.region);
    case HandKind::pin:
      return fmt::format(
          "pin {} to {} {}", over.node, over.target,
          over.via.empty() ? "direct" : fmt::format("via {}", fmt::join(over.via, ", ")));
    case HandKind::rollback:
      return fmt::format("rollback to version {}.{}", over.version.epoch, over.version.version);
  }
  return "?";
}

Hand::Hand(std::vector<Override> restored, std::uint64_t next_id)
    : in_force_(std::move(restored)), next_id_(next_id) {}

bool Hand::drained(const std::string& node) const {
  return std::any_of(in_force_.begin(), in_force_.end(), [&](const Override& over) {
    return over.kind == HandKind::drain && over.node == node;
  });
}

bool Hand::held(const std::string& region) const {
  return std::any_of(in_force_.begin(), in_force_.end(), [&](const Override& over) {
    return over.kind == HandKind::auto_off && (over.region.empty() || over.region == region);
  });
}

const Override* Hand::frozen() const {
  const auto found = std::find_if(in_force_.begin(), in_force_.end(), [](const Override& over) {
    return over.kind == HandKind::freeze || over.kind == HandKind::rollback;
  });
  return found == in_force_.end() ? nullptr : &*found;
}

Status Hand::refuse_drain(const Order& order, const HandFleet& fleet) const {
  const HandNode* node = find_node(fleet, order.node);
  if (node == nullptr) return no_such_node(fleet, order.node);
  const bool others =
      std::any_of(fleet.nodes.begin(), fleet.nodes.end(), [&](const HandNode& other) {
        return other.name != node->name && other.region == node->region && other.working &&
               !drained(other.name);
      });
  if (others) return {};
  return refuse(fmt::format(
      "{} is the last working node of {} that is not drained, and the last one is never drained; "
      "bring another node of {} up, or undrain one, first",
      node->name, node->region.empty() ? "its (unnamed) region" : "region " + node->region,
      node->region.empty() ? "that region" : node->region));
}

Status Hand::refuse_pin(const Order& order, const HandFleet& fleet) const {
  if (order.node == order.target) return refuse("a pin needs two different nodes");
  std::vector<std::string> path = {order.node};
  path.insert(path.end(), order.via.begin(), order.via.end());
  path.push_back(order.target);
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (find_node(fleet, path[i]) == nullptr) return no_such_node(fleet, path[i]);
    if (std::count(path.begin(), path.end(), path[i]) > 1) {
      return refuse(fmt::format("{} would be passed twice; a path passes each node once", path[i]));
    }
  }
  for (const std::string& relay : order.via) {
    if (drained(relay)) {
      return refuse(fmt::format(
          "{} is drained and relays nothing; undrain it first (linkpilot node undrain {}) or pin "
          "by way of another",
          relay, relay));
    }
  }
  return {};
}

Result<HandOutcome> Hand::put(Override over, std::string said, UnixNanos now) {
  HandOutcome outcome;
  const auto before = std::find_if(in_force_.begin(), in_force_.end(),
                                   [&](const Override& each) { return same_subject(each, over); });
  if (before != in_force_.end()) {
    outcome.change.ended.push_back(before->id);
    in_force_.erase(before);
  } else if (in_force_.size() >= kOverridesMax) {
    return fail(ErrorCode::limit_exceeded,
                fmt::format("{} overrides are in force, which is the most there may be; end some "
                            "that are not needed (linkpilot hand list)",
                            kOverridesMax));
  }
  over.id = next_id_++;
  over.created = now;
  outcome.done.id = over.id;
  outcome.done.said = std::move(said);
  outcome.done.expires = over.expires;
  outcome.change.put.push_back(over);
  in_force_.push_back(std::move(over));
  return outcome;
}

Result<HandOutcome> Hand::end(const std::function<bool(const Override&)>& which, const Order& order,
                              std::string nothing) {
  HandOutcome outcome;
  std::string ended;
  for (const Override& over : in_force_) {
    if (!which(over)) continue;
    outcome.change.ended.push_back(over.id);
    ended += fmt::format("{}{} (by {})", ended.empty() ? "" : ", ", describe(over), over.author);
  }
  if (ended.empty()) {
    return refuse(std::move(nothing) + "; linkpilot hand list shows what is in force");
  }
  std::erase_if(in_force_, which);
  outcome.done.said = fmt::format("{}: ended {}", to_string(order.action), ended);
  return outcome;
}

Result<HandOutcome> Hand::apply(const Order& order, const HandFleet& fleet, UnixNanos now) {
  Override over;
  over.author = order.author;
  over.reason = order.reason;
  over.expires = now + (order.lasts.count() > 0 ? order.lasts : default_duration(order.action));
  const std::string until = fmt::format("until {}", format_utc(over.expires));
  const auto is = [](HandKind kind) {
    return [kind](const Override& each) { return each.kind == kind; };
  };
  switch (order.action) {
    case OrderAction::drain:
      if (Status status = refuse_drain(order, fleet); !status) return fail(status.error());
      over.kind = HandKind::drain;
      over.node = order.node;
      return put(over, fmt::format("{} relays nothing {}", order.node, until), now);
    case OrderAction::undrain:
      return end(
          [&](const Override& each) {
            return is(HandKind::drain)(each) && each.node == order.node;
          },
          order, fmt::format("{} is not drained", order.node));
    case OrderAction::freeze:
      over.kind = HandKind::freeze;
      return put(over, fmt::format("no route changes {}", until), now);
    case OrderAction::thaw:
      return end(
          [&](const Override& each) {
            return is(HandKind::freeze)(each) || is(HandKind::rollback)(each);
          },
          order, "nothing is frozen");
    case OrderAction::auto_off:
      if (Status status = refuse_region(order, fleet); !status) return fail(status.error());
      over.kind = HandKind::auto_off;
      over.region = order.region;
      return put(over,
                 fmt::format("routes {} stay where they are {}", in_region(order.region), until),
                 now);
    case OrderAction::auto_on:
      return end(
          [&](const Override& each) {
            return is(HandKind::auto_off)(each) && each.region == order.region;
          },
          order, fmt::format("automatic action is not off {}", in_region(order.region)));
    case OrderAction::pin: {
      if (Status status = refuse_pin(order, fleet); !status) return fail(status.error());
      over.kind = HandKind::pin;
      over.node = order.node;
      over.target = order.target;
      over.via = order.via;
      Result<HandOutcome> outcome = put(over, fmt::format("{} {}", describe(over), until), now);
      if (!outcome) return outcome;
      std::string near = order.node;
      for (std::size_t i = 0; i <= order.via.size(); ++i) {
        const std::string& far = i < order.via.size() ? order.via[i] : order.target;
        const std::string trouble = fleet.trouble ? fleet.trouble(near, far) : "";
        if (!trouble.empty()) {
          outcome->done.warnings.push_back(
              fmt::format("the pin is not followed now: {}; it will be when that ends", trouble));
        }
        near = far;
      }
      return outcome;
    }
    case OrderAction::unpin:
      return end(
          [&](const Override& each) {
            return is(HandKind::pin)(each) && each.node == order.node &&
                   each.target == order.target;
          },
          order, fmt::format("{} to {} is not pinned", order.node, order.target));
    case OrderAction::rollback:
      over.kind = HandKind::rollback;
      over.version = order.version;
      return put(over,
                 fmt::format("the tables of version {}.{} are published again, and frozen {}",
                             order.version.epoch, order.version.version, until),
                 now);
    case OrderAction::enrol:
    case OrderAction::revoke:
    case OrderAction::rekey:
    case OrderAction::rekey_finish:
      break;
  }
  return fail(ErrorCode::internal, fmt::format("{} is no override", to_string(order.action)));
}

std::vector<Override> Hand::expire(UnixNanos now) {
  std::vector<Override> over;
  std::erase_if(in_force_, [&](const Override& each) {
    if (each.expires > now) return false;
    over.push_back(each);
    return true;
  });
  return over;
}

}  // namespace linkpilot::collector
