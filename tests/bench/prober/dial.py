#!/usr/bin/python3
"""A dial: its phases against tshark, stalls against a ledger, its cost beside other pullers.

Phases: `--dials` pulls each of nginx-rtmp and node-media-server on loopback, each mark beside tshark's
reading of the same capture. Impairments, in the WAN emulator: the source paused 3 s, the link cut 2 s,
5 % of packets lost, 2 s of frames missing from a file; what a viewer had to wait for by tshark's reading
of a capture at the viewer against the dial's list; and an hour of clean frames on synthetic time.
Cost: pulls on one loop until it lags or nginx gives out, each on a core of its own; CPU of one pull beside
rtmpdump, curl and ffprobe. Parsing: the walk of 600 kbit/s at chunks of 128 and 4096.
"""

import argparse
import csv
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
from dial_capture import Capture  # noqa: E402

COMPARED = ("tcp", "first_octet", "server_hello", "handshake", "connect", "create_stream", "start",
            "first_tag", "metadata", "audio_config", "first_audio", "video_config", "first_video",
            "key_frame", "first_gop")
FULL_KBIT_PER_S = 600  # of the source's 664: less, and the server holds some back
SAME_S = 1.0  # begins of one stall by two accounts are at most this far apart


def write_csv(path, names, rows):
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([names, *rows])


def phase_errors(reports, pulls):
    """(server's viewer port, phase, ours less tshark's in ms); None where one of them has it not."""
    rows = []
    for report in reports:
        viewer = int(report["hops"][-1]["local"].rsplit(":", 1)[1])
        truth = pulls[viewer].phases() if viewer in pulls else {}
        ours = {p["name"]: report["started_unix_ns"] * 1e-9 + p["at_ms"] * 1e-3
                for p in report["phases"]}
        for phase in COMPARED:
            both = phase in ours and phase in truth
            rows.append((viewer, phase, (ours[phase] - truth[phase]) * 1e3 if both else None))
    return rows


def measure_phases(result, linkpilot, folder, dials, peers, dump):
    everything = []
    for name in ("nginx_rtmp", *(["node_media_server"] if peers else [])):
        processes = lab.Processes()
        try:
            port = (lab.start_nginx(processes, folder / "phases")[0] if name == "nginx_rtmp"
                    else lab.start_node_media_server(processes)[0])
            url = f"rtmp://127.0.0.1:{port}/live/bench"
            lab.start_source(processes, linkpilot, url, gop_seconds=0.5)
            capture = Capture("lo", port, folder / f"phases-{name}.pcap")
            reports = lab.dial(linkpilot, url, "--seconds", "1.2", "--count", dials)
            capture.stop()
        finally:
            processes.stop_all()
        rows = phase_errors(reports, capture.pulls())
        errors = [error for *_, error in rows if error is not None]
        if not errors:
            raise SystemExit(f"{name}: no dial came to a phase: {reports[0]['verdict']['sentence']}")
        result.put(f"phases.{name}.dials", len(reports))
        result.put(f"phases.{name}.error_ms_p50", statistics.median(map(abs, errors)))
        result.put(f"phases.{name}.missing", len(rows) - len(errors))
        for phase in COMPARED:
            of_phase = [e for _, p, e in rows if p == phase and e is not None]
            result.put(f"phases.{name}.by_phase.{phase}",
                       statistics.median(of_phase) if of_phase else None)
        everything += rows
        if dump:
            shutil.copy(capture.path, dump)
            (dump / f"phases-{name}.json").write_text(json.dumps(reports), encoding="utf-8")
            write_csv(dump / f"phases-{name}.csv", ("viewer_port", "phase", "error_ms"), rows)
    errors = [abs(error) for *_, error in everything if error is not None]
    result.put("dials", len(everything) // len(COMPARED))
    result.put("phase_error_ms_p50", statistics.median(errors))
    result.put("phase_error_ms_max", max(errors))
    result.put("phases_missing", len(everything) - len(errors))


def with_hole(linkpilot, url, path, inside):
    """An FLV of our own stream with two seconds of frames taken out, times left as they were."""
    lab.dial(linkpilot, url, "--seconds", 12, "--save-flv", path, inside=inside)
    data = path.read_bytes()
    out, at = bytearray(data[:13]), 13
    base = None
    while at + 15 <= len(data):
        size = int.from_bytes(data[at + 1:at + 4], "big")
        stamp = int.from_bytes(data[at + 4:at + 7], "big") | data[at + 7] << 24
        if data[at] != 18 and data[at + 12] != 0:
            base = stamp if base is None else base
        if base is None or not base + 5000 <= stamp < base + 7000:
            out += data[at:at + 11 + size + 4]
        at += 11 + size + 4
    path.write_bytes(out)


def impair(case, network, source) -> dict:
    """Does the impairment; what was done and for how long."""
    link = {"from": network.SERVER, "to": network.NEAR, "both": False}
    if case == "pause":
        time.sleep(4)
        began = time.monotonic()
        source.send_signal(signal.SIGSTOP)
        time.sleep(3)
        source.send_signal(signal.SIGCONT)
        return {"done_s": round(time.monotonic() - began, 4)}
    if case == "cut":
        time.sleep(4)
        cut = network.control.fault("blackhole", **link)
        time.sleep(2)
        return {"done_s": round((network.control.heal(**link) - cut) / 1e9, 4)}
    return {"done_s": 2.0} if case == "hole" else {}


def watched(case, network, linkpilot, folder) -> tuple[dict, Capture, dict]:
    """One dial under one impairment: its report, the capture at the viewer, what was done."""
    viewer = network.FAR if case == "loss" else network.NEAR
    inside, server = network.namespaces[viewer], network.namespaces[network.SERVER]
    processes, reports = lab.Processes(), []
    try:
        lab.start_nginx(processes, folder / case, network.address, inside=server)
        url = f"rtmp://{network.address}:1935/live/bench"
        source = lab.start_source(processes, linkpilot, url, inside=server)
        if case == "hole":
            with_hole(linkpilot, url, folder / "hole.flv", server)
            processes.stop(source)
            source = lab.start_source(processes, linkpilot, url, inside=server,
                                      options=["--flv", folder / "hole.flv"])
        since = time.time_ns()
        if case == "loss":
            network.control.fault("loss", **{"from": network.SERVER, "to": viewer, "both": True,
                                             "ratio": 0.05})
        capture = Capture("wan0", 1935, folder / f"{case}.pcap", inside=inside)
        worker = threading.Thread(target=lambda: reports.extend(
            lab.dial(linkpilot, url, "--seconds", 20 if case == "loss" else 14, inside=inside)))
        worker.start()
        # `ip netns exec` becomes the program: the source's number is the pusher's.
        done = impair(case, network, source)
        worker.join()
        capture.stop()
        network.control.heal()
    finally:
        processes.stop_all()
    done["packets_dropped"], done["packets"] = network.losses(viewer, since)
    return reports[0], capture, done


def match(found, wanted) -> tuple[list[float], int, int]:
    """(errors in ms of those that both accounts have, missed, invented)"""
    left, errors = list(found), []
    for at, length in wanted:
        near = [one for one in left if abs(one[0] - at) < SAME_S]
        if near:
            best = min(near, key=lambda one: abs(one[0] - at))
            left.remove(best)
            errors.append(abs(best[1] - length) * 1e3)
    return errors, len(wanted) - len(errors), len(left)


def judge_case(case, report, pull, done) -> dict:
    """Stalls of two players, or freezes, by the dial and by the capture."""
    began = report["started_unix_ns"] * 1e-9
    playback = report["playback"]

    def ours(entries):
        return [(began + e["at_ms"] * 1e-3, e["length_ms"] * 1e-3) for e in entries]

    accounts = {p["name"]: (ours(p["list"]), pull.stalls(p["start_ms"] / 1e3, p["resume_ms"] / 1e3))
                for p in playback["players"] if p["name"] in ("plain", "buffered")}
    accounts["freeze"] = (ours(playback["content_freezes"]["list"]), pull.freezes())
    row = {"case": case, "verdict": report["verdict"]["kind"], **done, "errors_ms": [],
           "missed": 0, "invented": 0, "expected": 0}
    for name, (found, wanted) in accounts.items():
        errors, missed, invented = match(found, wanted)
        row["errors_ms"] += [round(e, 3) for e in errors]
        row["missed"] += missed
        row["invented"] += invented
        row["expected"] += len(wanted)
        row[f"{name}_s"] = [round(length, 4) for _, length in found]
        row[f"{name}_captured_s"] = [round(length, 4) for _, length in wanted]
    # A server whose queue is full drops frames: behind a cut a freeze is right where both accounts have it.
    disturbed = bool(accounts["plain"][1] or accounts["freeze"][1])
    kind = {"pause": "plain", "cut": "plain", "hole": "freeze"}.get(case)
    row["right_kind"] = (row["missed"] + row["invented"] == 0
                         and (kind is None or bool(accounts[kind][0]))
                         and row["verdict"] == ("stutters" if disturbed else "fine"))
    if case in ("pause", "hole"):  # what was done is known without a network between
        row["done_error_ms"] = round(min((abs(length - done["done_s"]) * 1e3
                                          for length in row[f"{kind}_s"]), default=1e9), 3)
    return row


def measure_impairments(result, build, linkpilot, folder, dump):
    cases = []
    network = lab.Lab(build, folder)
    try:
        for case in ("pause", "cut", "loss", "hole", "clean"):
            report, capture, done = watched(case, network, linkpilot, folder)
            pulls = capture.pulls()
            viewer = int(report["hops"][-1]["local"].rsplit(":", 1)[1])
            cases.append(judge_case(case, report, pulls[viewer], done))
            frame.progress(f"{cases[-1]}")
            if dump:
                shutil.copy(capture.path, dump)
                (dump / f"{case}.json").write_text(json.dumps(report), encoding="utf-8")
                write_csv(dump / f"{case}-frames.csv", ("arrival_s", "decode_s", "key"),
                          [(f"{m.at:.6f}", m.decode, int(m.key)) for m in pulls[viewer].frames()])
        if dump:
            shutil.copy(network.ledger_path, dump)
    finally:
        network.close()
    errors = [e for case in cases for e in case["errors_ms"]]
    errors += [case["done_error_ms"] for case in cases if "done_error_ms" in case]
    result.put("stalls_expected", sum(case["expected"] for case in cases))
    result.put("stalls_matched", sum(len(case["errors_ms"]) for case in cases))
    result.put("stall_length_error_ms_max", max(errors, default=None))
    result.put("right_kinds", sum(case["right_kind"] for case in cases))
    result.put("impairments", cases)
    done = subprocess.run([build / "tests/bench/prober/clean_hour"], capture_output=True, text=True,
                          check=True)
    hour = json.loads(done.stdout)
    result.put("clean_hour", hour)
    result.put("false_stalls", sum(case["invented"] for case in cases) + sum(hour["stalls"].values())
               + hour["freezes"])


def cpu_seconds(pid: int) -> float:
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


def measure_load(result, build, linkpilot, folder, steps):
    """More and more pulls: the dials on core 0, nginx on core 1."""
    program = build / "tests/bench/prober/dial_load"
    processes, served = lab.Processes(), []
    try:
        port, nginx = lab.start_nginx(processes, folder / "load", core=1)
        url = f"rtmp://127.0.0.1:{port}/live/bench"
        lab.start_source(processes, linkpilot, url)
        for pulls in steps:
            worker = subprocess.Popen(["taskset", "-c", "0", program, url, "--pulls", str(pulls),
                                       "--seconds", "8"], stdout=subprocess.PIPE, text=True)
            worker.stdout.readline()  # all are open: the steady window begins
            before, began = cpu_seconds(nginx.pid), time.monotonic()
            load = json.loads(worker.stdout.readline())
            load["nginx_cpu_ratio"] = (cpu_seconds(nginx.pid) - before) / (time.monotonic() - began)
            worker.wait()
            served.append(load)
            frame.progress(f"{load}")
            if load["open"] < pulls or load["overloaded"]:
                break
    finally:
        processes.stop_all()
    result.put("load_steps", served)
    whole = [load for load in served if load["open"] == load["pulls"] and not load["overloaded"]
             and load["steady_kbit_per_s"] > FULL_KBIT_PER_S]
    if not whole:
        return
    best = whole[-1]
    result.put("server", "nginx-rtmp")
    if served[-1] is not best:
        result.put("limited_by", "nginx-rtmp" if served[-1]["nginx_cpu_ratio"] > 0.95
                   else "lag of the dials' loop" if served[-1]["overloaded"] else "opening")
    result.put("server_limit_pulls", best["pulls"])
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


def pullers(linkpilot, rtmp, http) -> dict[str, list]:
    """Everybody who pulls one stream for so long; `_frames` also decodes."""
    for program in ("rtmpdump", "curl", "ffprobe") if http else ():
        if shutil.which(program) is None:
            sys.exit(f"{program} is missing; tools/setup installs it (or --no-peers)")
    dial = [linkpilot, "--json", "dial"]
    probe = ["ffprobe", "-v", "error"]
    ours = {"rtmp.linkpilot": [*dial, rtmp, "--seconds", 3600]}
    if not http:
        return ours
    return ours | {"rtmp.rtmpdump": ["rtmpdump", "-q", "-v", "-r", rtmp, "-o", "/dev/null"],
                   "rtmp.ffprobe": [*probe, "-show_packets", rtmp],
                   "rtmp.ffprobe_frames": [*probe, "-show_frames", rtmp],
                   "http_flv.linkpilot": [*dial, http, "--seconds", 3600],
                   "http_flv.curl": ["curl", "-s", "-o", "/dev/null", http],
                   "http_flv.ffprobe": [*probe, "-show_packets", http],
                   "http_flv.ffprobe_frames": [*probe, "-show_frames", http]}


def real_picture(path) -> list:
    """Options of a source whose picture moves: grey costs a decoder nothing."""
    subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25",
                    "-f", "lavfi", "-i", "sine=sample_rate=44100", "-t", "20", "-c:v", "libx264",
                    "-preset", "veryfast", "-pix_fmt", "yuv420p", "-b:v", "600k", "-maxrate", "600k",
                    "-bufsize", "600k", "-g", "25", "-c:a", "aac", "-b:a", "64k", path], check=True)
    return ["--flv", path]


def measure_cpu(result, linkpilot, folder, seconds, peers):
    processes = lab.Processes()
    try:
        options = real_picture(folder / "picture.flv") if peers else []
        port, _ = lab.start_nginx(processes, folder / "cpu")
        rtmp, http = f"rtmp://127.0.0.1:{port}/live/bench", None
        lab.start_source(processes, linkpilot, rtmp, options=options)
        if peers:
            port, web = lab.start_node_media_server(processes)
            lab.start_source(processes, linkpilot, f"rtmp://127.0.0.1:{port}/live/bench",
                             options=options)
            http = f"http://127.0.0.1:{web}/live/bench.flv"
        spent = {}
        workers = [threading.Thread(target=lambda n=n, c=c: spent.update({n: cpu_of(c, seconds)}))
                   for n, c in pullers(linkpilot, rtmp, http).items()]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    finally:
        processes.stop_all()
    result.put("pull_seconds", seconds)
    for name, value in spent.items():
        result.put(f"cpu_s.{name}", value)
    if not peers:
        return
    for carrier, lean in (("rtmp", "rtmpdump"), ("http_flv", "curl")):
        ours = spent[f"{carrier}.linkpilot"]
        result.put(f"cpu_ratio.{carrier}.leanest", ours / spent[f"{carrier}.{lean}"])
        for probe in ("ffprobe", "ffprobe_frames"):
            result.put(f"cpu_ratio.{carrier}.{probe}", spent[f"{carrier}.{probe}"] / ours)
    ratios = result.figures["cpu_ratio"].values()
    result.put("cpu_ratio_leanest", max(ratio["leanest"] for ratio in ratios))
    result.put("cpu_ratio_ffprobe", min(ratio["ffprobe"] for ratio in ratios))
    result.put("cpu_ratio_ffprobe_frames", min(ratio["ffprobe_frames"] for ratio in ratios))


def measure_parsing(result, build):
    """`walk`: chunks, messages, tags, codec headers; `watch`: all that a dial makes of them."""
    done = subprocess.run([build / "tests/bench/prober/chunk_walk", "--benchmark_format=json",
                           "--benchmark_min_time=1"], capture_output=True, text=True, check=True)
    for row in json.loads(done.stdout)["benchmarks"]:
        what, size = row["name"].split("/")
        result.put(f"{what}_chunks_per_s.{size}", row["items_per_second"])
        result.put(f"{what}_gbytes_per_s.{size}", row["bytes_per_second"] / 1e9)
    result.put("chunks_per_s", min(result.figures["walk_chunks_per_s"].values()))
    result.put("parse_gbytes_per_s", min(result.figures["walk_gbytes_per_s"].values()))


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
                                                  not arguments.no_peers, arguments.dump),
                 "impairments": lambda: measure_impairments(result, arguments.build_dir, linkpilot,
                                                            folder, arguments.dump),
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
