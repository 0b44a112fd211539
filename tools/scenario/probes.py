"""The agents' link samples against the lab's ledger: the same probes, seen by both.

A probe is a UDP packet to the STAMP port, its answer one from it. The samples of a link count the link's
probes in the order in which they were sent, so the k-th sample stands for the next `sent` probes of the
ledger; times only check that this stays in step."""

from dataclasses import dataclass, field

import numpy as np

STAMP_PORT = 862
UDP = 17
STEP_NS = 1_000_000_000    # how far a sample's bounds and its probes' times may be apart: a stalled host
ANSWER_WITHIN_NS = 300_000_000  # a reflector that takes longer has not answered this probe


@dataclass
class LinkCheck:
    link: tuple
    samples: int = 0
    out_of_step: int = 0   # samples whose probes could not be found in the ledger
    sent: int = 0
    not_taken: int = 0     # delivered, and no reflector was there
    ledger: dict = field(default_factory=lambda: {"forward": 0, "backward": 0, "late": 0})
    agent: dict = field(default_factory=lambda: {"forward": 0, "backward": 0, "unplaced": 0, "late": 0})
    errors_us: list = field(default_factory=list)

    def loss_matches(self):
        """Equal per direction. What the agent calls lost without a direction (the peer never said
        whether it had arrived) must be exactly what is missing in its directions."""
        missing = [self.ledger[d] - self.agent[d] for d in ("forward", "backward")]
        return (self.out_of_step == 0 and min(missing) >= 0 and sum(missing) == self.agent["unplaced"]
                and self.ledger["late"] == self.agent["late"])


class ProbeLedger:
    """The STAMP packets of a ledger, by ordered pair of nodes."""

    def __init__(self, records, delivered_fate):
        udp = records["protocol"] == UDP
        self._delivered = delivered_fate
        probes = records[udp & (records["destination_port"] == STAMP_PORT)]
        answers = records[udp & (records["source_port"] == STAMP_PORT)]
        self._probes = self._by_pair(probes)
        self._answers = self._by_pair(answers)

    @staticmethod
    def _by_pair(records):
        records = records[np.argsort(records["arrival_ns"], kind="stable")]
        keys = records["source"].astype(np.uint32) << 16 | records["destination"]
        order = np.argsort(keys, kind="stable")
        records, keys = records[order], keys[order]
        starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]]) if len(keys) else []
        ends = np.r_[starts[1:], len(keys)] if len(keys) else []
        return {(int(records["source"][s]), int(records["destination"][s])): records[s:e]
                for s, e in zip(starts, ends)}

    def link(self, a, b):
        """Per probe from a to b, in order of sending: (time, fate, round trip in ns).
        fate: 0 answered, 1 lost forward, 2 lost backward, 3 delivered to a host whose reflector did not
        take it (it had not started yet), which for the sender is a loss on the way there."""
        probes = self._probes.get((a, b))
        if probes is None:
            return np.empty(0, np.int64), np.empty(0, np.int8), np.empty(0, np.int64)
        answers = self._answers.get((b, a))
        fate = np.where(probes["fate"] == self._delivered, 3, 1).astype(np.int8)
        trip = np.zeros(len(probes), np.int64)
        for port in np.unique(probes["source_port"]):
            mine = np.flatnonzero((probes["source_port"] == port) & (fate == 3))
            theirs = answers[answers["destination_port"] == port] if answers is not None else np.empty(0)
            mine = mine[np.argsort(probes["delivered_ns"][mine], kind="stable")]
            self._pair_up(probes, mine, theirs, fate, trip)
        return probes["arrival_ns"], fate, trip

    def _pair_up(self, probes, mine, theirs, fate, trip):
        """Reflectors answer in the order of arrival."""
        arrived, answered = probes["delivered_ns"][mine], theirs["arrival_ns"] if len(theirs) else theirs
        waits = answered - arrived if len(mine) == len(theirs) else np.array([-1])
        if len(mine) == 0 or (waits >= 0).all():
            pairs = (mine, np.arange(len(mine)))
        else:  # a probe was not answered: find which
            pairs = _match(mine, arrived, answered)
        mine, theirs = pairs[0], theirs[pairs[1]] if len(theirs) else theirs
        if len(mine) == 0:
            return
        back = theirs["fate"] == self._delivered
        fate[mine] = np.where(back, 0, 2)
        trip[mine] = np.where(back, probes["delivered_ns"][mine] - probes["arrival_ns"][mine] +
                              theirs["delivered_ns"] - theirs["arrival_ns"], 0)


def _match(mine, arrived, answered):
    """From the end: an answer belongs to the newest probe that had arrived and is not taken. So probes
    that no reflector took (it had not started yet, say) stay alone, wherever they are."""
    place, pairs = len(mine) - 1, ([], [])
    for number in range(len(answered) - 1, -1, -1):
        while place >= 0 and arrived[place] > answered[number]:
            place -= 1
        if place < 0:
            break
        if answered[number] - arrived[place] < ANSWER_WITHIN_NS:
            pairs[0].append(mine[place])
            pairs[1].append(number)
            place -= 1
    return np.array(pairs[0], np.int64), np.array(pairs[1], np.int64)


def check_link(link, samples, times, fates, trips, late_after_ns):
    """Compares the samples of one link, oldest first, with its probes."""
    check = LinkCheck(link)
    samples = sorted(samples, key=lambda s: s["start_unix_ns"])
    if not samples:
        return check
    at = int(np.searchsorted(times, samples[0]["start_unix_ns"] - 2_000_000))
    for sample in samples:
        count = sample["sent"]
        if count == 0:
            continue
        block = slice(at, at + count)
        if not _in_step(times[block], count, sample):
            at = int(np.searchsorted(times, sample["start_unix_ns"]))
            block = slice(at, at + count)
            if not _in_step(times[block], count, sample):
                check.out_of_step += 1
                continue
        at += count
        _compare(check, sample, fates[block], trips[block], late_after_ns)
    return check


def _in_step(times, count, sample):
    return (len(times) == count and times[0] >= sample["start_unix_ns"] - STEP_NS and
            times[-1] <= sample["start_unix_ns"] + sample["length_ms"] * 1e6 + STEP_NS)


def _compare(check, sample, fates, trips, late_after_ns):
    check.samples += 1
    check.sent += sample["sent"]
    late = (fates == 0) & (trips > late_after_ns)
    check.ledger["forward"] += int(np.count_nonzero((fates == 1) | (fates == 3)))
    check.not_taken += int(np.count_nonzero(fates == 3))
    check.ledger["backward"] += int(np.count_nonzero(fates == 2))
    check.ledger["late"] += int(np.count_nonzero(late))
    for ours, theirs in (("forward", "lost_forward"), ("backward", "lost_backward"),
                         ("unplaced", "lost_unplaced"), ("late", "late")):
        check.agent[ours] += sample[theirs]
    answered = trips[(fates == 0) & ~late]
    if len(answered) and sample["answered"] == len(answered):
        check.errors_us.append(abs(sample["rtt_ms_min"] * 1e3 - answered.min() / 1e3))
        check.errors_us.append(abs(sample["rtt_ms_p50"] * 1e3 - float(np.median(answered)) / 1e3))
