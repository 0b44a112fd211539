"""Which reports reached the collector's store, against what the agents numbered and kept: arithmetic on two
sets of files of a run."""

import os
import sqlite3


def stored_reports(path):
    """{(node number, epoch): [sequence, ...]} of every report in the store, as often as it is there."""
    found = {}
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        for node, epoch, sequence in database.execute("SELECT node, epoch, sequence FROM reports"):
            found.setdefault((node, epoch), []).append(sequence)
    return found


def missing_between(sequences):
    """How many of 1..max are not there: agents number reports from 1 without gaps."""
    seen = set(sequences)
    return max(seen, default=0) - len(seen)


def repeated_samples(samples):
    """Link samples of one agent that say the same second of the same link again, under whatever number."""
    seen, again = set(), 0
    for sample in samples:
        key = (sample["reporter"], sample["link"], sample["start_unix_ns"])
        again += key in seen
        seen.add(key)
    return again


def count_reports(store_path, agents, samples):
    stored = stored_reports(store_path)
    return {"reports": sum(len(set(s)) for s in stored.values()),
            "reports_lost": sum(missing_between(s) for s in stored.values()),
            "reports_duplicated": sum(len(s) - len(set(s)) for s in stored.values()) + repeated_samples(samples),
            "agents": len(agents)}
