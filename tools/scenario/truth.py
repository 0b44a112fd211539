"""What the lab's settings say about paths: the truth that routes are judged by."""

HOP_MS = 3.0            # design section 6: per relay, unless measured
MARGIN_MS = 5.0         # collector.toml: [routing] margin_ms, margin_ratio
MARGIN_RATIO = 0.10


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


def is_home(truth, before, now):
    """Is a route the one before, or so near to it that going back is not worth a switch?"""
    if now == before:
        return True
    cost = truth.path_cost_ms(now)
    return cost - switching_margin_ms(cost) <= truth.path_cost_ms(before)
