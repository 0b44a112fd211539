#!/usr/bin/python3
"""localise: planted faults of every kind, 1 to 4 at once, pinned to the smallest causes that explain them.

Cases are made from seeds: 60 s of 1 s looks at 10 probes a second through the real detectors, background
loss 0.1 %, noise block-resampled from the labelled series around their levels, their time-outs as
losses; regions, ISPs, hops, streams and vendors are made up. A fifth of the cases hold no fault. A
cause is right if it is the planted one, or would show on exactly the same observations. Figures without
`_sick` are of well agents; with it a tenth of them is overloaded, garbled, frozen, silent or has a
wrong clock, and naming such an agent is neither right nor wrong (`sick_found`). Figures are of both
fleet sizes together; `by_nodes` has them apart. Simple judges run on the same cases (`baseline_...`).
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from detect import ORIGIN, read_series  # noqa: E402
from frame import Frame, add_options, progress  # noqa: E402

LARGE_EVERY = 20  # one case of the large fleet for so many of the small one


def write_residuals(archive: pathlib.Path, directory: pathlib.Path) -> pathlib.Path:
    """Each value less the median of its labelled segment; a time-out stays one. Returns the list of files."""
    names = []
    for name, (delays, changes) in read_series(archive)["real"].items():
        words, borders = [], sorted({0, *changes, len(delays)})
        for begin, end in zip(borders, borders[1:]):
            segment = delays[begin:end]
            known = [value for value in segment if value is not None]
            level = statistics.median(known) if known else 0.0
            words += ["-" if value is None else f"{value - level:.4f}" for value in segment]
        path = directory / name
        path.write_text("\n".join(words), encoding="utf-8")
        names.append(str(path))
    listing = directory / "list"
    listing.write_text("\n".join(names) + "\n", encoding="utf-8")
    return listing


def run(program: pathlib.Path, listing: pathlib.Path, dump: pathlib.Path | None, **options) -> dict:
    command = [str(program), "--series", str(listing)]
    for key, value in options.items():
        command += [f"--{key}", str(value)]
    if dump:
        dump.mkdir(parents=True, exist_ok=True)
        kind = "week" if options.get("mode") else "sick" if options.get("sick") else "well"
        command += ["--dump", str(dump / f"localise_{options['nodes']}_{kind}.csv")]
    progress("localise: " + " ".join(command))
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(done.returncode)
    return json.loads(done.stdout)


def pooled(results: list) -> dict:
    """Ratios over all cases of several runs."""
    totals = {key: sum(result[key] for result in results)
              for key in ("planted", "found", "reported", "right", "overlapped", "kind_right")}
    return {"precision": totals["right"] / max(1, totals["reported"]),
            "recall": totals["found"] / max(1, totals["planted"]),
            "kind_accuracy": totals["kind_right"] / max(1, totals["overlapped"])}


def kinds(results: list) -> dict:
    out = {}
    for result in results:
        for kind, counts in result["by_kind"].items():
            place = out.setdefault(kind, dict.fromkeys(counts, 0))
            for key, count in counts.items():
                place[key] += count
    for counts in out.values():
        counts["precision"] = round(counts["right"] / max(1, counts["reported"]), 4)
        counts["recall"] = round(counts["found"] / max(1, counts["planted"]), 4)
    return out


def confusion(results: list) -> dict:
    out: dict = {}
    for result in results:
        for kind, row in result.get("confusion", {}).items():
            for named, count in row.items():
                out.setdefault(kind, {}).setdefault(named, 0)
                out[kind][named] += count
    return out


def replay(arguments) -> int:
    program = arguments.build_dir / "tests/bench/optimizer/localise_bench"
    frame = Frame("localise", arguments)
    with frame.measured():
        done = subprocess.run([program, "--cases-from", arguments.cases_from], check=True,
                              stdout=subprocess.PIPE, text=True)
    result = json.loads(done.stdout)
    for key in ("cases", "same", "cut", "unreadable"):
        frame.put(f"replay.{key}", result[key])
    if result["round_ms"]:
        frame.put("round_ms", float(statistics.median(result["round_ms"])))
    frame.finish()
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, runs=1)
    parser.add_argument("--data", type=pathlib.Path, help="folder with ripe_rtt_labelled/series.tar.xz")
    parser.add_argument("--cases-from", type=pathlib.Path,
                        help="folder of evidence as a collector keeps it: explain that again, and nothing else")
    parser.add_argument("--nodes", type=int, nargs="*", default=[14, 490], help="default: %(default)s")
    parser.add_argument("--cases", type=int, default=2000,
                        help=f"of the small fleet; of more than 100 nodes one in {LARGE_EVERY} (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the first case; the next ones count up")
    parser.add_argument("--days", type=float, default=7.0, help="of a quiet fleet (default: %(default)s)")
    parser.add_argument("--time-runs", type=int, default=20, help="per kind of fault (default: %(default)s)")
    arguments = parser.parse_args()
    if arguments.cases_from:
        return replay(arguments)
    archive = arguments.data / "ripe_rtt_labelled/series.tar.xz" if arguments.data else None
    if archive is None or not archive.exists():
        progress(f"localise: its noise is resampled from measured series: give --data DIR that holds {ORIGIN}")
        return 2
    program = arguments.build_dir / "tests/bench/optimizer/localise_bench"
    frame = Frame("localise", arguments)
    frame.put("seed", arguments.seed)
    well, sick, figures = [], [], {}
    with frame.measured(), tempfile.TemporaryDirectory() as directory:
        listing = write_residuals(archive, pathlib.Path(directory))
        for nodes in arguments.nodes:
            cases = arguments.cases if nodes <= 100 else max(1, arguments.cases // LARGE_EVERY)
            common = {"nodes": nodes, "cases": cases, "seed": arguments.seed}
            well.append(run(program, listing, arguments.dump, **common))
            sick.append(run(program, listing, arguments.dump, **common, sick=0.1))
            figures[nodes] = (well[-1], sick[-1])
        times = run(program, listing, None, mode="time", nodes=14, runs=arguments.time_runs, seed=arguments.seed)
        for nodes in arguments.nodes:
            week = run(program, listing, None, mode="quiet", nodes=nodes, days=arguments.days, seed=arguments.seed)
            frame.put(f"false_mails_week_{nodes}", week["mails_a_week"])
            frame.put(f"quiet_days_{nodes}", week["days"])
        extra = run(program, listing, None, nodes=1000, cases=4, seed=arguments.seed)
    frame.put("cases", sum(result["cases"] for result in well))
    for suffix, results in (("", well), ("_sick", sick)):
        for key, value in pooled(results).items():
            frame.put(key + suffix, value)
        frame.put("sick_found" if suffix else "false_when_quiet",
                  sum(result["sick_found_count"] for result in results)
                  / max(1, sum(result["sick_agents"] for result in results)) if suffix
                  else sum(result["false_when_quiet"] for result in results))
    for nodes, pair in figures.items():
        for suffix, result in zip(("", "_sick"), pair):
            for key, value in pooled([result]).items():
                frame.put(f"by_nodes.{nodes}.{key}{suffix}", value)
            frame.put(f"by_nodes.{nodes}.exact_cases{suffix}", result["exact_cases"])
    for name in ("thresholds", "rows", "votes_007"):
        for key in ("precision", "recall"):
            frame.put(f"baseline_{name}.{key}",
                      statistics.fmean(result["baseline"][name][key] for result in well))
    for kind, seconds in times.items():
        frame.put(f"time_to_localise_s.{kind}", float(statistics.median(seconds)))
        frame.put(f"time_to_localise_s.{kind}_p90", float(sorted(seconds)[int(0.9 * (len(seconds) - 1))]))
    frame.put("by_kind", kinds(well))
    frame.put("by_kind_sick", kinds(sick))
    frame.put("confusion", confusion(well))
    frame.put("round_ms_14", float(statistics.median(well[0]["round_ms"])))
    frame.put("round_ms", float(statistics.median(extra["round_ms"])))
    frame.put("round_ms_max", float(max(extra["round_ms"])))
    frame.finish()
    return 0


if __name__ == "__main__":
    sys.exit(main())
