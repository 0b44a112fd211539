#!/usr/bin/python3
"""How long a stream stands still when the direct link of a triangle is cut: ours beside BIRD and babeld.

Each contender runs in triangles of its own, all at the same time; each cut hits the link that the stream
leaves a by, at a random phase, and a contender is healed and settled before its next one. Links have no
delay, so the gap is detection and reaction alone: the longest interval between two arrivals at b around the cut.

With --noise nothing is cut: see noise.py.
"""

import argparse
import contextlib
import pathlib
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import contenders  # noqa: E402
import frame  # noqa: E402
import noise  # noqa: E402
from linkpilot_contender import LinkPilot  # noqa: E402
from triangle import Triangle  # noqa: E402


def longest_gap_ms(arrivals_ns, begin_ns, end_ns):
    window = [t for t in arrivals_ns if begin_ns <= t <= end_ns]
    if len(window) < 2:
        raise RuntimeError("the stream did not come back after the cut")
    return max(b - a for a, b in zip(window, window[1:])) / 1e6


class Run(threading.Thread):
    """One contender in one triangle: start, settle, then cut and heal `cuts` times."""

    def __init__(self, contender, triangle, folder, cuts, seed):
        super().__init__(name=contender.name)
        self.contender, self.triangle, self.folder = contender, triangle, pathlib.Path(folder)
        self.cuts, self.windows, self.error = cuts, [], None
        self.random = random.Random(f"{seed} {contender.name} {triangle.number}")

    def run(self):
        try:
            self.cut_repeatedly()
        except Exception as error:  # shown by main, which fails the bench
            self.error = error

    def cut_repeatedly(self):
        triangle, contender = self.triangle, self.contender
        contender.start(triangle, str(self.folder))
        time.sleep(contender.settle_s)
        for number in range(self.cuts):
            link = contender.wait_for_link(triangle)
            time.sleep(self.random.random())
            begin = time.time_ns()
            triangle.cut(*link)
            time.sleep(contender.out_s)
            end = time.time_ns()
            triangle.heal(*link)
            self.windows.append((begin - 200_000_000, end))
            print(f"{contender.name}: cut {number + 1} of {self.cuts} in triangle {triangle.number}", file=sys.stderr)
            time.sleep(contender.heal_s)
        time.sleep(2)

    def gaps_ms(self):
        arrivals = self.contender.arrivals_ns()
        return [longest_gap_ms(arrivals, *window) for window in self.windows]


def ratio_interval(theirs, ours, seed, draws=4000):
    """95 % bootstrap interval of median(theirs) / median(ours)."""
    rng = random.Random(seed)
    ratios = sorted(
        statistics.median(rng.choices(theirs, k=len(theirs))) /
        statistics.median(rng.choices(ours, k=len(ours))) for _ in range(draws))
    return [ratios[int(draws * 0.025)], ratios[int(draws * 0.975)]]


def measure(options):
    """{contender: [gap of each cut in ms]}"""
    kinds = [LinkPilot]
    if not options.no_peers:
        kinds += [contenders.BirdOspf, contenders.BirdStatic, contenders.Babeld]
    with contextlib.ExitStack() as stack:
        runs = []
        for kind in kinds:
            for share in range(kind.triangles):
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="linkpilot-react-"))
                triangle = stack.enter_context(Triangle(len(runs)))
                cuts = (options.runs + share) // kind.triangles
                runs.append(Run(kind(options.build_dir), triangle, folder, cuts, options.seed))
        for run in runs:
            run.start()
        for run in runs:
            run.join()
        gaps = {kind.name: [] for kind in kinds}
        for run in runs:
            if run.error:
                raise RuntimeError(f"{run.name}: {run.error}")
            gaps[run.name] += run.gaps_ms()
        return gaps


def put_figures(bench, gaps, options):
    ours = gaps["linkpilot"]
    bench.add("ours_gap_ms_p50", ours)
    bench.put("ours_gap_ms_max", max(ours))
    for name, values in gaps.items():
        if name != "linkpilot":
            bench.add(f"{name}_gap_ms_p50", values)
            bench.put(f"{name}_gap_ms_max", max(values))
    bench.put("cuts", options.runs)
    routing = [name for name in ("bird_ospf_bfd", "babeld") if name in gaps]
    if routing:
        best = min(routing, key=lambda name: statistics.median(gaps[name]))
        bench.put("best_routing", best)
        bench.put("ratio_best_routing", statistics.median(gaps[best]) / statistics.median(ours))
        bench.put("ratio_ci95", ratio_interval(gaps[best], ours, options.seed))
        bench.put("babeld_hello_s", contenders.Babeld.hello_s)


def dump(folder, gaps):
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{name},{cut},{gap:.3f}" for name, all_ in gaps.items() for cut, gap in enumerate(all_)]
    (folder / "react.csv").write_text("\n".join(["contender,cut,gap_ms", *lines, ""]), encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    frame.add_options(parser, runs=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--noise", action="store_true",
                        help="no cuts: false skips of links that only lose packets, in simulated days")
    parser.add_argument("--days", type=int, default=40, help="of --noise (default: %(default)s)")
    options = parser.parse_args()
    if options.noise:
        noise.run(frame.Frame("react", options), options)
        return
    needed = {"nft": "nftables", "ip": "iproute2"}
    if not options.no_peers:
        needed |= {"bird": "bird2", "babeld": "babeld"}
    missing = [package for program, package in needed.items() if not shutil.which(program)]
    if missing:
        sys.exit(f"react: install {' '.join(missing)} (tools/setup does), or use --no-peers")
    bench = frame.Frame("react", options)
    with bench.measured():
        gaps = measure(options)
    put_figures(bench, gaps, options)
    if options.dump:
        dump(options.dump, gaps)
    bench.finish()


if __name__ == "__main__":
    main()
