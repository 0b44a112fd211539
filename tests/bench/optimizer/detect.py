#!/usr/bin/python3
"""detect: change points of delay on labelled real series, online, with one setting for all of them.

An alarm and a labelled change belong together when the alarm comes 0 to 10 samples after it, one to
one, in order. `precision`, `recall`, `f1` and `delay_samples_p50` are of the real series together
(RIPE Atlas, labelled by Shao et al.), `f1_artificial` of the artificial ones, which have an exact
truth. Time-outs give the detector nothing. False alarms are those without a label; the labels are
known to miss changes that look real.
"""

import argparse
import io
import lzma
import pathlib
import statistics
import subprocess
import sys
import tarfile
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from frame import Frame, add_options, progress  # noqa: E402

ORIGIN = "https://github.com/WenqinSHAO/rtt (ripe_rtt_labelled/series.tar.xz: real/*.csv, artificial/*.csv)"
WINDOW = 10  # samples after a labelled change
SAMPLE_S = 240.0
TIME_OUTS = (-3.0, -4.0)


def read_series(archive: pathlib.Path) -> dict:
    """kind -> name -> (delays in ms or None, indices of changes)."""
    series = {"real": {}, "artificial": {}}
    with tarfile.open(fileobj=io.BytesIO(lzma.decompress(archive.read_bytes()))) as tar:
        for member in tar.getmembers():
            parts = pathlib.PurePosixPath(member.name).parts
            if not member.isfile() or len(parts) < 2 or parts[-2] not in series or not parts[-1].endswith(".csv"):
                continue
            delays, changes = [], []
            for line in tar.extractfile(member).read().decode().splitlines()[1:]:
                fields = line.replace(",", ".").split(";")
                if len(fields) < 3:
                    continue
                value = float(fields[1])
                if float(fields[2]) == 1:
                    changes.append(len(delays))
                delays.append(None if value in TIME_OUTS else value)
            series[parts[-2]][parts[-1][:-4]] = (delays, changes)
    return series


def run_detector(program: pathlib.Path, series: dict) -> dict:
    """name -> list of (sample, kind, samples since its onset)."""
    with tempfile.TemporaryDirectory() as directory:
        paths = {}
        for name, (delays, _) in series.items():
            path = pathlib.Path(directory) / name
            path.write_text("".join("-\n" if value is None else f"{value:.9g}\n" for value in delays),
                            encoding="utf-8")
            paths[str(path)] = name
        out = subprocess.run([str(program), *paths], stdout=subprocess.PIPE, text=True, check=True).stdout
    alarms = {name: [] for name in series}
    for line in out.splitlines():
        path, sample, kind, values = line.rsplit(",", 3)
        alarms[paths[path]].append((int(sample), kind, int(values)))
    return alarms


def match(changes: list, alarms: list) -> list:
    """Delays of the matched pairs. Windows are equally long, so first come first served is the most."""
    delays, change = [], 0
    for alarm in alarms:
        while change < len(changes) and alarm - changes[change] > WINDOW:
            change += 1
        if change < len(changes) and changes[change] <= alarm:
            delays.append(alarm - changes[change])
            change += 1
    return delays


def score(series: dict, alarms: dict) -> dict:
    delays, raised, labelled, days = [], 0, 0, 0.0
    for name, (values, changes) in series.items():
        delays += match(changes, [alarm[0] for alarm in alarms[name]])
        raised += len(alarms[name])
        labelled += len(changes)
        days += len(values) * SAMPLE_S / 86400
    precision, recall = len(delays) / max(raised, 1), len(delays) / max(labelled, 1)
    return {"series": len(series), "changes": labelled, "alarms": raised, "precision": precision,
            "recall": recall, "f1": 2 * precision * recall / max(precision + recall, 1e-9),
            "delay_samples_p50": float(statistics.median(delays)) if delays else None,
            "false_per_series_day": (raised - len(delays)) / max(days, 1e-9)}


def dump(directory: pathlib.Path, alarms: dict) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    rows = [f"{kind}/{name},{sample},{what},{values}" for kind, of_kind in alarms.items()
            for name, found in of_kind.items() for sample, what, values in found]
    (directory / "detect.csv").write_text("\n".join(["series,sample,kind,samples_since_onset", *rows]) + "\n",
                                          encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, runs=1)
    parser.add_argument("--data", type=pathlib.Path, help="folder with ripe_rtt_labelled/series.tar.xz")
    arguments = parser.parse_args()
    archive = arguments.data / "ripe_rtt_labelled/series.tar.xz" if arguments.data else None
    if archive is None or not archive.exists():
        progress(f"detect: nothing to do without --data DIR that holds {ORIGIN}")
        return 2
    program = arguments.build_dir / "tests/bench/optimizer/detect_bench"
    frame = Frame("detect", arguments)
    series = read_series(archive)
    with frame.measured():
        alarms = {kind: run_detector(program, of_kind) for kind, of_kind in series.items()}
    if series["real"]:
        for key, value in score(series["real"], alarms["real"]).items():
            frame.put(key, value)
    else:
        progress("detect: skipped: no real/*.csv in the archive")
    if series["artificial"]:
        artificial = score(series["artificial"], alarms["artificial"])
        for key in ("f1", "precision", "recall", "delay_samples_p50"):
            frame.put(key + "_artificial", artificial[key])
    else:
        progress("detect: skipped: no artificial/*.csv in the archive")
    if arguments.dump:
        dump(arguments.dump, alarms)
    frame.finish()
    return 0


if __name__ == "__main__":
    sys.exit(main())
