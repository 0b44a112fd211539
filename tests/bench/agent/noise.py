"""`react --noise`: how often agents skip a link that only loses packets, over simulated days.

noise_bench runs the agents' detector, with the settings that the reaction figures are measured with,
on links of 14 nodes. Days are shared out to as many processes as there are cores; each day and
pair of nodes has a seed of its own, so how they are shared changes nothing.
"""

import concurrent.futures
import json
import math
import os
import subprocess
import sys

SCENARIOS = {"05": "0.5 % independent", "3": "3 % independent", "burst": "1 % in bursts of mean 5 ms"}


def poisson_tail(count, mean):
    """P(X <= count) of a Poisson variable."""
    term = total = math.exp(-mean)
    for k in range(1, count + 1):
        term *= mean / k
        total += term
    return total


def rate_interval(count, days):
    """Exact 95 % interval of the rate a day, given `count` events of a Poisson process (Garwood, 1936)."""

    def solve(wanted, events):
        low, high = 0.0, 20.0 + 4.0 * (count + 1)
        for _ in range(100):
            middle = (low + high) / 2
            low, high = (middle, high) if poisson_tail(events, middle) > wanted else (low, middle)
        return (low + high) / 2

    lower = solve(0.975, count - 1) if count > 0 else 0.0
    return [round(lower / days, 4), round(solve(0.025, count) / days, 4)]


def run_share(options, first, days, dump):
    command = [str(options.build_dir / "tests/bench/agent/noise_bench"), "--seed", str(options.seed),
               "--first-day", str(first), "--days", str(days)]
    if dump:
        command += ["--dump", str(dump)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def measure(options):
    """{scenario: {skips_of_day, undo_over_rtt_ms, ...}} over all shares"""
    shares = min(options.days, os.cpu_count() or 1)
    bounds = [options.days * share // shares for share in range(shares + 1)]
    parts = [None] * shares
    if options.dump:
        options.dump.mkdir(parents=True, exist_ok=True)
        parts = [options.dump / f"noise.{share}.csv" for share in range(shares)]
    with concurrent.futures.ThreadPoolExecutor(shares) as pool:
        runs = list(pool.map(
            lambda i: run_share(options, bounds[i], bounds[i + 1] - bounds[i], parts[i]),
            range(shares)))
    if options.dump:
        lines = ["scenario,day,pair,end,at_s,held_ms,rtt_ms\n"]
        for part in parts:
            lines += part.read_text(encoding="utf-8").splitlines(keepends=True)
            part.unlink()
        (options.dump / "noise.csv").write_text("".join(lines), encoding="utf-8")
    merged = {}
    for name in SCENARIOS:
        merged[name] = {"skips_of_day": [], "undo_over_rtt_ms": [], "stretches_simulated": 0, "probes": 0}
        for run in runs:
            for key, value in run[name].items():
                merged[name][key] += value
    return merged


def put_figures(bench, results, options):
    bench.put("days", options.days)
    bench.put("links", 182)
    late = []
    for name, result in results.items():
        count = sum(result["skips_of_day"])
        bench.put(f"false_skips_day_{name}", count / options.days)
        bench.put(f"false_skips_day_{name}_ci95", rate_interval(count, options.days))
        bench.put(f"skips_of_day.{name}", result["skips_of_day"])
        late += result["undo_over_rtt_ms"]
        print(f"{SCENARIOS[name]}: {count} skips in {options.days} days, {result['probes']} probes, "
              f"{result['stretches_simulated']} stretches looked at", file=sys.stderr)
    bench.put("undo_over_rtt_ms_max", max(late, default=None))
    bench.put("skips", len(late))


def run(bench, options):
    with bench.measured():
        results = measure(options)
    put_figures(bench, results, options)
    bench.finish()
