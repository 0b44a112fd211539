"""What the media processes write (tools/media/media_node.h, receipt_log.h), read while they run and after.

Nodes have numbers in these files and names everywhere else; `MediaLog.names` maps one to the other."""

import bisect
import json

import numpy as np

RECEIPT = np.dtype([("received_ns", "<i8"), ("sent_ns", "<i8"), ("source", "<u2"), ("target", "<u2"),
                    ("sequence", "<u4"), ("trail_length", "u1"), ("pad", "u1", 7), ("trail", "<u2", 8)])


def read_receipts(path):
    """All whole records of one receiver, in the order of their arrival."""
    data = np.fromfile(path, dtype=np.uint8)
    whole = len(data) // RECEIPT.itemsize * RECEIPT.itemsize
    records = data[:whole].view(RECEIPT)
    return records[np.argsort(records["received_ns"], kind="stable")]


class Table:
    """One loaded table: when, which, and its push candidates {target: [path, ...]}, in node numbers."""

    def __init__(self, event):
        self.time_ns = event["t"]
        self.version = (event["epoch"], event["version"])
        self.routes = {int(to): [tuple(path) for path in paths] for to, paths in event["routes"].items()}


class MediaLog:
    """The events of one media process; `poll` takes in what was written since."""

    def __init__(self, path):
        self._path = path
        self._offset = 0
        self._rest = b""
        self.node = None   # its number, once a table said so
        self.names = {}    # number -> name, as its tables said
        self.tables = []   # of Table
        self.choices = {}  # target -> list of events, oldest first
        self.stats = []

    def poll(self):
        try:
            with open(self._path, "rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return self
        self._offset += len(data)
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            self._take(json.loads(line))
        return self

    def _take(self, event):
        if event["e"] == "table":
            self.node = event["self"]
            self.names.update({int(number): name for number, name in event["nodes"].items()})
            self.tables.append(Table(event))
        elif event["e"] == "choice":
            event["path"] = tuple(event["path"])
            self.choices.setdefault(event["to"], []).append(event)
        elif event["e"] == "stats":
            self.stats.append(event)

    def choice_at(self, target, time_ns):
        """What a look-up of `target` answered at that time: an event, or None before the first."""
        events = self.choices.get(target, [])
        index = bisect.bisect_right([e["t"] for e in events], time_ns)
        return events[index - 1] if index else None

    def chosen(self, target):
        """The path in use now, from the next hop to the target; () if there is none."""
        events = self.choices.get(target)
        return events[-1]["path"] if events else ()

    def best(self, target):
        """The best published path of the newest table; () if there is none."""
        if not self.tables:
            return ()
        candidates = self.tables[-1].routes.get(target)
        return candidates[0] if candidates else ()


class Fleet:
    """The logs of all media processes."""

    def __init__(self, folder, nodes):
        self._folder = folder
        self.logs = {}
        self.numbers = {}  # name -> number
        for node in nodes:
            self.add(node)

    def add(self, node):
        self.logs[node] = MediaLog(f"{self._folder}/{node}.events.jsonl")

    def poll(self):
        for name, log in self.logs.items():
            log.poll()
            if log.node is not None:
                self.numbers[name] = log.node
        return self

    @property
    def names(self):
        return {number: name for name, number in self.numbers.items()}

    def pairs(self):
        """(source name, target name) of all streams between nodes that have a table."""
        return [(a, b) for a in self.numbers for b in self.numbers if a != b]

    def path(self, source, target, published=False):
        """The nodes from source to target by name, both included; () without a route."""
        log = self.logs[source]
        hops = log.best(self.numbers[target]) if published else log.chosen(self.numbers[target])
        names = self.names
        return (source, *(names.get(hop, f"#{hop}") for hop in hops)) if hops else ()

    def paths(self, published=False):
        """{(source, target): path}; every value is () or a whole path."""
        return {pair: self.path(*pair, published=published) for pair in self.pairs()}
