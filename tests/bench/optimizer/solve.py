#!/usr/bin/python3
"""solve: all best and second paths over at most two relays, whole and after changed links.

Figures are milliseconds of CPU time of one thread, medians with their spread. `achieved_grelax` are
relay candidates a second of the stage that finds best and second path together: an add and three
minima each, with the relay's number. The limit is an add and one minimum over data in L1. `equals_reference`: every instruction set gives the same paths for all pairs, 300
random pairs equal brute force, and the incremental result equals a full solve.
"""

import argparse
import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from frame import Frame, add_options, progress  # noqa: E402


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, runs=9)
    parser.add_argument("--nodes", type=int, default=1000, help="default: %(default)s")
    parser.add_argument("--hubs", type=int, default=0, help="only this many nodes relay (not built)")
    parser.add_argument("--weights", help="a square matrix of milliseconds instead")
    arguments = parser.parse_args()
    command = [str(arguments.build_dir / "tests/bench/optimizer/solve_bench"),
               "--nodes", str(arguments.nodes), "--hubs", str(arguments.hubs),
               "--runs", str(arguments.runs)]
    if arguments.weights:
        command += ["--weights", arguments.weights]
    if arguments.dump:
        arguments.dump.mkdir(parents=True, exist_ok=True)
        command += ["--dump", str(arguments.dump)]

    frame = Frame("solve", arguments)
    progress("solve: " + " ".join(command))
    with frame.measured():
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        return done.returncode
    result = json.loads(done.stdout)

    for key in ("nodes", "isa", "isa_missing", "equals_reference", "incremental_equals_full"):
        frame.put(key, result[key])
    frame.add("full_ms", result["full_ms_by_isa"][result["isa"]])
    for isa, values in result["full_ms_by_isa"].items():
        frame.add("full_ms_by_isa." + isa, values)
    for key in ("incremental_ms_1", "incremental_ms_10", "incremental_ms_100",
                "incremental_ms_1_used"):
        frame.add(key, result[key])
        frame.put(key + "_p99", float(percentile(result[key], 0.99)))
    for key in ("tails_ms", "transposes_ms", "paths_ms", "kernel_limit_grelax", "achieved_grelax"):
        frame.add(key, result[key])
    frame.finish()
    return 0


if __name__ == "__main__":
    sys.exit(main())
