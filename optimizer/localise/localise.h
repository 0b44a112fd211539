// localise: from recorded evidence to the fewest causes that account for it. A pure function, so
// any diagnosis can be replayed and explained.
//
// In order, because each step makes the next one smaller:
// 1. Most agents silent at once: it is the collector's own network, and nothing else is said.
// 2. Which agents are believed (credibility.h); the others are causes of kind `agent`.
// 3. Links, one channel after the other: dead, loss, delay. Groups first (nodes, pairs of regions
//    and of ISPs, cut regions, shared hops), by explain.h; what remains are single links. What a
//    dead cause covers is neither for nor against other causes.
// 4. Dials that the network does not account for: streams, relay pushes, edge services, vendors.
//
// A single link needs more evidence than a group, and is left a doubt, with a question to the
// agents, where its two ends contradict each other.
#pragma once

#include "optimizer/localise/cause.h"
#include "optimizer/localise/credibility.h"
#include "optimizer/localise/evidence.h"

namespace linkpilot::optimizer {

struct LocaliseOptions {
  CredibilityOptions credibility{};
  double silent_share = 0.6;  // of the agents: it is the collector's own network ...
  std::uint32_t silent_min = 3;
  double share_min = 0.75;  // see explain.h
  // Below these nothing is told of groups; and of single links.
  double group_loss = 0.01;
  double group_delay_ms = 7.0;
  double link_loss = 0.014;
  double link_delay_ms = 15.0;
  double item_nats = 5.0;   // of loss, both ends' together, that make a link abnormal
  double link_nats = 20.0;  // and that make it a cause by itself
  // Prices in nats: the rarer, the dearer; they decide between what explains equally much.
  double price_link = 8.0;
  double price_node = 10.0;
  double price_port = 10.5;
  double price_region_pair = 11.0;
  double price_isp_pair = 12.0;
  double price_region_cut = 11.0;
  double price_hop = 11.5;
  double price_one_way = 2.0;  // more, for one direction of a group
  double price_service = 6.0;
  double dial_share = 0.5;  // of attempts that fail: an abnormal dial
};

[[nodiscard]] Diagnosis localise(const Evidence& evidence, const LocaliseOptions& options);

}  // namespace linkpilot::optimizer
