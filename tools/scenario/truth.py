"""What the lab's settings say about paths: the truth that routes are judged by."""

HOP_MS = 3.0            # design section 6: per relay, unless measured
MARGIN_MS = 5.0         # collector.toml: [routing] margin_ms, margin_ratio
MARGIN_RATIO = 0.10


WILSON_UPPER_AT_ZERO = 0.009   # of no loss in the fixed effective sample of 300, one-sided 95 %
ESTIMATE_NEAR_MS = 5.0         # how near a believed link cost is to one made of the lab's settings


class LinkTruth:
    """Delays and losses of all ordered pairs at one moment, from the lab's `links` answer."""

    def __init__(self, links):
        self._links = {(link["from"], link["to"]): link for link in links}

    def delay_ms(self, a, b):
        link = self._links[(a, b)]
        return link["delay_ms"] + link["jitter_ms"] / 2

    def link_cost_ms(self, a, b):
        """Delay, the playout allowance for jitter, and what recovering lost packets takes (design 6)."""
        link, back = self._links[(a, b)], self._links[(b, a)]
        if link["dead"]:
            return float("inf")
        loss = link["loss_ratio"]
        recovery = (link["delay_ms"] + back["delay_ms"]) * loss / (1 - loss) if loss < 1 else float("inf")
        return link["delay_ms"] + link["jitter_ms"] + recovery

    def believable_cost_ms(self, a, b):
        """What a weight says of this link when everything is measured well: a loss that may hide in the
        sample's size is part of it (Wilson's upper bound)."""
        trip = self._links[(a, b)]["delay_ms"] + self._links[(b, a)]["delay_ms"]
        return self.link_cost_ms(a, b) + trip * WILSON_UPPER_AT_ZERO

    def path_delay_ms(self, path):
        return sum(self.delay_ms(a, b) for a, b in zip(path, path[1:]))

    def path_cost_ms(self, path):
        if len(path) < 2:
            return float("inf")
        return sum(self.link_cost_ms(a, b) for a, b in zip(path, path[1:])) + HOP_MS * (len(path) - 2)

    def best_cost_ms(self, nodes, source, target, without=()):
        """Of all paths with at most one relay that use none of the links in `without`."""
        ways = [(source, target)] + [(source, k, target) for k in nodes if k not in (source, target)]
        usable = [w for w in ways if not any(link in without for link in zip(w, w[1:]))]
        return min((self.path_cost_ms(w) for w in usable), default=float("inf"))


def switching_margin_ms(cost_in_use_ms):
    """A route that costs this moves only for a gain beyond it (optimizer/policy/stability.h)."""
    return max(MARGIN_MS, MARGIN_RATIO * cost_in_use_ms)


def links_of(path):
    return list(zip(path, path[1:]))


def is_home(costs, before, now):
    """Is a route the one before, or so near to it that going back is not worth a switch? `costs` has
    path_cost_ms: the lab's truth, or the collector's belief."""
    if now == before:
        return True
    cost = costs.path_cost_ms(now)
    return cost - switching_margin_ms(cost) <= costs.path_cost_ms(before)


class LinkBelief:
    """What the collector holds links to cost (its /v1/links), beside the truth."""

    def __init__(self, links, truth):
        self._costs = {(link["from"], link["to"]): link["cost_ms"] for link in links}
        self._truth = truth

    def path_cost_ms(self, path):
        costs = [self._costs.get(link) for link in links_of(path)]
        if not costs or None in costs:
            return float("inf")
        return sum(costs) + HOP_MS * (len(path) - 2)

    def is_near_truth(self, path):
        """Has the belief of every link of the path left the faults behind?"""
        return all(self._costs.get(link) is not None and
                   self._costs[link] <= self._truth.believable_cost_ms(*link) + ESTIMATE_NEAR_MS
                   for link in links_of(path))

    def is_home(self, before, now):
        """A route is judged by what was measured once that is near the truth: next to the margin, the
        settings alone would ask for moves that measured weights are right not to make."""
        return (is_home(self._truth, before, now) or
                (self.is_near_truth(before) and self.is_near_truth(now) and is_home(self, before, now)))
