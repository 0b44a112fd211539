#!/usr/bin/python3
"""How long a stream stands still when the direct link of a triangle is cut: ours beside BIRD and babeld.

Each contender runs in a triangle of its own, all at the same time; each cut comes at a random phase, and
a contender is healed and settled before its next one. Links have no delay, so the gap is detection and
reaction alone. The gap is the longest interval between two arrivals at b around the cut.
"""

import argparse
import contextlib
import json
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import contenders  # noqa: E402
import frame  # noqa: E402
from triangle import Triangle  # noqa: E402

STREAM = [sys.executable, str(HERE / "paced_stream.py")]


def longest_gap_ms(arrivals_ns, begin_ns, end_ns):
    window = [t for t in arrivals_ns if begin_ns <= t <= end_ns]
    if len(window) < 2:
        raise RuntimeError("the stream did not come back after the cut")
    return max(b - a for a, b in zip(window, window[1:])) / 1e6


class Run(threading.Thread):
    """One contender: start, settle, then cut and heal `cuts` times."""

    def __init__(self, contender, triangle, folder, options):
        super().__init__(name=contender.name)
        self.contender, self.triangle, self.folder = contender, triangle, pathlib.Path(folder)
        self.options, self.windows, self.error = options, [], None
        self.random = random.Random(f"{options.seed} {contender.name}")

    def run(self):
        try:
            self.cut_repeatedly()
        except Exception as error:  # shown by main, which fails the bench
            self.error = error

    def cut_repeatedly(self):
        triangle, contender = self.triangle, self.contender
        contender.start(triangle, str(self.folder))
        if hasattr(contender, "arrivals_file"):
            self.arrivals_file = pathlib.Path(contender.arrivals_file)
        else:
            self.arrivals_file = self.folder / "arrivals"
            triangle.spawn("b", *STREAM, "receive", triangle.loopback("b"), str(self.arrivals_file))
            triangle.spawn("a", *STREAM, "send", triangle.loopback("a"), triangle.loopback("b"))
        time.sleep(contender.settle_s)
        for number in range(self.options.cuts):
            contender.wait_until_direct(triangle)
            time.sleep(self.random.random())
            begin = time.time_ns()
            triangle.cut()
            time.sleep(contender.out_s)
            end = time.time_ns()
            triangle.heal()
            self.windows.append((begin - 200_000_000, end))
            print(f"{contender.name}: cut {number + 1} of {self.options.cuts}", file=sys.stderr)
            time.sleep(contender.heal_s)
        time.sleep(2)

    def gaps_ms(self):
        arrivals = []
        for line in self.arrivals_file.read_text(encoding="utf-8").splitlines():
            words = line.split()
            if len(words) == 2:
                arrivals.append(int(words[1]))
        return [longest_gap_ms(arrivals, *window) for window in self.windows]


def ratio_interval(theirs, ours, seed, draws=4000):
    """95 % bootstrap interval of median(theirs) / median(ours)."""
    rng = random.Random(seed)
    ratios = sorted(
        statistics.median(rng.choices(theirs, k=len(theirs))) /
        statistics.median(rng.choices(ours, k=len(ours))) for _ in range(draws))
    return [ratios[int(draws * 0.025)], ratios[int(draws * 0.975)]]


def measure(options):
    names = [contenders.LinkPilot]
    if not options.no_peers:
        names += [contenders.BirdOspf, contenders.BirdStatic, contenders.Babeld]
    with contextlib.ExitStack() as stack:
        runs = []
        for number, kind in enumerate(names):
            triangle = stack.enter_context(Triangle(number))
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="linkpilot-react-"))
            runs.append(Run(kind(options.build_dir), triangle, folder, options))
        for run in runs:
            run.start()
        for run in runs:
            run.join()
        for run in runs:
            if run.error:
                raise RuntimeError(f"{run.name}: {run.error}")
        return {run.name: run.gaps_ms() for run in runs}


def summarise(gaps, options):
    ours = gaps["linkpilot"]
    result = {"ours_gap_ms_p50": statistics.median(ours), "ours_gap_ms_max": max(ours),
              "cuts": options.cuts}
    for name, values in gaps.items():
        if name != "linkpilot":
            result[f"{name}_gap_ms_p50"] = statistics.median(values)
            result[f"{name}_gap_ms_max"] = max(values)
    routing = [name for name in ("bird_ospf_bfd", "babeld") if name in gaps]
    if routing:
        best = min(routing, key=lambda name: statistics.median(gaps[name]))
        result["best_routing"] = best
        result["ratio_best_routing"] = statistics.median(gaps[best]) / statistics.median(ours)
        result["ratio_ci95"] = ratio_interval(gaps[best], ours, options.seed)
        result["babeld_hello_s"] = contenders.Babeld.hello_s
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cuts", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--json", action="store_true", help="accepted for uniformity; always printed")
    parser.add_argument("--dump", metavar="DIR", help="write every gap as CSV")
    parser.add_argument("--build-dir", default=str(HERE.parents[2] / "build" / "release"))
    options = parser.parse_args()
    frame.require({} if options.no_peers else
                  {"bird": "bird2", "babeld": "babeld"}, {"nft": "nftables", "ip": "iproute2"})
    with frame.Frame("react", runs=options.cuts) as bench:
        gaps = measure(options)
        bench.result.update(summarise(gaps, options))
    if options.dump:
        folder = pathlib.Path(options.dump)
        folder.mkdir(parents=True, exist_ok=True)
        lines = ["contender,cut,gap_ms"]
        lines += [f"{name},{i},{gap:.3f}" for name, all_ in gaps.items() for i, gap in enumerate(all_)]
        (folder / "react.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for name, values in sorted(gaps.items(), key=lambda item: statistics.median(item[1])):
        print(f"{name:16} p50 {statistics.median(values):7.0f} ms   max {max(values):7.0f} ms",
              file=sys.stderr)
    print(json.dumps(bench.result))


if __name__ == "__main__":
    main()
