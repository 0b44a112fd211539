"""Which reports reached the collector's store, against what the agents wrote into their spools before they
sent anything (agent/spool/spool_format.h): arithmetic on two accounts that do not know of each other."""

import os
import struct

_HEADER = struct.Struct("<8sQQII")  # magic, number, zero, zero, checksum
_HEAD = struct.Struct("<IB3xQQII")  # length, kind, epoch, sequence, segment, checksum
_REPORT, _MARK = 1, 2
UNDER_WAY = 5  # a report a second, an acknowledgement within one: more than this did not get through


class Spool:
    """What one agent wrote, and what it was told has arrived."""

    def __init__(self):
        self.written = set()  # (epoch, sequence)
        self.acknowledged = {}  # epoch -> sequence
        self.dropped = 0

    def add_segment(self, octets):
        """Everything up to the first record that is not whole: the agent may be writing it just now."""
        if len(octets) < _HEADER.size or octets[:8] != b"LPSPOOL1":
            return
        number, at = _HEADER.unpack_from(octets)[1], _HEADER.size
        while at + _HEAD.size <= len(octets):
            length, kind, epoch, sequence, segment, _ = _HEAD.unpack_from(octets, at)
            end = at + _HEAD.size + (length + 7) // 8 * 8
            if end > len(octets) or kind not in (_REPORT, _MARK) or segment != number & 0xFFFFFFFF:
                return
            if kind == _REPORT:
                self.written.add((epoch, sequence))
            else:  # the last one holds
                self.acknowledged[epoch] = sequence
                self.dropped = max(self.dropped, struct.unpack_from("<Q", octets, at + _HEAD.size)[0])
            at = end


def read_spool(folder):
    """Acknowledged reports stay for ten minutes: a shorter run finds all it wrote."""
    spool = Spool()
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        if name.endswith(".segment"):
            with open(os.path.join(folder, name), "rb") as file:
                spool.add_segment(file.read())
    return spool


def count_lost(spool, stored):
    """Acknowledged, yet not in the store; dropped; or still not through."""
    lost = spool.dropped
    for epoch in {epoch for epoch, _ in spool.written}:
        have = {s for e, s in stored if e == epoch}
        acknowledged = spool.acknowledged.get(epoch, 0)
        wanted = {s for e, s in spool.written if e == epoch}
        lost += len({s for s in wanted if s <= acknowledged} - have)
        lost += max(0, len({s for s in wanted if s > acknowledged} - have) - UNDER_WAY)
    return lost


def count_duplicated(reports, samples):
    """Reports that are in the store under more than one number, and link samples that say the same second
    of the same link again."""
    rows, seen, again = {}, set(), 0
    for report in reports:
        rows.setdefault((report["reporter"], report["epoch"], report["sequence"]), set()).add(report["report_id"])
    for sample in samples:
        second = (sample["reporter"], sample["link"], sample["start_unix_ns"])
        again += second in seen
        seen.add(second)
    return sum(len(numbers) - 1 for numbers in rows.values()) + again


def count_reports(spools, reports, samples):
    """spools: {agent: Spool}; reports, samples: all of /v1/samples, fetched after the spools were read."""
    stored = {}
    for report in reports:
        stored.setdefault(report["reporter"], set()).add((int(report["epoch"]), report["sequence"]))
    return {"reports": sum(len(spool.written) for spool in spools.values()),
            "reports_stored": sum(len(have) for have in stored.values()),
            "reports_lost": sum(count_lost(spool, stored.get(name, set())) for name, spool in spools.items()),
            "reports_duplicated": count_duplicated(reports, samples)}
