#!/usr/bin/python3
"""storm: agents reconnect all at once after a collector restart, with full spools.

Real: the collector, killed with SIGKILL and started anew on its store; each agent's CURVE key,
connection, uplink and spool cores with their delays, windows and pace (linkpilot-fleet storm).
Played: measuring, the agents' disks, and that all of them are one process on the collector's own
machine. A spool holds --backlog reports, made again when they are read.

`all_in_ms`: from the start of the collector's new process until the last agent is welcome;
`all_acked_ms`: until the last has had a report acknowledged; `drain_ms`: until every report is.
`alarm_delay_ms_*`: from an agent raising an alarm to the collector's event, during reconnect and
drain; `alarm_delay_calm_ms_max`: the same before the outage. `lost`: reports acknowledged that the
store does not hold, or never taken; `alarms_lost`: alarms without an event.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import threading
import time
from datetime import datetime, timezone

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from collector_process import Collector, add_fleet_options, fleet_command, run_folder  # noqa: E402
from frame import Frame, add_options, progress  # noqa: E402


class EventReader(threading.Thread):
    """Every suspicion the collector tells: (agent, unix ns). The log in memory is bounded, so it is
    read while it grows."""

    def __init__(self, collector):
        super().__init__(daemon=True)
        self.collector, self.after, self.seen, self.over = collector, 0, [], threading.Event()

    def run(self):
        while not self.over.wait(0.25):
            self.read()

    def read(self):
        page = None
        while page is None or len(page["events"]) == 1000:
            page = self.collector.events(self.after)
            for event in page["events"]:
                self.after = max(self.after, event["id"])
                if event["name"] == "link_suspect":
                    self.seen.append((event["node"], unix_ns(event["time_at"])))

    def stop(self):
        self.over.set()
        self.join()
        self.read()
        return self.seen


def unix_ns(text):
    whole, _, fraction = text.rstrip("Z").partition(".")
    moment = datetime.fromisoformat(whole).replace(tzinfo=timezone.utc)
    return int(moment.timestamp()) * 10**9 + int((fraction + "0" * 9)[:9])


def delays_ms(raised, seen):
    """Of each alarm: to the first event of its agent before that agent's next alarm."""
    times = {}
    for agent, at in seen:
        times.setdefault(agent, []).append(at)
    following = {}
    delays, lost = [], 0
    for agent, at in reversed(raised):
        until = following.get(agent, float("inf"))
        following[agent] = at
        found = [t for t in times.get(agent, []) if at - 2_000_000 <= t < until]
        if found:
            delays.append(max(0.0, (min(found) - at) / 1e6))
        else:
            lost += 1
    return delays, lost


def run_once(arguments):
    with run_folder("storm", arguments) as folder:
        collector = Collector(arguments.build_dir, folder, agents=arguments.agents,
                              store='retention = "1h"\nsize_max = "8GiB"')
        with collector:
            reader = EventReader(collector)
            reader.start()
            fleet = subprocess.Popen(fleet_command(arguments.build_dir, [
                "storm", *collector.fleet_options(arguments), "--history", str(arguments.history),
                "--backlog", str(arguments.backlog), "--alarms", str(arguments.alarms)]),
                stdout=subprocess.PIPE, text=True)
            try:
                if not fleet.stdout.readline():
                    raise SystemExit("linkpilot-fleet storm failed")
                calm_seen = reader.stop()
                collector.kill()
                time.sleep(arguments.away)
                started = time.time_ns()
                collector.start()
                ready = time.time_ns()
                reader = EventReader(collector)
                reader.start()
                last = fleet.stdout.readline()
                if fleet.wait() != 0 or not last:
                    raise SystemExit("linkpilot-fleet storm failed")
            finally:
                fleet.kill()
            result = json.loads(last)
            seen = reader.stop()
        calm, calm_lost = delays_ms(result["alarms_calm"], calm_seen)
        drain, drain_lost = delays_ms(result["alarms_drain"], seen)
        result.update({
            "start_ms": (ready - started) / 1e6,
            "all_in_ms": (result["last_online_unix_ns"] - started) / 1e6,
            "all_acked_ms": (result["last_first_ack_unix_ns"] - started) / 1e6,
            "drain_ms": (result["drained_unix_ns"] - started) / 1e6,
            "alarm_delay_calm_ms_max": max(calm, default=0.0),
            "alarm_delay_ms_max": max(drain, default=0.0),
            "alarm_delay_ms_p50": statistics.median(drain) if drain else 0.0,
            "alarms": len(drain), "alarms_lost": calm_lost + drain_lost,
            "lost": result["store"]["missing"] + result["reports_unacked"],
            "duplicated": result["store"]["twice"]})
        return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, runs=3)
    add_fleet_options(parser, agents=500, links=100)
    parser.add_argument("--history", type=int, default=16,
                        help="reports of each agent before the outage (default: %(default)s)")
    parser.add_argument("--backlog", type=int, default=200,
                        help="reports in each spool (default: %(default)s)")
    parser.add_argument("--alarms", type=float, default=20,
                        help="a second, of all agents (default: %(default)s)")
    parser.add_argument("--away", type=float, default=5, help="seconds without a collector")
    arguments = parser.parse_args()
    frame = Frame("storm", arguments)
    results = []
    with frame.measured():
        for number in range(arguments.runs):
            result = run_once(arguments)
            results.append(result)
            progress(f"run {number + 1}: " + ", ".join(
                f"{key} {value}" for key, value in result.items() if not isinstance(value, list)))
    frame.put("agents", results[0]["agents"])
    frame.put("played", "measuring and the agents' disks; all agents are one process on this machine")
    frame.put("links_per_report", results[0]["links_per_report"])
    frame.put("spool_reports", arguments.backlog)
    frame.put("spool_octets", arguments.backlog * results[0]["report_octets"])
    for key in ("all_in_ms", "all_acked_ms", "drain_ms", "start_ms", "alarm_delay_ms_p50"):
        frame.add(key, [result[key] for result in results])
    for key in ("alarm_delay_ms_max", "alarm_delay_calm_ms_max"):
        frame.put(key, max(result[key] for result in results))
    for key in ("alarms", "alarms_lost", "lost", "duplicated"):
        frame.put(key, sum(result[key] for result in results))
    frame.put("reread_equal", all(result["store"]["reread_equal"] for result in results))
    frame.finish()
    return 0


if __name__ == "__main__":
    sys.exit(main())
