// Small networks for the optimizer's tests: nodes with one port each unless more are asked for,
// beliefs with a given round trip and loss.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "base/rng.h"
#include "optimizer/planner.h"

namespace linkpilot::optimizer {

inline NodeId node_id(std::size_t index) { return NodeId(static_cast<std::uint16_t>(index + 1)); }

inline NodeView make_node(std::size_t index, std::size_t ports = 1) {
  NodeView view;
  view.node.id = node_id(index);
  view.node.name = "node-" + std::to_string(index);
  for (std::size_t p = 0; p < ports; ++p) {
    Port port;
    port.index = PortIndex(static_cast<std::uint8_t>(p));
    port.advertised =
        IpAddress::v4(10, static_cast<std::uint8_t>(p), static_cast<std::uint8_t>(index >> 8),
                      static_cast<std::uint8_t>(index & 0xff));
    view.node.ports.push_back(port);
  }
  return view;
}

inline LinkId make_link(std::size_t from, std::size_t to, std::size_t near = 0,
                        std::size_t far = 0) {
  return {{node_id(from), PortIndex(static_cast<std::uint8_t>(near))},
          {node_id(to), PortIndex(static_cast<std::uint8_t>(far))}};
}

inline LinkBelief make_belief(LinkId link, double delay_ms) {
  const auto rtt = Duration(static_cast<std::int64_t>(delay_ms * 2e6));
  LinkBelief belief;
  belief.link = link;
  belief.measured = true;
  belief.rtt_min = belief.rtt_p50 = belief.rtt_p90 = belief.rtt_p95 = rtt;
  belief.delay = rtt / 2;
  belief.sent_effective = belief.sent_measured = 300.0;
  return belief;
}

// All ordered pairs; delay_ms[from][to], not positive: no link.
inline NetworkView make_network(const std::vector<std::vector<double>>& delay_ms) {
  NetworkView view;
  for (std::size_t i = 0; i < delay_ms.size(); ++i) view.nodes.push_back(make_node(i));
  for (std::size_t i = 0; i < delay_ms.size(); ++i) {
    for (std::size_t j = 0; j < delay_ms.size(); ++j) {
      if (i != j && delay_ms[i][j] > 0.0) {
        view.links.push_back(make_belief(make_link(i, j), delay_ms[i][j]));
      }
    }
  }
  return view;
}

// Points in a plane, distances in ms with detours: every third link is up to three times longer, so
// relays pay.
inline std::vector<std::vector<double>> random_delays(std::size_t nodes, Rng& rng) {
  std::vector<double> x(nodes);
  std::vector<double> y(nodes);
  for (std::size_t i = 0; i < nodes; ++i) {
    x[i] = rng.uniform() * 150.0;
    y[i] = rng.uniform() * 80.0;
  }
  std::vector<std::vector<double>> delay(nodes, std::vector<double>(nodes, 0.0));
  for (std::size_t i = 0; i < nodes; ++i) {
    for (std::size_t j = 0; j < nodes; ++j) {
      if (i == j) continue;
      double d = 1.0 + std::hypot(x[i] - x[j], y[i] - y[j]);
      if (rng.below(3) == 0) d *= 1.0 + 2.0 * rng.uniform();
      delay[i][j] = d;
    }
  }
  return delay;
}

inline LinkBelief& find_belief(NetworkView& view, LinkId link) {
  for (LinkBelief& belief : view.links) {
    if (belief.link == link) return belief;
  }
  std::abort();
}

inline Now at_second(double seconds) {
  const auto ns = static_cast<std::int64_t>(seconds * 1e9);
  return {MonoTime{ns + 1'000'000'000}, UnixNanos{1'800'000'000'000'000'000 + ns}};
}

inline const Route* find_route(const std::vector<RouteTable>& tables, NodeId node, NodeId target,
                               Direction direction) {
  for (const RouteTable& table : tables) {
    if (table.node != node) continue;
    for (const Route& route : table.routes) {
      if (route.target == target && route.direction == direction) return &route;
    }
  }
  return nullptr;
}

}  // namespace linkpilot::optimizer
