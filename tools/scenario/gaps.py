"""What a cut did to the streams that crossed it: pure arithmetic on arrivals.

A stream's gap is the largest pause between neighbouring arrivals that begins before the cut can be over
at the receiver. Its *excess* is what is left when physics is taken off: one one-way delay of the link
for a two-way cut (the sender cannot notice earlier), two for a one-way cut (the receiver notices, and its
word travels back), what the new path is longer than the old one, and, where the collector had to act for
a relay, the delay from the source to that relay (what had left the source by then is lost)."""

from dataclasses import dataclass

import numpy as np

SLACK_NS = 60_000_000  # an arrival may be this much later than the path's usual delay says
USUAL = 10             # arrivals that a usual delay is the median of


@dataclass
class StreamGap:
    source: str
    target: str
    place: int            # of the cut link on the path: 0 = first hop
    gap_ms: float
    longer_ms: float      # new path minus old path, not below 0
    physics_ms: float     # one-way delays taken off
    lead_ms: float        # delay from source to relay, if the collector had to act
    by: str               # "source", "relay" or "collector"
    old_path: tuple = ()
    new_path: tuple = ()

    @property
    def excess_ms(self):
        return self.gap_ms - self.longer_ms - self.physics_ms - self.lead_ms


def path_of(record):
    """The nodes a datagram really passed, by number."""
    trail = record["trail"][:record["trail_length"]]
    return (int(record["source"]), *(int(node) for node in trail), int(record["target"]))


def find_gap(received_ns, delay_ns, cut_ns, until_ns):
    """Index i so that the stream's pause lies between arrivals i and i + 1; None if there is none.

    `delay_ns` is the usual delay of the old path: what was on its way at the cut still arrives."""
    low = np.searchsorted(received_ns, cut_ns - SLACK_NS) - 1
    high = np.searchsorted(received_ns, min(cut_ns + delay_ns + SLACK_NS, until_ns))
    low, high = max(low, 0), min(high, len(received_ns) - 1)
    if high <= low:
        return None
    pauses = np.diff(received_ns[low:high + 1])
    return low + int(np.argmax(pauses))


def stream_gap(receipts, cut_ns, until_ns, dead_links):
    """(gap in ns, place of the dead link, old path, new path, longer in ns, sent time of the first datagram
    after the pause) of one stream's receipts around a cut, or None if it did not cross a dead link.
    `dead_links` is a set of (from, to) numbers."""
    received = receipts["received_ns"]
    at_cut = int(np.searchsorted(received, cut_ns)) - 1
    if at_cut < 0:
        return None
    old_path = path_of(receipts[at_cut])
    places = [i for i, link in enumerate(zip(old_path, old_path[1:])) if link in dead_links]
    if not places:
        return None
    delays = received - receipts["sent_ns"]
    first = max(0, at_cut - USUAL + 1)
    old_delay = int(np.median(delays[first:at_cut + 1]))
    index = find_gap(received, old_delay, cut_ns, until_ns)
    if index is None:
        return None
    after = receipts[index + 1]
    new_path = path_of(after)
    new_delay = int(np.median(delays[index + 1:index + 1 + USUAL // 2]))
    return (int(received[index + 1] - received[index]), places[0], old_path, new_path,
            max(0, new_delay - old_delay), int(after["sent_ns"]))
