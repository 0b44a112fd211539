#!/usr/bin/python3
"""lab: accuracy of the WAN emulator against kernel stamps at the endpoints, both cores half loaded.

Error of a packet = kernel receive stamp - kernel transmit stamp - the delay that was decided for it.
Per run a lab of its own (12 measured regions, 1 % loss, bursts on one link), Poisson traffic between all
nodes, and beside it ping, irtt and a capture, whose figures are compared with the ledger's actual delays
of the same packets. Needs root, tcpdump, ping and irtt.

Agrees means: ping: median difference within 200 us; irtt (user-space clocks): within 500 us; capture: the
same packets in the same order at the receiver, median difference of times within 50 us.
"""
import argparse
import json
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

import numpy

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tests/bench"), str(ROOT / "tools/lab")]
import frame  # noqa: E402
import ledger  # noqa: E402

PORT = 7700
LOAD = numpy.dtype([("sequence", "<u8"), ("sent_ns", "<i8"), ("arrived_ns", "<i8"), ("place", "<u8"),
                    ("source", "<u4"), ("destination", "<u4"), ("copies", "<u4"), ("zero", "<u4")])
PING_AGREES_US, IRTT_AGREES_US, CAPTURE_AGREES_US = 200, 500, 50
# irtt stamps in user space: without priority it would measure how long the burners keep it waiting. The
# load needs it to keep its pace. Both stay below the emulator's own priority.
REAL_TIME = ("chrt", "-f", "5")
# Half of a core: works and rests in turn, 2 to 6 ms a turn.
BURNER = """
import os, random, time
os.sched_setaffinity(0, {%d})
random.seed(%d)
while True:
    half = random.uniform(0.001, 0.003)
    end = time.perf_counter() + half
    while time.perf_counter() < end:
        pass
    time.sleep(half)
"""


class Lab:
    def __init__(self, arguments, folder):
        self.folder = folder
        self.prefix = f"lb{os.getpid()}"
        self.control = str(folder / "control")
        self.program = str(arguments.build_dir / "tools/lab/linkpilot-lab")
        command = [self.program, "run", "--topology", str(arguments.topology), "--prefix", self.prefix,
                   "--control", self.control, "--ledger", str(folder / "ledger"), "--spin-us", str(arguments.spin_us)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line:
            sys.exit("bench lab: the lab did not come up")
        self.ready = json.loads(line)
        self.nodes = [node["name"] for node in self.ready["nodes"] if node["kind"] == "node"]

    def ask(self, *words):
        done = subprocess.run([self.program, words[0], "--control", self.control, *words[1:]],
                              capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    def inside(self, node, *command):
        return ["ip", "netns", "exec", f"{self.prefix}-{self.nodes[node]}", *command]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        self.process.stdout.close()


def end(process, how=signal.SIGTERM):
    if process.poll() is not None:
        return
    process.send_signal(how)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def start_capture(lab, node):
    process = subprocess.Popen(
        lab.inside(node, "tcpdump", "-i", "wan0", "-n", "-B", "16384", "--time-stamp-precision=nano",
                   "-w", str(lab.folder / "pcap"), "udp", "dst", "port", str(PORT), "and", "dst",
                   "host", f"10.77.{node + 1}.1"),
        stderr=subprocess.PIPE, text=True)
    while "listening" not in process.stderr.readline():
        if process.poll() is not None:
            sys.exit("bench lab: tcpdump did not start")
    return process


def read_capture(path):
    """Time and sequence of each packet; libpcap's file format with nanosecond stamps, raw IP."""
    data = path.read_bytes()
    if struct.unpack_from("<I", data)[0] != 0xa1b23c4d:
        sys.exit("bench lab: the capture is not a nanosecond pcap file")
    found, at = [], 24
    while at + 16 <= len(data):
        seconds, nanos, size, _ = struct.unpack_from("<IIII", data, at)
        packet = data[at + 16:at + 16 + size]
        found.append((seconds * 10**9 + nanos,
                      struct.unpack_from("<Q", packet, (packet[0] & 15) * 4 + 8)[0]))
        at += 16 + size
    return numpy.array(found, dtype=[("time_ns", "<i8"), ("sequence", "<u8")])


def actual_ns(packets):
    return packets["delivered_ns"] - packets["arrival_ns"]


def delivered(packets, **fields):
    chosen = packets[packets["fate"] == ledger.DELIVERED]
    for name, value in fields.items():
        chosen = chosen[chosen[name] == value]
    return chosen


def ping_difference_us(text, packets):
    """Median of ping's round trip less the ledger's two actual delays of the same echo."""
    requests = {int(p["destination_port"]): int(d) for p, d in zip(
        *(lambda c: (c, actual_ns(c)))(delivered(packets, protocol=1, icmp_type=8)))}
    replies = {int(p["destination_port"]): int(d) for p, d in zip(
        *(lambda c: (c, actual_ns(c)))(delivered(packets, protocol=1, icmp_type=0)))}
    differences = []
    for line in text.splitlines():
        if "time=" not in line:
            continue
        sequence = int(line.split("icmp_seq=")[1].split()[0])
        if sequence in requests and sequence in replies:
            took_us = float(line.split("time=")[1].split()[0]) * 1e3
            differences.append(took_us - (requests[sequence] + replies[sequence]) / 1e3)
    return float(numpy.median(differences)) if len(differences) >= 20 else None


def irtt_difference_us(path, packets):
    """The same for irtt: medians compared, because its packets carry no sequence the ledger keeps."""
    trips = json.loads(path.read_text(encoding="utf-8"))["round_trips"]
    times = [trip["delay"]["rtt"] for trip in trips if trip.get("delay", {}).get("rtt")]
    there = delivered(packets, destination_port=2112)
    back = delivered(packets, source_port=2112)
    if len(times) < 20 or not len(there) or not len(back):
        return None
    return float(numpy.median(times) - numpy.median(actual_ns(there))
                 - numpy.median(actual_ns(back))) / 1e3


def judge_load(records, book):
    """Errors in us of what arrived, whether loss and order are exactly the ledger's."""
    ours = book.packets[book.packets["destination_port"] == PORT]
    told_sequence = ours["payload"][:, :8].copy().view("<u8").ravel()
    done = ours["fate"] == ledger.DELIVERED
    intended = numpy.zeros(len(records), dtype="i8")
    intended[told_sequence[done]] = ours["intended_ns"][done]
    told_arrived = numpy.zeros(len(records), dtype=bool)
    told_arrived[told_sequence[done]] = True
    arrived = records["arrived_ns"] > 0
    stamped = arrived & (records["sent_ns"] > 0)
    loss_exact = bool(len(ours) == len(records) and (told_arrived == arrived).all() and book.exact())
    order_exact = True
    for node in range(len(book.names)):
        here = records[arrived & (records["destination"] == node)]
        seen = here["sequence"][numpy.argsort(here["place"], kind="stable")]
        order_exact &= numpy.array_equal(seen, told_sequence[done & (ours["destination"] == node)])
    errors = (records["arrived_ns"] - records["sent_ns"] - intended)[stamped] / 1e3
    return {"errors": errors, "loss_exact": loss_exact, "order_exact": bool(order_exact),
            "sent": len(records), "lost": int((~arrived).sum()),
            "stamps_missing": int((arrived & ~stamped).sum())}


def judge_capture(path, book, node):
    seen = read_capture(path)
    told = delivered(book.packets, destination_port=PORT, destination=node)
    sequence = told["payload"][:, :8].copy().view("<u8").ravel()
    if not numpy.array_equal(seen["sequence"], sequence):
        return None
    return float(numpy.median(seen["time_ns"] - told["delivered_ns"])) / 1e3


def run_once(arguments, number):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="linkpilot-lab-bench-"))
    lab = Lab(arguments, folder)
    burners, others = [], []
    try:
        lab.ask("fault", "loss", "--from", "*", "--to", "*", "--ratio", "0.01")
        lab.ask("fault", "burst_loss", "--from", lab.nodes[0], "--to", lab.nodes[1], "--ratio", "0.02",
                "--mean-ms", "5")
        burners = [subprocess.Popen([sys.executable, "-c", BURNER % (core, core)])
                   for core in range(os.cpu_count())]
        capture = start_capture(lab, 0)
        peers = not arguments.no_peers
        if peers:
            server = subprocess.Popen(lab.inside(2, *REAL_TIME, "irtt", "server", "-b", "10.77.3.1:2112"),
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            others.append(server)
            time.sleep(0.5)
        lab.ask("status", "--reset")
        length = max(2, arguments.seconds - 2)
        ping = subprocess.Popen(lab.inside(3, "ping", "-n", "-i", "0.02", "-w", str(length),
                                           "10.77.5.1"), stdout=subprocess.PIPE, text=True)
        irtt = peers and subprocess.Popen(
            lab.inside(4, *REAL_TIME, "irtt", "client", "-q", "-i", "20ms", "-d", f"{length}s",
                       "-o", str(folder / "irtt.json"), "10.77.3.1:2112"),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        load = subprocess.Popen(
            [*REAL_TIME, str(arguments.build_dir / "tests/bench/tools/lab_load"), lab.prefix,
             str(arguments.rate), str(arguments.seconds), str(folder / "load"), *lab.nodes])
        others.append(load)
        time.sleep(arguments.seconds / 2)
        amid = lab.ask("status")
        if load.wait(arguments.seconds + 60) != 0:
            sys.exit("bench lab: the load generator failed")
        text = ping.communicate(timeout=30)[0]
        if irtt:
            irtt.wait(30)
        status = lab.ask("status")
        lab.ask("flush")
        end(capture, signal.SIGINT)
        capture.stderr.close()
    finally:
        for process in burners + others:
            end(process)
        lab.stop()
    book = ledger.read(folder / "ledger")
    result = judge_load(numpy.fromfile(folder / "load", dtype=LOAD), book)
    result["ping_us"] = ping_difference_us(text, book.packets)
    result["irtt_us"] = irtt_difference_us(folder / "irtt.json", book.packets) if peers else None
    result["capture_us"] = judge_capture(folder / "pcap", book, 0)
    result["status"] = status
    result["core_percent"] = amid["emulation_core_percent"]
    if arguments.dump:
        arguments.dump.mkdir(parents=True, exist_ok=True)
        for name in ("ledger", "load", "pcap"):
            shutil.copy(folder / name, arguments.dump / f"run{number}.{name}")
    shutil.rmtree(folder)
    return result


def within(values, limit):
    return bool(values) and all(value is not None and abs(value) <= limit for value in values)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    frame.add_options(parser, runs=5)
    parser.add_argument("--rate", type=int, default=10_000, help="packets a second (default 10000)")
    parser.add_argument("--seconds", type=int, default=8, help="length of a run (default 8)")
    parser.add_argument("--spin-us", type=int, default=70,
                        help="the emulator's spin before a deadline (default 70)")
    parser.add_argument("--topology", type=pathlib.Path,
                        default=ROOT / "tools/lab/topology/regions-12.toml")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        sys.exit("bench lab: needs root (network namespaces): run it with sudo")
    for program, package in (("tcpdump", "tcpdump"), ("ping", "iputils-ping"), ("irtt", "irtt")):
        if not shutil.which(program) and not (program == "irtt" and arguments.no_peers):
            sys.exit(f"bench lab: {program} is missing: apt install {package}")
    bench = frame.Frame("lab", arguments)
    runs = []
    with bench.measured():
        for number in range(arguments.runs):
            runs.append(run_once(arguments, number))
            last = runs[-1]
            frame.progress("run %d: p50 %.1f us, p99 %.1f us, loss exact %s, order exact %s" % (
                number + 1, *numpy.percentile(last["errors"], [50, 99]), last["loss_exact"],
                last["order_exact"]))
    for name, share in (("p50_us", 50), ("p90_us", 90), ("p99_us", 99)):
        bench.add(name, [float(numpy.percentile(run["errors"], share)) for run in runs])
    for name in ("p50", "p99"):
        bench.add(f"late_us_{name}", [run["status"]["late_us"][name] for run in runs])
    bench.put("packets_per_s", arguments.rate)
    bench.put("packets", sum(run["sent"] for run in runs))
    bench.put("lost", sum(run["lost"] for run in runs))
    bench.put("stamps_missing", sum(run["stamps_missing"] for run in runs))
    bench.put("loss_exact", all(run["loss_exact"] for run in runs))
    bench.put("order_exact", all(run["order_exact"] for run in runs))
    for name, limit in (("ping", PING_AGREES_US), ("irtt", IRTT_AGREES_US),
                        ("capture", CAPTURE_AGREES_US)):
        if name == "irtt" and arguments.no_peers:
            continue
        values = [run[f"{name}_us"] for run in runs]
        bench.put(f"{name}_agrees", within(values, limit))
        if all(value is not None for value in values):
            bench.add(f"{name}_difference_us", values)
    bench.put("emulation_core_percent",
              float(numpy.median([run["core_percent"] for run in runs])))
    bench.put("seconds_noisy", sum(run["status"]["seconds_noisy"] for run in runs))
    bench.put("overloaded", any(run["status"]["overloaded"] for run in runs))
    bench.finish()


if __name__ == "__main__":
    main()
