"""Reads the lab's ledger (tools/lab/ledger.h) into numpy. For the demo and the benches.

    import ledger
    book = ledger.read("/tmp/lab.ledger")
    book.names                 # node names; an index in a record is a place in this list
    book.records               # structured array, all records in order
    packets = book.packets     # records of packets only
    sent = packets[(packets["source"] == book.index("fra")) & (packets["destination_port"] == 862)]

A file still being written may be read: a torn last record is left out.
"""
import numpy

RECORD = numpy.dtype([
    ("arrival_ns", "<i8"),
    ("delivered_ns", "<i8"),
    ("intended_ns", "<i8"),
    ("number", "<u4"),
    ("source", "<u2"),
    ("destination", "<u2"),
    ("source_port", "<u2"),
    ("destination_port", "<u2"),
    ("length", "<u2"),
    ("ip_version", "u1"),
    ("protocol", "u1"),
    ("flow", "u1"),
    ("flags", "u1"),
    ("fate", "u1"),
    ("icmp_type", "u1"),
    ("reserved", "<u4"),
    ("payload", "u1", 16),
])
HEADER = numpy.dtype([
    ("magic", "S8"), ("version", "<u4"), ("record_bytes", "<u4"), ("nodes", "<u4"),
    ("names_bytes", "<u4"), ("seed", "<u8"), ("started_ns", "<i8"), ("reserved", "u1", 24),
])
assert RECORD.itemsize == 64 and HEADER.itemsize == 64

DELIVERED, BLACKHOLE, LOSS, BURST, QUEUE, RATE, MTU, TTL = 1, 2, 3, 4, 5, 6, 7, 8
NODE_DOWN, REGION_CUT, UNROUTABLE, NOT_OURS, MALFORMED, OVERLOADED, WRITE_FAILED = range(9, 16)
DEVICE_DROPS, FAULT_SET, FAULT_HEALED, RECORDS_LOST, HEALTH = 128, 129, 130, 131, 132
FATE_NAMES = {
    1: "delivered", 2: "blackhole", 3: "loss", 4: "burst", 5: "queue", 6: "rate", 7: "mtu", 8: "ttl",
    9: "node_down", 10: "region_cut", 11: "unroutable", 12: "not_ours", 13: "malformed",
    14: "overloaded", 15: "write_failed", 128: "device_drops", 129: "fault_set",
    130: "fault_healed", 131: "records_lost", 132: "health",
}
FLAG_DUPLICATE, FLAG_REORDERED, FLAG_FROM_ROUTER = 1, 2, 4
NO_NODE = 0xffff


class Ledger:
    def __init__(self, names, seed, started_ns, records):
        self.names = names
        self.seed = seed
        self.started_ns = started_ns
        self.records = records

    @property
    def packets(self):
        """What nodes sent and what became of it; second copies of duplicated packets included."""
        return self.records[(self.records["fate"] < 128)
                            & (self.records["flags"] & FLAG_FROM_ROUTER == 0)]

    def index(self, name):
        return self.names.index(name)

    def events(self, fate):
        """(record, value 0, value 1) of the records of one special fate."""
        found = self.records[self.records["fate"] == fate]
        return [(record, *values_of(record)) for record in found]

    def exact(self):
        """Whether counts can be trusted: nothing was lost but by decision."""
        fates = self.records["fate"]
        return not numpy.isin(fates, [OVERLOADED, DEVICE_DROPS, RECORDS_LOST, WRITE_FAILED]).any()


def values_of(record):
    return tuple(int(v) for v in record["payload"].tobytes() and numpy.frombuffer(
        record["payload"].tobytes(), dtype="<u8"))


def late_ns(records):
    """Actual minus decided delay of delivered packets."""
    done = records[records["fate"] == DELIVERED]
    return done["delivered_ns"] - done["arrival_ns"] - done["intended_ns"]


def read(path):
    with open(path, "rb") as file:
        head = file.read(HEADER.itemsize)
        if len(head) < HEADER.itemsize:
            raise ValueError(f"{path}: too short for a ledger")
        header = numpy.frombuffer(head, dtype=HEADER)[0]
        if header["magic"] != b"LPLEDGR1" or header["version"] != 1 or header["record_bytes"] != 64:
            raise ValueError(f"{path}: not a ledger of version 1")
        names = file.read(int(header["names_bytes"])).split(b"\0")[:int(header["nodes"])]
        body = file.read()
    whole = len(body) // RECORD.itemsize * RECORD.itemsize
    return Ledger([name.decode() for name in names], int(header["seed"]), int(header["started_ns"]),
                  numpy.frombuffer(body[:whole], dtype=RECORD))


if __name__ == "__main__":
    import collections
    import sys

    if len(sys.argv) != 2:
        sys.exit("usage: ledger.py FILE   prints what the ledger holds")
    book = read(sys.argv[1])
    print(f"{len(book.records)} records, nodes: {', '.join(book.names)}, seed {book.seed}, "
          f"{'exact' if book.exact() else 'NOT exact: packets or records were lost unintended'}")
    for fate, count in sorted(collections.Counter(book.records["fate"].tolist()).items()):
        print(f"  {FATE_NAMES.get(fate, fate):14} {count}")
    late = late_ns(book.packets)
    if len(late):
        print("  late by, us: p50 %.1f p99 %.1f max %.1f" % tuple(
            numpy.percentile(late, [50, 99, 100]) / 1e3))
