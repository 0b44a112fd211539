// The operator's hand: orders of the API carried out on the loop, told to the store, and undone
// when their time is over.
#include <fmt/format.h>

#include <algorithm>
#include <asio/post.hpp>
#include <future>
#include <memory>

#include "collector/daemon/collector.h"
#include "collector/hand/hand_effect.h"
#include "schemas/route_file_codec.h"

namespace linkpilot::collector {

namespace {

constexpr Duration kDurablePatience = std::chrono::seconds(5);
constexpr auto kOrderPatience = std::chrono::seconds(10);

// The node and everything else an order is about, in few words, for the audit log.
std::string subject_of(const Order& order) {
  switch (order.action) {
    case OrderAction::freeze:
    case OrderAction::thaw:
      return "";
    case OrderAction::auto_off:
    case OrderAction::auto_on:
      return order.region;
    case OrderAction::pin:
    case OrderAction::unpin:
      return fmt::format("{} to {}", order.node, order.target);
    case OrderAction::rollback:
      return order.version.epoch == 0
                 ? fmt::format("version {}", order.version.version)
                 : fmt::format("version {}.{}", order.version.epoch, order.version.version);
    default:
      return order.node;
  }
}

}  // namespace

Result<OrderDone> Collector::order(const Order& order) {
  const auto promise = std::make_shared<std::promise<Result<OrderDone>>>();
  std::future<Result<OrderDone>> answer = promise->get_future();
  asio::post(loop_, [this, order, promise] {
    carry_out(order, [promise](Result<OrderDone> done) { promise->set_value(std::move(done)); });
  });
  if (answer.wait_for(kOrderPatience) != std::future_status::ready) {
    return fail(ErrorCode::timeout,
                "the collector is too busy to answer; the order may still be carried out: "
                "linkpilot audit tells");
  }
  return answer.get();
}

void Collector::carry_out(const Order& order, OrderAnswer answer) {
  const Now now = clock_.now();
  Result<HandOutcome> outcome = dispatch(order, now);
  AuditEntry entry;
  entry.time = now.wall;
  entry.author = order.author;
  entry.action = to_string(order.action);
  entry.subject = subject_of(order);
  entry.reason = order.reason;
  entry.outcome = outcome ? "done" : "refused";
  entry.detail = outcome ? outcome->done.said : outcome.error().message;
  tell(EventLevel::info, outcome ? "order_done" : "order_refused", order.node,
       fmt::format("{} by {}: {}", entry.action, entry.author, entry.detail));
  HandChange change = outcome ? std::move(outcome->change) : HandChange{};
  change.audit.push_back(audit_.add(std::move(entry)));
  const std::uint64_t ticket = store_->put_hand(std::move(change));
  if (!outcome) {
    publish_view();  // the audit log shows it to whoever looks next
    answer(fail(outcome.error()));
    return;
  }
  open_orders_.push_back(
      {ticket, now.mono + kDurablePatience, std::move(outcome->done), std::move(answer)});
  publish_view();
}

// Answers what is durable now, and what has waited long enough.
void Collector::answer_durable(std::uint64_t ticket) {
  const Now now = clock_.now();
  std::vector<OpenOrder> ready;
  std::erase_if(open_orders_, [&](OpenOrder& open) {
    open.done.durable = open.ticket <= ticket;
    if (!open.done.durable && now.mono < open.deadline) return false;
    ready.push_back(std::move(open));
    return true;
  });
  for (OpenOrder& open : ready) {
    if (!open.done.durable) {
      open.done.warnings.push_back(
          fmt::format("it is in force but not on the disk yet ({}); a restart now would forget it",
                      store_->figures().reason));
    }
    open.answer(std::move(open.done));
  }
}

Result<HandOutcome> Collector::dispatch(const Order& order, Now now) {
  switch (order.action) {
    case OrderAction::enrol:
      return enrol(order);
    case OrderAction::revoke:
      return revoke(order);
    case OrderAction::rekey:
      return rekey(order);
    case OrderAction::rekey_finish:
      return finish_rekey(order);
    case OrderAction::rollback:
      return roll_back(order, now);
    default:
      return override_routes(order, now);
  }
}

HandFleet Collector::hand_fleet(Now now) const {
  HandFleet fleet;
  for (const auto& [id, agent] : agents_) {
    if (!agent.enrolled) continue;
    fleet.nodes.push_back({agent.name, agent.profile ? agent.profile->region : "",
                           agent.profile && agent.heard() && !agent.dead});
  }
  fleet.trouble = [this, now](const std::string& from, const std::string& to) {
    return pair_trouble(agents_, beliefs(now), from, to);
  };
  return fleet;
}

Result<HandOutcome> Collector::override_routes(const Order& order, Now now) {
  const bool was_frozen = hand_.frozen() != nullptr;
  Result<HandOutcome> outcome = hand_.apply(order, hand_fleet(now), now.wall);
  if (!outcome) return outcome;
  if (hand_.frozen() != nullptr) {
    // A solve under way is not published, so the solver is ahead of what nodes have.
    if (!was_frozen) tables_differ_ = true;
    if (order.action != OrderAction::freeze) {
      outcome->done.warnings.push_back(
          "routes are frozen, so nothing changes before linkpilot route thaw or the end of the "
          "freeze");
    }
    return outcome;
  }
  solve_tick();
  return outcome;
}

// Old paths that are usable today, without marks: they were computed against other tables.
std::vector<CandidatePath> Collector::usable_candidates(const RouteTable& table, const Route& route,
                                                        Now now) const {
  std::vector<CandidatePath> usable;
  for (CandidatePath path : route.candidates) {
    PortId near{table.node, {}};
    bool good = true;
    for (const Hop& hop : path.hops) {
      near.port = hop.near_port;
      const PortId far{hop.node, hop.far_port};
      const LinkId link =
          route.direction == Direction::push ? LinkId{near, far} : LinkId{far, near};
      const auto agent = agents_.find(hop.node);
      good = good && agent != agents_.end() && agent->second.enrolled && !agent->second.dead &&
             estimates_.belief(link, now.mono).usable();
      near.node = hop.node;
    }
    path.loop_free = false;
    if (good) usable.push_back(std::move(path));
  }
  return usable;
}

// `current` with the routes of `old` where those can be used.
RouteTable Collector::rolled_back(const RouteTable& current, const RouteTable& old, Now now,
                                  std::size_t& kept) const {
  RouteTable table = current;
  const auto is_named = [&](const CandidatePath& path) {
    return std::all_of(path.hops.begin(), path.hops.end(), [&](const Hop& hop) {
      return std::any_of(table.nodes.begin(), table.nodes.end(),
                         [&](const NodeName& name) { return name.id == hop.node; });
    });
  };
  for (Route& route : table.routes) {
    const auto before = std::find_if(old.routes.begin(), old.routes.end(), [&](const Route& each) {
      return each.target == route.target && each.direction == route.direction;
    });
    std::vector<CandidatePath> candidates;
    if (before != old.routes.end()) candidates = usable_candidates(old, *before, now);
    std::erase_if(candidates, [&](const CandidatePath& path) { return !is_named(path); });
    if (candidates.empty()) {
      ++kept;
      for (CandidatePath& path : route.candidates) path.loop_free = false;
    } else {
      route.candidates = std::move(candidates);
    }
  }
  return table;
}

Result<HandOutcome> Collector::roll_back(Order order, Now now) {
  if (order.version.epoch == 0) order.version.epoch = publisher_.epoch();
  Result<std::vector<SignedTable>> kept_tables = read_tables(config_.store.path, order.version);
  if (!kept_tables) return fail(kept_tables.error());
  std::vector<RouteTable> tables;
  std::size_t kept_routes = 0;
  for (const SignedTable& envelope : *kept_tables) {
    const PublishedTable* current = publisher_.current(envelope.node);
    if (current == nullptr || envelope.version.version > order.version.version) continue;
    Result<RouteTable> old = schemas::decode_route_file(envelope.body);
    if (!old) return fail(old.error());
    tables.push_back(rolled_back(*current->table, *old, now, kept_routes));
  }
  if (tables.empty()) {
    return fail(ErrorCode::not_found,
                fmt::format("no table of version {}.{} or before it is kept (each node's last 20 "
                            "are); linkpilot status names the newest version, route diff shows "
                            "what an older one was",
                            order.version.epoch, order.version.version));
  }
  Result<HandOutcome> outcome = hand_.apply(order, hand_fleet(now), now.wall);
  if (!outcome) return outcome;
  if (kept_routes > 0) {
    outcome->done.warnings.push_back(fmt::format(
        "{} routes keep their present path: the old one cannot be used now", kept_routes));
  }
  tables_differ_ = true;
  publish_tables(std::move(tables), {});
  return outcome;
}

void Collector::watch_hand(Now now) {
  const bool was_frozen = hand_.frozen() != nullptr;
  const std::vector<Override> over = hand_.expire(now.wall);
  if (over.empty()) return;
  HandChange change;
  for (const Override& each : over) {
    change.ended.push_back(each.id);
    AuditEntry entry;
    entry.time = now.wall;
    entry.author = "collector";
    entry.action = to_string(each.kind);
    entry.subject = describe(each);
    entry.outcome = "expired";
    entry.reason = each.reason;
    entry.detail = fmt::format("ordered by {} at {}", each.author, format_utc(each.created));
    tell(EventLevel::info, "override_expired", each.node,
         fmt::format("{}, {}", entry.subject, entry.detail));
    change.audit.push_back(audit_.add(std::move(entry)));
  }
  (void)store_->put_hand(std::move(change));
  if (was_frozen && hand_.frozen() != nullptr) return;
  solve_tick();
}

void Collector::add_pins(optimizer::NetworkView& view) const {
  for (const Override& over : hand_.in_force()) {
    if (over.kind != HandKind::pin) continue;
    const RegistryEntry* from = registry_.find_name(over.node);
    const RegistryEntry* to = registry_.find_name(over.target);
    optimizer::PinnedPath pin;
    bool known = from != nullptr && to != nullptr;
    for (const std::string& name : over.via) {
      const RegistryEntry* relay = registry_.find_name(name);
      known = known && relay != nullptr;
      if (known) pin.relays.push_back(relay->id);
    }
    if (!known) continue;
    pin.from = from->id;
    pin.to = to->id;
    view.pins.push_back(std::move(pin));
  }
}

// What an earlier run of the collector published is still in use, though renewed meanwhile under a
// freeze.
void Collector::add_earlier_paths(optimizer::NetworkView& view) const {
  if (decided_) return;
  for (const auto& [id, published] : publisher_.tables()) {
    for (const Route& route : published.table->routes) {
      if (route.direction != Direction::push || route.candidates.empty()) continue;
      optimizer::EarlierPath path{id, route.target, {}};
      const std::vector<Hop>& hops = route.candidates.front().hops;
      for (std::size_t i = 0; i + 1 < hops.size(); ++i) path.relays.push_back(hops[i].node);
      view.earlier.push_back(std::move(path));
    }
  }
}

}  // namespace linkpilot::collector
