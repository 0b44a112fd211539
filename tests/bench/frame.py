"""What every bench shares: the options, the frame of the JSON object, and the load that was not ours.

    frame = Frame("probe", arguments)
    with frame.measured():          # once, around all runs; child processes end inside
        ...
    frame.add("rtt_error_us_idle_p50", values_of_the_runs)   # median, and its spread as ..._mad
    frame.put("false_loss", 0)                                # a plain figure
    frame.finish()                  # readable table on stderr, with --json one object on stdout

A bench measures, it does not judge: bounds stand in the issues. Times are seconds unless named.
"""

import argparse
import contextlib
import json
import os
import pathlib
import platform
import resource
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
NOISY_PERCENT = 10.0  # of one core: above it figures of microseconds are doubtful
STOLEN_PERCENT = 1.0  # of one core that the hypervisor gave to others, in pieces of up to milliseconds


def add_options(parser: argparse.ArgumentParser, runs: int) -> None:
    parser.add_argument("--build-dir", type=pathlib.Path, default=ROOT / "build/release",
                        help="where the release build is (default: build/release)")
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    parser.add_argument("--dump", type=pathlib.Path, metavar="DIR",
                        help="also write what was measured, as CSV or pcap")
    parser.add_argument("--runs", type=int, default=runs, help="how often (default: %(default)s)")
    parser.add_argument("--no-peers", action="store_true",
                        help="leave out other people's programs instead of failing without them")


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def median_and_mad(values) -> tuple[float, float]:
    middle = statistics.median(values)
    return middle, statistics.median(abs(value - middle) for value in values)


def commit() -> str:
    """Of the tree the bench runs from; empty outside git. `+` where the tree differs from it."""
    git = ["git", "-C", str(ROOT)]
    head = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True,
                          check=False)
    if head.returncode != 0:
        return ""
    changed = subprocess.run([*git, "status", "--porcelain", "--untracked-files=no"],
                             capture_output=True, text=True, check=False)
    return head.stdout.strip() + ("+" if changed.stdout.strip() else "")


def machine() -> str:
    model = "unknown CPU"
    for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return f"{model}, {os.cpu_count()} cores, Linux {platform.release()}"


def busy_seconds() -> float:
    """User and system time of all processes of the machine; interrupts belong to nobody."""
    fields = pathlib.Path("/proc/stat").read_text(encoding="utf-8").split("\n", 1)[0].split()
    user, nice, system = (int(field) for field in fields[1:4])
    return (user + nice + system) / os.sysconf("SC_CLK_TCK")


def stolen_seconds() -> float:
    """Time in which this virtual machine wanted to run and its host ran somebody else."""
    fields = pathlib.Path("/proc/stat").read_text(encoding="utf-8").split("\n", 1)[0].split()
    return int(fields[8]) / os.sysconf("SC_CLK_TCK")


def own_seconds() -> float:
    """Of this process and of all its children that have ended."""
    own = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in own)


class Frame:
    def __init__(self, bench: str, arguments: argparse.Namespace):
        self.arguments = arguments
        self.figures: dict = {}
        self.head = {"bench": bench, "commit": commit(), "machine": machine(),
                     "runs": arguments.runs, "foreign_cpu_percent": None,
                     "stolen_cpu_percent": None, "noisy": None}

    @contextlib.contextmanager
    def measured(self):
        """Measures foreign load around the runs. Children that outlive it count as foreign."""
        started, busy, own = time.monotonic(), busy_seconds(), own_seconds()
        stolen = stolen_seconds()
        yield
        elapsed = max(time.monotonic() - started, 1e-3)
        foreign = (busy_seconds() - busy) - (own_seconds() - own)
        percent = max(0.0, 100.0 * foreign / elapsed)
        self.head["foreign_cpu_percent"] = round(percent, 1)
        stolen_percent = 100.0 * (stolen_seconds() - stolen) / elapsed
        self.head["stolen_cpu_percent"] = round(stolen_percent, 2)
        self.head["noisy"] = percent > NOISY_PERCENT or stolen_percent > STOLEN_PERCENT

    def put(self, key: str, value) -> None:
        """A dot in the key means a nested object."""
        *path, name = key.split(".")
        place = self.figures
        for part in path:
            place = place.setdefault(part, {})
        place[name] = round(value, 4) if isinstance(value, float) else value

    def add(self, key: str, values) -> None:
        """Median over the runs, and its spread beside it."""
        middle, mad = median_and_mad(list(values))
        self.put(key, float(middle))
        self.put(key + "_mad", float(mad))

    def finish(self) -> None:
        result = {**self.head, **self.figures}
        width = max(len(key) for key in result)
        for key, value in result.items():
            progress(f"{key:{width}}  {value}")
        if self.arguments.json:
            print(json.dumps(result), flush=True)
