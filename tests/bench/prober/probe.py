#!/usr/bin/python3
"""STAMP probing: RTT error against a capture beside fping and irtt, cost and accepted rate per core.

Two hosts in namespaces of their own, joined by a bridge in a third; what crosses the bridge's two ports
is captured there and is the truth for RTT. Rates are measured over one cable between the hosts, because
the kernel carries a packet to its receiver in the sender's time: what stands between would be counted
as cost of probing. Each contender is scored on its own packets, by what it claims to
measure: ours and irtt the way there and back without the far host's dwell, fping the whole round trip.
Contenders take turns, at the same rate; then the same with a spinning process for each core.

The agent is one of 101 real ones, over the loopback of a namespace, each of the others its peer; the
collector is a scripted one that takes, checks and acknowledges reports over CURVE.

Needs root (namespaces), and fping and irtt (tools/setup installs them).
"""

import argparse
import contextlib
import ctypes
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from frame import Frame, add_options, progress  # noqa: E402

HOST_A = "10.99.0.1"
HOSTS_B = [f"10.99.0.{last}" for last in range(2, 10)]  # one node with eight ports
RATE = 100  # probes per second of every contender
STAMP_PORT = 862
IRTT_PORT = 2112
CEILING = 105_000  # probes per second that the engine is told to accept at most
ASKED = 200_000
PARTS = ("errors", "rates", "agent")


def need(program: str, package: str) -> None:
    if not shutil.which(program):
        sys.exit(f"probe: {program} is missing; install the package {package} (tools/setup)")


def need_built(program: pathlib.Path) -> pathlib.Path:
    if not program.exists():
        sys.exit(f"probe: {program} is missing; build the preset `release` first")
    return program


def run(*command: str) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


class Hosts:
    """Host A and host B, each in a namespace of this run's own prefix, joined by a bridge in a third
    or, where nothing is captured, by one cable."""

    def __init__(self, bridged: bool = True):
        self.prefix = f"lpprobe{os.getpid()}{'m' if bridged else 'd'}"
        self.a, self.bridge, self.b = (f"{self.prefix}-{name}" for name in ("a", "m", "b"))
        self.bridged = bridged

    def __enter__(self):
        try:
            for space in (self.a, self.bridge, self.b):
                run("ip", "netns", "add", space)
            if self.bridged:
                self.join_by_bridge()
            else:
                run("ip", "-n", self.a, "link", "add", "eth0", "type", "veth", "peer", "name",
                    "eth0", "netns", self.b)
            for space, addresses in ((self.a, [HOST_A]), (self.b, HOSTS_B)):
                for address in addresses:
                    run("ip", "-n", space, "addr", "add", f"{address}/24", "dev", "eth0")
                run("ip", "-n", space, "link", "set", "lo", "up")
                run("ip", "-n", space, "link", "set", "eth0", "up")
        except subprocess.CalledProcessError:
            self.__exit__()
            sys.exit("probe: cannot make network namespaces; run as root")
        return self

    def join_by_bridge(self):
        run("ip", "-n", self.bridge, "link", "add", "br0", "type", "bridge")
        run("ip", "-n", self.bridge, "link", "set", "br0", "up")
        for space, port in ((self.a, "pa"), (self.b, "pb")):
            run("ip", "-n", space, "link", "add", "eth0", "type", "veth", "peer", "name", port,
                "netns", self.bridge)
            run("ip", "-n", self.bridge, "link", "set", port, "master", "br0")
            run("ip", "-n", self.bridge, "link", "set", port, "up")

    def __exit__(self, *_):
        for space in (self.a, self.bridge, self.b):
            subprocess.run(["ip", "netns", "del", space], check=False, stderr=subprocess.DEVNULL)

    def start(self, space: str, *command: str, **options) -> subprocess.Popen:
        return subprocess.Popen(["ip", "netns", "exec", space, *command], **options)


def stop(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGTERM)
    process.wait()


CLONE_NEWNET = 0x40000000
SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS = 35
SOL_PACKET = 263
PACKET_STATISTICS = 6
ETH_P_ALL = 3
PCAP_NANO = 0xA1B23C4D
SNAP = 192  # octets of each packet that are kept


@contextlib.contextmanager
def inside(space: str):
    """This thread is in the namespace until the block is left."""
    def enter(file):
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET) != 0:
            sys.exit(f"probe: cannot enter {space}: {os.strerror(ctypes.get_errno())}")

    with open("/proc/thread-self/ns/net", "rb") as home, open(f"/run/netns/{space}", "rb") as there:
        enter(there)
        try:
            yield
        finally:
            enter(home)


def open_tap(port: str) -> socket.socket:
    """Holds all that passes the port, with the kernel's time of passing, until it is read."""
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    tap.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
    tap.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    tap.bind((port, ETH_P_ALL))
    tap.setblocking(False)
    return tap


def write_capture(tap: socket.socket, file: pathlib.Path) -> None:
    records = [struct.pack("<IHHIIII", PCAP_NANO, 2, 4, 0, 0, SNAP, 1)]
    with contextlib.suppress(BlockingIOError):
        while True:
            frame, control, _, _ = tap.recvmsg(SNAP, 256)
            stamp = next(data for level, kind, data in control
                         if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS))
            seconds, nanos = struct.unpack("qq", stamp)
            records.append(struct.pack("<IIII", seconds, nanos, len(frame), len(frame)) + frame)
    _, dropped = struct.unpack("II", tap.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
    if dropped:
        sys.exit(f"probe: the capture lost {dropped} packets")
    file.write_bytes(b"".join(records))


@contextlib.contextmanager
def captured(hosts: Hosts, folder: pathlib.Path, name: str):
    """Yields the two files; both are complete when the block is left.

    Plain packet sockets, read when all is over: what leaves a port is stamped before the tap has
    done its work, which a packet then waits for. A ring buffer, as of tcpdump, adds 2 us to that.
    """
    files = [folder / f"{name}-{port}.pcap" for port in ("pa", "pb")]
    with inside(hosts.bridge):
        taps = [open_tap(port) for port in ("pa", "pb")]
    yield files
    for tap, file in zip(taps, files):
        write_capture(tap, file)
        tap.close()


def read_packets(file: pathlib.Path):
    """(time in ns, protocol, source, source port, destination port, payload) of every IPv4 packet."""
    data = file.read_bytes()
    if struct.unpack_from("<I", data)[0] != PCAP_NANO:
        sys.exit(f"probe: {file} is not a capture with nanoseconds")
    offset = 24
    while offset + 16 <= len(data):
        seconds, nanos, size, _ = struct.unpack_from("<IIII", data, offset)
        frame = data[offset + 16:offset + 16 + size]
        offset += 16 + size
        if len(frame) < 34 or frame[12:14] != b"\x08\x00":
            continue
        header = (frame[14] & 15) * 4
        protocol = frame[23]
        source = ".".join(str(octet) for octet in frame[26:30])
        body = frame[14 + header:]
        when = seconds * 1_000_000_000 + nanos
        if protocol == 17 and len(body) >= 8:
            source_port, port = struct.unpack_from(">HH", body)
            yield when, "udp", source, source_port, port, body[8:]
        elif protocol == 1:
            yield when, "icmp", source, 0, 0, body


def stamp_key(packet):
    """(is an answer, sequence of the probe) of a packet of ours, or None."""
    _, protocol, source, source_port, port, payload = packet
    if protocol != "udp" or len(payload) < 44:
        return None
    if source == HOST_A and port == STAMP_PORT:
        return False, struct.unpack_from(">I", payload)[0]
    if source != HOST_A and source_port == STAMP_PORT:
        return True, struct.unpack_from(">I", payload, 24)[0]
    return None


def irtt_key(packet):
    _, protocol, _, source_port, port, payload = packet
    if protocol != "udp" or len(payload) < 16 or payload[:3] != b"\x14\xa7\x5b":
        return None
    if payload[3] not in (0, 2):  # the opening and closing of the session
        return None
    return source_port == IRTT_PORT, struct.unpack_from("<I", payload, 12)[0]


def fping_key(packet):
    _, protocol, _, _, _, payload = packet
    if protocol != "icmp" or len(payload) < 8 or payload[0] not in (0, 8):
        return None
    return payload[0] == 0, struct.unpack_from(">H", payload, 6)[0]


def truth_of(files, key_of, with_dwell: bool) -> dict:
    """Sequence -> RTT in ns between the bridge's ports and the far ends of both hosts."""
    times = []
    for file in files:
        seen = {}
        for packet in read_packets(file):
            key = key_of(packet)
            if key is not None:
                seen.setdefault(key, packet[0])
        times.append(seen)
    near, far = times
    truth = {}
    for (is_answer, sequence), left in near.items():
        if is_answer or (True, sequence) not in near:
            continue
        rtt = near[True, sequence] - left
        if not with_dwell:
            if (False, sequence) not in far or (True, sequence) not in far:
                continue
            rtt -= far[True, sequence] - far[False, sequence]
        truth[sequence] = rtt
    return truth


class StampPair:
    """Two engines: the prober on host A, the reflector, a node with eight ports, on host B."""

    def __init__(self, hosts: Hosts, program: pathlib.Path):
        self.hosts, self.program = hosts, str(program)

    def run(self, ports: int, interval_ns: int, flows: int, seconds: float, ceiling: float = 1e6,
            reflect_ceiling: float = 1e6, results: pathlib.Path | None = None):
        addresses = HOSTS_B[:ports]
        far = self.hosts.start(
            self.hosts.b, self.program, "--self", "2",
            *(word for address in addresses for word in ("--address", address)),
            "--peer", f"1/0@{HOST_A}:{STAMP_PORT}", "--interval-ns", "1000000000",
            "--reflect-ceiling", str(reflect_ceiling),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        time.sleep(0.3)
        near = self.hosts.start(
            self.hosts.a, self.program, "--self", "1", "--address", HOST_A,
            *(word for port, address in enumerate(addresses)
              for word in ("--peer", f"2/{port}@{address}:{STAMP_PORT}")),
            "--interval-ns", str(interval_ns), "--flows", str(flows), "--seconds", str(seconds),
            "--ceiling", str(ceiling), *(("--results", str(results)) if results else ()),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        near_output, _ = near.communicate()
        far_output, _ = far.communicate()  # its stdin closes: it ends
        if near.returncode or far.returncode:
            sys.exit("probe: the engine failed; its words stand above")
        return json.loads(near_output), json.loads(far_output)


def measure_ours(hosts, pair, folder, name, seconds):
    results = folder / f"{name}-results.csv"
    with captured(hosts, folder, name) as files:
        pair.run(1, 1_000_000_000 // RATE, 1, seconds, results=results)
    truth = truth_of(files, stamp_key, with_dwell=False)
    measured = {}
    for line in results.read_text(encoding="utf-8").splitlines():
        _, sequence, rtt = (int(field) for field in line.split(","))
        if rtt >= 0:
            measured[sequence] = rtt
    return measured, truth


def measure_fping(hosts, folder, name, seconds):
    with captured(hosts, folder, name) as files:
        process = hosts.start(hosts.a, "fping", "-c", str(int(seconds * RATE)), "-p",
                              str(1000 // RATE), "-D", HOSTS_B[0],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        output, _ = process.communicate()
    (folder / f"{name}-results.txt").write_text(output, encoding="utf-8")
    measured = {}
    for line in output.splitlines():
        match = re.search(r": \[(\d+)\], \d+ bytes, ([\d.]+) ms", line)
        if match:
            measured[int(match[1])] = float(match[2]) * 1e6
    return measured, truth_of(files, fping_key, with_dwell=True)


def measure_irtt(hosts, folder, name, seconds):
    output = folder / f"{name}-results.json"
    server = hosts.start(hosts.b, "irtt", "server", "-b", f"{HOSTS_B[0]}:{IRTT_PORT}", "-i", "0",
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    with captured(hosts, folder, name) as files:
        hosts.start(hosts.a, "irtt", "client", "-i", f"{1000 // RATE}ms", "-d", f"{seconds}s",
                    "-q", "-o", str(output), HOSTS_B[0], stdout=subprocess.DEVNULL).wait()
    stop(server)
    trips = json.loads(output.read_text(encoding="utf-8"))["round_trips"]
    measured = {trip["seqno"]: trip["delay"]["rtt"] for trip in trips if "rtt" in trip["delay"]}
    return measured, truth_of(files, irtt_key, with_dwell=False)


def median_error_us(measured: dict, truth: dict, name: str) -> float:
    common = measured.keys() & truth.keys()
    if len(common) < len(truth) / 2 or not common:
        sys.exit(f"probe: {name}: only {len(common)} of {len(truth)} captured probes were measured")
    return statistics.median(abs(measured[key] - truth[key]) for key in common) / 1e3


@contextlib.contextmanager
def both_cores_busy(wanted: bool):
    spinners = [subprocess.Popen([sys.executable, "-c", "while True: pass"])
                for _ in range(os.cpu_count() or 1) if wanted]
    try:
        yield
    finally:
        for spinner in spinners:
            stop(spinner)


def measure_errors(hosts, pair, folder, arguments) -> dict:
    """(contender, load) -> median error of each run, in us."""
    contenders = {"rtt": lambda *where: measure_ours(hosts, pair, *where)}
    if not arguments.no_peers:
        contenders["fping"] = lambda *where: measure_fping(hosts, *where)
        contenders["irtt"] = lambda *where: measure_irtt(hosts, *where)
    errors: dict = {}
    for turn in range(arguments.runs):
        for load in ("idle", "busy"):
            with both_cores_busy(load == "busy"):
                for name, measure in contenders.items():
                    label = f"{name}-{load}-{turn}"
                    error = median_error_us(*measure(folder, label, arguments.seconds), label)
                    progress(f"{label}: median error {error:.2f} us")
                    errors.setdefault((name, load), []).append(error)
    return errors


def kernel_limit(hosts, build: pathlib.Path, seconds: float) -> tuple[float, float]:
    """Per CPU-second: packets sent, stamped, answered and stamped again by a loop that does nothing
    else, and by the echo at its other end."""
    program = str(need_built(build / "tests/bench/prober/stamp_limit"))
    per_tick = str(CEILING // 200)
    echo = hosts.start(hosts.b, program, "echo", HOSTS_B[0], HOST_A, per_tick, str(seconds + 0.5),
                       stdout=subprocess.PIPE, text=True)
    time.sleep(0.2)
    loop = hosts.start(hosts.a, program, "send", HOST_A, HOSTS_B[0], per_tick, str(seconds),
                       stdout=subprocess.PIPE, text=True)
    ends = [json.loads(process.communicate()[0]) for process in (loop, echo)]
    return tuple(end["answered"] / end["cpu_s"] for end in ends)


def measure_rates(pair, frame: Frame, arguments) -> None:
    probes, reflections, accepted, lost, limits = [], [], [], [], []
    for turn in range(arguments.runs):
        near, far = pair.run(8, int(8e9 / ASKED), 4, arguments.seconds, ceiling=CEILING)
        # Fully accounted: sent, stamped, answered, in a sample.
        probes.append(near["answered"] / near["probing_cpu_s"])
        reflections.append(far["reflected"] / far["probing_cpu_s"])
        accepted.append(near["sent"] / arguments.seconds)
        lost.append(near["lost"])
        limits.append(kernel_limit(pair.hosts, arguments.build_dir, arguments.seconds))
        progress(f"rate-{turn}: {accepted[-1]:.0f}/s accepted of {ASKED} asked, {near['lost']} lost, "
                 f"{near['missed']} missed, {probes[-1]:.0f} probes and {reflections[-1]:.0f} "
                 f"reflections per CPU-second; the kernel's limit {limits[-1][0]:.0f} and "
                 f"{limits[-1][1]:.0f}")
    frame.add("probes_per_s_core", probes)
    frame.add("reflections_per_s_core", reflections)
    frame.add("accepted_rate", accepted)
    frame.add("kernel_limit_probes_per_s_core", [limit[0] for limit in limits])
    frame.add("kernel_limit_echoes_per_s_core", [limit[1] for limit in limits])
    frame.put("asked_rate", ASKED)
    frame.put("false_loss", sum(lost))

    # The reflector accepts half of what comes; the rest must be refused, and counted as refused.
    near, far = pair.run(8, int(8e9 / 60_000), 4, arguments.seconds, reflect_ceiling=30_000)
    progress(f"refusal: {near['sent']} sent, {far['reflected']} reflected, {far['refused_rate']} "
             "refused")
    frame.put("refused_above_rate", far["refused_rate"] / arguments.seconds)
    frame.put("refusals_unaccounted", near["sent"] - far["reflected"] - far["refused_rate"])

    # What an agent does: 1000 probes a second on a 5 ms tick.
    near, _ = pair.run(8, 8_000_000, 2, arguments.seconds)
    frame.put("missed_sends_ratio", near["missed"] / max(1, near["missed"] + near["sent"]))
    frame.put("prober_cpu_percent_1000", 100 * near["probing_cpu_s"] / arguments.seconds)


def measure_agent(hosts, build: pathlib.Path, frame: Frame, runs: int) -> None:
    """One agent among 100 others, all real, ten probes a second each way; memory and CPU are its own."""
    program = need_built(build / "tests/bench/agent/agent_footprint")
    memory, private, cpu = [], [], []
    for turn in range(runs):
        footprint = hosts.start(hosts.a, str(program), "--peers", "100", "--interval-ms", "100",
                                "--seconds", "10", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                text=True)
        output, _ = footprint.communicate()
        if footprint.returncode:
            sys.exit("probe: agent_footprint failed; its words stand above")
        figures = json.loads(output)
        memory.append(figures["agent_rss_kb"])
        private.append(figures["agent_rss_anon_kb"])
        cpu.append(figures["agent_cpu_percent"])
        progress(f"agent-{turn}: {cpu[-1]:.2f} % of a core, {private[-1]} kB private, "
                 f"{memory[-1]} kB resident, {figures['probes_sent']} probes sent, "
                 f"{figures['probes_answered']} answered")
    frame.add("agent_rss_kb", memory)
    frame.add("agent_anon_kb", private)
    frame.add("agent_cpu_percent", cpu)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, runs=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each run (default: 4)")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS,
                        help="what to measure (default: all)")
    arguments = parser.parse_args()
    if not arguments.no_peers:
        need("fping", "fping")
        need("irtt", "irtt")
    program = need_built(arguments.build_dir / "tests/bench/prober/stamp_bench")

    frame = Frame("probe", arguments)
    with tempfile.TemporaryDirectory() as scratch, Hosts() as hosts, Hosts(bridged=False) as cable:
        folder = arguments.dump or pathlib.Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        with frame.measured():
            errors = {}
            if "errors" in arguments.parts:
                errors = measure_errors(hosts, StampPair(hosts, program), folder, arguments)
            if "rates" in arguments.parts:
                measure_rates(StampPair(cable, program), frame, arguments)
            if "agent" in arguments.parts:
                measure_agent(cable, arguments.build_dir, frame, arguments.runs)
    for (name, load), values in errors.items():
        key = f"rtt_error_us_{load}_p50" if name == "rtt" else f"{name}_error_us_{load}_p50"
        frame.add(key, values)
    frame.finish()


if __name__ == "__main__":
    main()
