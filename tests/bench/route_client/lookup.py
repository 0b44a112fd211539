#!/usr/bin/python3
"""What a look-up of a route costs, and whether any fails while tables are swapped.

String keys, drawn at random over all targets, the result read; warm. `lookup_ns` is back to back,
`lookup_ns_dependent` has each key wait for the answer before, `lookup_ns_p99` is timed one by one with
the timer's own median taken off. Then tables are swapped while two threads look up.
"""

import argparse
import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import frame  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    frame.add_options(parser, runs=5)
    parser.add_argument("--targets", type=int, default=1000)
    parser.add_argument("--swaps", type=int, default=1000)
    arguments = parser.parse_args()
    program = arguments.build_dir / "tests/bench/route_client/lookup_bench"
    if not program.exists():
        sys.exit(f"{program} is missing; build it with: cmake --build --preset release "
                 "--target lookup_bench")
    result = frame.Frame("lookup", arguments)
    runs = []
    with result.measured():
        for run in range(arguments.runs):
            done = subprocess.run([program, str(arguments.targets), str(arguments.swaps)],
                                  capture_output=True, text=True, check=True)
            runs.append(json.loads(done.stdout))
            frame.progress(f"run {run + 1}: {runs[-1]['lookup_ns']} ns")
    for key in ("lookup_ns", "lookup_ns_dependent", "lookup_ns_p99", "open_ms"):
        result.add(key, [run[key] for run in runs])
    result.put("targets", arguments.targets)
    result.put("swaps", min(run["swaps"] for run in runs))
    result.put("failed", sum(run["failed"] for run in runs))
    result.put("lookups_during_swaps", sum(run["lookups_during_swaps"] for run in runs))
    result.put("table_bytes", runs[0]["table_bytes"])
    result.finish()


if __name__ == "__main__":
    main()
