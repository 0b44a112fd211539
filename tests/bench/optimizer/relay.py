#!/usr/bin/python3
"""relay: relay choice one slice ahead on measured matrices, by the product's estimator and planner.

One relay, 3 ms a hop. What the planner uses after slice t is scored on slice t+1: `gain_share` is the
part of a clairvoyant's gain over direct paths, `switches` are per pair and slice, both under the default
policy. A slice is one window of the estimator (32 s), four ticks decide on it. `curve` is the same with
both margins scaled (`curve_scales`): [switches, gain_share] each. A missing leg is scored as the direct
round trip. `planetlab_ms` is a whole solve of one matrix (two relays and a disjoint second), the worst
file's median, on the fastest instruction set; exact means: equal to brute force on 2000 random pairs and
on every instruction set.
"""

import argparse
import json
import lzma
import pathlib
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from frame import Frame, add_options, progress  # noqa: E402

ORIGIN = "https://github.com/uofa-rzhu3/NetLatency-Data (netlatency/seattle*_seconds.txt.xz, planetlab*_ms_*.txt.xz)"
SCALES = (1.0, 0.0, 0.5, 2.0, 4.0, 8.0)  # the first is the default policy


def run(program: pathlib.Path, *words: str) -> dict:
    progress("relay: " + " ".join((program.name, *words)))
    done = subprocess.run([str(program), *words], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(done.returncode)
    return json.loads(done.stdout)


def unpacked(archive: pathlib.Path, directory: str) -> str:
    path = pathlib.Path(directory) / archive.stem
    path.write_bytes(lzma.decompress(archive.read_bytes()))
    return str(path)


def choose(frame: Frame, program: pathlib.Path, archive: pathlib.Path, arguments) -> None:
    with tempfile.TemporaryDirectory() as directory:
        words = ["--slices", unpacked(archive, directory), "--scale", ",".join(map(str, arguments.scale))]
        if arguments.dump:
            arguments.dump.mkdir(parents=True, exist_ok=True)
            words += ["--dump", str(arguments.dump)]
        choice = run(program, *words)["choice"]
    frame.put("gain_share", choice["gain_share"])
    frame.put("switches", choice["switches"])
    points = sorted(choice["curve"], key=lambda point: point[1])
    frame.put("curve", [[round(switches, 4), round(gain, 4)] for _, switches, gain in points])
    frame.put("curve_scales", [scale for scale, _, _ in points])
    for key, value in zip(("direct_ms", "chosen_ms", "clairvoyant_ms"), choice["mean_ms"]):
        frame.put(key, value)
    frame.put("slices", choice["slices"])


def solve(frame: Frame, program: pathlib.Path, archives: list, runs: int) -> None:
    worst, equal = None, True
    for archive in archives:
        with tempfile.TemporaryDirectory() as directory:
            found = run(program, "--matrix", unpacked(archive, directory), "--runs", str(runs))["matrix"]
        equal = equal and found["equals_reference"]
        median = statistics.median(found["ms_by_isa"][found["isa"]])
        if worst is None or median > worst[0]:
            worst = median, found
    frame.put("isa", worst[1]["isa"])
    frame.add("planetlab_ms", worst[1]["ms_by_isa"][worst[1]["isa"]])
    for isa, values in worst[1]["ms_by_isa"].items():
        frame.add("planetlab_ms_by_isa." + isa, values)
    frame.put("planetlab_equals_reference", equal)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, runs=9)
    parser.add_argument("--data", type=pathlib.Path, help="folder with netlatency/")
    parser.add_argument("--scale", type=lambda text: [float(part) for part in text.split(",")],
                        default=list(SCALES), help="margins of the curve; the first is what gain_share is of")
    arguments = parser.parse_args()
    folder = arguments.data / "netlatency" if arguments.data else None
    slices = sorted(folder.glob("seattle*_seconds.txt.xz")) if folder else []
    matrices = sorted(folder.glob("planetlab*_ms_*.txt.xz")) if folder else []
    if not slices and not matrices:
        progress(f"relay: nothing to do without --data DIR that holds {ORIGIN}")
        return 2
    program = arguments.build_dir / "tests/bench/optimizer/relay_bench"
    frame = Frame("relay", arguments)
    with frame.measured():
        if slices:
            choose(frame, program, slices[0], arguments)
        else:
            progress("relay: skipped: no netlatency/seattle*_seconds.txt.xz")
        if matrices:
            solve(frame, program, matrices, arguments.runs)
        else:
            progress("relay: skipped: no netlatency/planetlab*_ms_*.txt.xz")
    frame.finish()
    return 0


if __name__ == "__main__":
    sys.exit(main())
