#!/usr/bin/python3
"""A dial: its phases against tshark, stalls against a ledger, its cost beside other pullers.

Phases: `--dials` pulls of nginx-rtmp on loopback, each mark beside tshark's reading of the same capture.
Impairments, in namespaces: the source paused 3 s, the link cut 2 s, 5 % of packets dropped, 2 s of frames
missing from a file; a silence of new data in the capture, less one frame, is a stall of the plain player.
Cost: pulls on one loop until it lags or nginx gives out, each on a core of its own; CPU of one pull beside
rtmpdump, curl and ffprobe. Parsing: the chunk and tag walk of 600 kbit/s at chunks of 128 and 4096.
"""

import argparse
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import dial_lab as lab  # noqa: E402
import frame  # noqa: E402

FRAME_S = 0.040
THRESHOLD_S = 0.200  # of the players
COMPARED = ("tcp", "first_octet", "server_hello", "handshake", "connect", "create_stream", "start",
            "key_frame")


def measure_phases(result, linkpilot, folder, dials, dump):
    processes = lab.Processes()
    try:
        port, _ = lab.start_nginx(processes, folder / "phases")
        url = f"rtmp://127.0.0.1:{port}/live/bench"
        lab.start_source(processes, linkpilot, url)
        capture = lab.Capture("lo", port, folder / "phases.pcap")
        reports = lab.dial(linkpilot, url, "--first-frame", "--count", dials)
        capture.stop()
    finally:
        processes.stop_all()
    seen = lab.phases_of_capture(capture.frames(), port)
    errors, by_phase, missing = [], {}, 0
    for report in reports:
        truth = seen.get(int(report["hops"][-1]["local"].rsplit(":", 1)[1]), {})
        ours = {p["name"]: report["started_unix_ns"] * 1e-9 + p["at_ms"] * 1e-3
                for p in report["phases"]}
        for phase in COMPARED:
            if phase not in ours or phase not in truth:
                missing += 1
                continue
            error = (ours[phase] - truth[phase]) * 1e3
            errors.append(abs(error))
            by_phase.setdefault(phase, []).append(error)
    result.put("dials", len(reports))
    result.put("phase_error_ms_p50", statistics.median(errors))
    result.put("phase_error_ms_max", max(errors))
    for phase, values in by_phase.items():
        result.put(f"phase_error_ms_by_phase.{phase}", statistics.median(values))
    result.put("phases_missing", missing)
    if dump:
        shutil.copy(capture.path, dump / "phases.pcap")
        (dump / "phases.json").write_text(json.dumps(reports), encoding="utf-8")


def watch(result_of, linkpilot, url, seconds, pair):
    worker = threading.Thread(target=lambda: result_of.extend(
        lab.dial(linkpilot, url, "--seconds", seconds, inside=pair.client)))
    worker.start()
    return worker


def with_hole(linkpilot, url, path, pair):
    """An FLV of our own stream with two seconds of frames taken out, times left as they were."""
    lab.dial(linkpilot, url, "--seconds", 12, "--save-flv", path, inside=pair.client)
    data = path.read_bytes()
    out, at = bytearray(data[:13]), 13
    base = None
    while at + 15 <= len(data):
        size = int.from_bytes(data[at + 1:at + 4], "big")
        stamp = int.from_bytes(data[at + 4:at + 7], "big") | data[at + 7] << 24
        if data[at] != 18 and data[at + 11] not in (0x17, 0xAF):
            base = stamp if base is None else base
        if base is None or not base + 5000 <= stamp < base + 7000:
            out += data[at:at + 11 + size + 4]
        at += 11 + size + 4
    path.write_bytes(out)


def impair(name, pair, processes, source):
    """Does the impairment; returns nothing: the capture is the ledger."""
    time.sleep(4)
    if name == "pause":
        source.send_signal(signal.SIGSTOP)
        time.sleep(3)
        source.send_signal(signal.SIGCONT)
    elif name == "cut":
        for state in ("down", "up"):
            subprocess.run(["ip", "-n", pair.server, "link", "set", "e0", state], check=True)
            if state == "down":
                time.sleep(2)


def stalls_wanted(gaps, started):
    """What a player without a buffer stands still for: each silence less the frame it was due."""
    return [(at - started, length - FRAME_S) for at, length in gaps if length - FRAME_S > THRESHOLD_S]


def measure_impairments(result, linkpilot, folder, dump):
    expected = matched = false_stalls = 0
    errors, details = [], []
    for name in ("pause", "cut", "loss", "hole", "clean"):
        pair, processes, reports = lab.Pair(), lab.Processes(), []
        try:
            lab.start_nginx(processes, folder / name, "0.0.0.0", inside=pair.server)
            url = "rtmp://10.77.0.1:1935/live/bench"
            source = lab.start_source(processes, linkpilot, url, inside=pair.server)
            if name == "hole":
                with_hole(linkpilot, url, folder / "hole.flv", pair)
                processes.stop(source)
                source = lab.start_source(processes, linkpilot, url, inside=pair.server,
                                          options=["--flv", folder / "hole.flv"])
            if name == "loss":
                pair.nft("table ip bench { chain out { type filter hook output priority 0;\n"
                         " oif e0 numgen random mod 100 < 5 drop\n }\n}\n")
            capture = lab.Capture("e0", 1935, folder / f"{name}.pcap", inside=pair.client)
            worker = watch(reports, linkpilot, url, 14, pair)
            # `ip netns exec` becomes the program: the source's number is the pusher's.
            impair(name, pair, processes, source)
            worker.join()
            capture.stop()
        finally:
            processes.stop_all()
            pair.close()
        report = reports[0]
        plain = report["playback"]["players"][0]
        began = report["started_unix_ns"] * 1e-9
        if name == "hole":
            found = [f["length_ms"] / 1e3 for f in report["playback"]["content_freezes"]["list"]]
            # What was taken out, to the frame: the file says.
            wanted = [2.0] * max(1, len(found))
            ledger = [(None, w) for w in wanted]
        else:
            key = report["phases"][-2]["at_ms"] / 1e3
            ledger = [s for s in stalls_wanted(lab.gaps_of_capture(
                capture.frames(), 1935, THRESHOLD_S), began) if s[0] >= key - FRAME_S]
            found = [s["length_ms"] / 1e3 for s in plain["list"]]
        pairs = list(zip(found, [length for _, length in ledger]))
        expected += len(ledger)
        matched += len(pairs)
        false_stalls += max(0, len(found) - len(ledger))
        errors += [abs(a - b) * 1e3 for a, b in pairs]
        details.append({"case": name, "verdict": report["verdict"]["kind"], "found_s": found,
                        "ledger_s": [length for _, length in ledger]})
        frame.progress(f"{details[-1]}")
        if dump:
            shutil.copy(capture.path, dump / f"{name}.pcap")
    result.put("stalls_expected", expected)
    result.put("stalls_matched", matched)
    result.put("stall_length_error_ms_max", max(errors, default=0.0))
    result.put("false_stalls", false_stalls)
    result.put("impairments", details)


def measure_load(result, build, linkpilot, folder, steps):
    program = build / "tests/bench/prober/dial_load"
    processes, best = lab.Processes(), None
    try:
        port, nginx = lab.start_nginx(processes, folder / "load", core=1)
        url = f"rtmp://127.0.0.1:{port}/live/bench"
        lab.start_source(processes, linkpilot, url)
        for pulls in steps:
            ticks = lambda: sum(map(int, pathlib.Path(f"/proc/{nginx.pid}/stat").read_text(
                encoding="utf-8").rsplit(")", 1)[1].split()[11:13])) / os.sysconf("SC_CLK_TCK")
            before, began = ticks(), time.monotonic()
            done = subprocess.run(["taskset", "-c", "0", program, url, "--pulls", str(pulls),
                                   "--seconds", "8"], capture_output=True, text=True, check=True)
            load = json.loads(done.stdout)
            load["nginx_cpu_ratio"] = (ticks() - before) / (time.monotonic() - began)
            frame.progress(f"{load}")
            if load["open"] < pulls or load["overloaded"]:
                break
            best = load
    finally:
        processes.stop_all()
    if best is None:
        return
    result.put("server_limit_pulls", best["pulls"])
    result.put("load_at_server_limit", best)
    # What a core would hold by the CPU of the largest load that was served in full.
    result.put("pulls_per_core", int(best["pulls"] / max(best["cpu_ratio"], 1e-6)))
    result.put("bytes_per_pull", best["bytes_per_pull"])


def cpu_of(command, seconds) -> float:
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    return usage.ru_utime + usage.ru_stime


def measure_cpu(result, linkpilot, folder, seconds, peers):
    processes = lab.Processes()
    try:
        port, _ = lab.start_nginx(processes, folder / "cpu")
        url = f"rtmp://127.0.0.1:{port}/live/bench"
        lab.start_source(processes, linkpilot, url)
        pullers = {"linkpilot": [linkpilot, "--json", "dial", url, "--seconds", 3600]}
        if peers:
            pullers |= {"rtmpdump": ["rtmpdump", "-q", "-v", "-r", url, "-o", "/dev/null"],
                        "curl": ["curl", "-s", "-o", "/dev/null", f"{url} live=1"],
                        "ffprobe": ["ffprobe", "-v", "error", "-show_packets", url],
                        "ffprobe_frames": ["ffprobe", "-v", "error", "-show_frames", url]}
            for program in ("rtmpdump", "curl", "ffprobe"):
                if shutil.which(program) is None:
                    sys.exit(f"{program} is missing; tools/setup installs it (or --no-peers)")
        spent = {}
        workers = [threading.Thread(target=lambda n=n, c=c: spent.update({n: cpu_of(c, seconds)}))
                   for n, c in pullers.items()]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    finally:
        processes.stop_all()
    result.put("pull_seconds", seconds)
    result.put("cpu_s", spent)
    if not peers:
        return
    result.put("cpu_ratio_leanest", spent["linkpilot"] / min(spent["rtmpdump"], spent["curl"]))
    result.put("cpu_ratio_ffprobe", spent["ffprobe"] / spent["linkpilot"])
    result.put("cpu_ratio_ffprobe_frames", spent["ffprobe_frames"] / spent["linkpilot"])


def measure_parsing(result, build):
    done = subprocess.run([build / "tests/bench/prober/chunk_walk", "--benchmark_format=json",
                           "--benchmark_min_time=1"], capture_output=True, text=True, check=True)
    for row in json.loads(done.stdout)["benchmarks"]:
        size = row["name"].rsplit("/", 1)[1]
        result.put(f"chunks_per_s_by_size.{size}", row["items_per_second"])
        result.put(f"parse_gbytes_per_s_by_size.{size}", row["bytes_per_second"] / 1e9)
        if size == "128":
            result.put("chunks_per_s", row["items_per_second"])
        if size == "4096":
            result.put("parse_gbytes_per_s", row["bytes_per_second"] / 1e9)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    frame.add_options(parser, runs=1)
    parser.add_argument("--dials", type=int, default=50)
    parser.add_argument("--cpu-seconds", type=int, default=60)
    parser.add_argument("--pulls", type=int, nargs="*", default=[500, 1000, 1500, 2000, 2500, 3000])
    parser.add_argument("--only", choices=["phases", "impairments", "load", "cpu", "parsing"],
                        nargs="*", help="these parts alone")
    arguments = parser.parse_args()
    linkpilot = arguments.build_dir / "tools/linkpilot/linkpilot"
    if not linkpilot.exists():
        sys.exit(f"{linkpilot} is missing; build it with: cmake --build --preset release "
                 "--target benches")
    if arguments.dump:
        arguments.dump.mkdir(parents=True, exist_ok=True)
    result = frame.Frame("dial", arguments)
    with tempfile.TemporaryDirectory(prefix="linkpilot-dial-") as name, result.measured():
        folder = pathlib.Path(name)
        parts = {"phases": lambda: measure_phases(result, linkpilot, folder, arguments.dials,
                                                  arguments.dump),
                 "impairments": lambda: measure_impairments(result, linkpilot, folder,
                                                            arguments.dump),
                 "load": lambda: measure_load(result, arguments.build_dir, linkpilot, folder,
                                              arguments.pulls),
                 "cpu": lambda: measure_cpu(result, linkpilot, folder, arguments.cpu_seconds,
                                            not arguments.no_peers),
                 "parsing": lambda: measure_parsing(result, arguments.build_dir)}
        for part, measure in parts.items():
            if arguments.only is None or part in arguments.only:
                frame.progress(f"{part} ...")
                measure()
    result.finish()


if __name__ == "__main__":
    main()
