#!/usr/bin/python3
"""Paths: how complete and how fast `linkpilot path` lists hops, beside scamper and mtr.

Two grounds, contenders in turns, all at the same packet rate and with the same flows (UDP, source ports in a
row). `far`: fifteen hops, 80 ms away, made by the WAN emulator; what is timed is the whole call of the program,
and all eight flows' hops have to be there. `limited`: kernel routers that limit their ICMP errors as Linux does
by itself (six at once, then one a second to each sender), three probes a hop, where a tracer that asks at the
wrong moment gets no answer. mtr traces a flow a process, all at once. dublin-traceroute (0.4.2) is no contender:
in a namespace of its own it does not end by itself.

A hop is complete where the address listed is the true one. `falsely_blamed` counts hops we blame for loss:
nothing is lost on either ground.

Needs root (namespaces), and scamper and mtr-tiny (tools/setup installs them).
"""

import argparse
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "bench"))
sys.path.insert(0, str(ROOT / "tests" / "netns" / "prober"))
from frame import Frame, add_options, median_and_mad, progress  # noqa: E402
from path_network import Network  # noqa: E402

FLOWS = 8
FIRST_PORT = 20001
PORT = 33434
HOPS = 15
RATE = 200  # packets a second of every contender
GRACE_S = 1  # for answers, of every contender that can be told
LIMITED_PROBES = 3
TOPOLOGY = f"""name = "path"
[defaults]
hops = {HOPS - 1}
[[regions]]
name = "east"
one_way_ms = [0, 40]
[[regions]]
name = "west"
one_way_ms = [40, 0]
[[nodes]]
name = "a"
region = "east"
[[nodes]]
name = "b"
region = "west"
[[nodes]]
name = "collector"
region = "west"
kind = "collector"
"""
PACKAGES = {"scamper": "scamper", "mtr": "mtr-tiny"}


class Ground:
    """Where traces are made: a way into the sender's namespace, a target, and the true list of hops."""

    def __init__(self, name, inside, target, truth, probes):
        self.name, self.inside, self.target, self.truth, self.probes = name, inside, target, truth, probes


@contextlib.contextmanager
def far(build):
    """Hop i of the emulator's routers belongs to the nearer node (tools/lab/topology.h)."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="linkpilot-path-bench-"))
    prefix = f"lpp{os.getpid():x}"
    (folder / "topology.toml").write_text(TOPOLOGY, encoding="utf-8")
    process = subprocess.Popen(
        [str(build / "tools/lab/linkpilot-lab"), "run", "--topology", str(folder / "topology.toml"), "--prefix",
         prefix, "--control", str(folder / "control"), "--ledger", str(folder / "ledger"), "--seed", "1"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        line = process.stdout.readline()
        if not line:
            sys.exit("path: the WAN emulator did not come up; it needs root")
        target = json.loads(line)["addresses"]["b"][0]
        truth = [f"198.18.1.{hop}" if hop * 2 <= HOPS else f"198.19.2.{HOPS - hop}" for hop in range(1, HOPS)]
        # The host itself would limit its errors, and be the one that decides.
        subprocess.run(["ip", "netns", "exec", f"{prefix}-b", "sysctl", "-q", "-w", "net.ipv4.icmp_ratelimit=0"],
                       check=True)
        yield Ground("far", ["ip", "netns", "exec", f"{prefix}-a"], target, [*truth, target], 1)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        process.stdout.close()
        shutil.rmtree(folder)


@contextlib.contextmanager
def limited():
    network = Network()
    hosts = ["src", "r1", "r2", "r3", "dst"]
    try:
        network.add(*hosts)
        links = network.chain(*hosts)
        for host in hosts[1:]:
            network.inside(host, "sysctl", "-q", "-w", "net.ipv4.icmp_ratelimit=1000")
        truth = [f"10.0.{link}.2" for link in links]
        yield Ground("limited", ["ip", "netns", "exec", network.name("src")], truth[-1], truth, LIMITED_PROBES)
    finally:
        network.close()


def call(ground, *command):
    done = subprocess.run([*ground.inside, *map(str, command)], capture_output=True, text=True, check=False,
                          timeout=120, stdin=subprocess.DEVNULL)
    return done.stdout


class Ours:
    name = "linkpilot"

    def __init__(self, program):
        self.program = program
        self.blamed = 0

    def trace(self, ground):
        said = json.loads(call(ground, self.program, "--json", "path", ground.target, "--flows", FLOWS, "--rounds",
                               ground.probes, "--rate", RATE, "--source-port", FIRST_PORT, "--port", PORT,
                               "--timeout-hop", GRACE_S))
        self.blamed += len(said["blamed"])
        return [[hop["address"] for hop in flow["hops"]] for flow in said["flows"]]


class Scamper:
    name = "scamper"

    def trace(self, ground):
        words = []
        for port in range(FIRST_PORT, FIRST_PORT + FLOWS):
            # -q: for a hop that is silent; a complete list needs no second.
            words += ["-I", f"trace -P udp-paris -s {port} -d {PORT} -q {max(2, ground.probes)} -w {GRACE_S} "
                            f"{ground.target}"]
        flows = []
        for line in call(ground, "scamper", "-p", RATE, "-O", "json", *words).splitlines():
            trace = json.loads(line)
            if trace["type"] != "trace":
                continue
            row = [None] * trace["hop_count"]
            for hop in trace.get("hops", []):
                row[hop["probe_ttl"] - 1] = hop["addr"]
            flows.append(row)
        return flows


class Mtr:
    name = "mtr"

    def trace(self, ground):
        # It spreads a cycle over the hops it expects, ten at first.
        interval = 10 * FLOWS / RATE
        running = [subprocess.Popen(
            [*ground.inside, "mtr", "--json", "-n", "-u", "-P", str(PORT), "-L", str(port), "-c",
             str(ground.probes), "-i", str(interval), "-G", str(GRACE_S), ground.target],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, text=True)
            for port in range(FIRST_PORT, FIRST_PORT + FLOWS)]
        flows = []
        for process in running:
            said = process.communicate(timeout=120)[0]
            hubs = json.loads(said)["report"]["hubs"] if said.strip() else []
            flows.append([None if hub["host"] == "???" else hub["host"] for hub in hubs])
        return flows


def completeness(ground, flows):
    right = sum(found == true for flow in flows for found, true in zip(flow, ground.truth))
    return right / (FLOWS * len(ground.truth))


def contest(ground, contenders, arguments, paths):
    """Per contender: seconds and completeness of each run."""
    results = {one.name: ([], []) for one in contenders}
    for run in range(arguments.runs):
        for one in contenders:
            if ground.name == "limited":
                time.sleep(7)  # so that the buckets of all routers are full again
            started = time.monotonic()
            flows = one.trace(ground)
            seconds = time.monotonic() - started
            complete = completeness(ground, flows)
            results[one.name][0].append(seconds)
            results[one.name][1].append(complete)
            paths.append({"ground": ground.name, "run": run, "contender": one.name, "seconds": seconds,
                          "complete": complete, "flows": flows})
            progress(f"{ground.name} run {run + 1}: {one.name} {1000 * seconds:.0f} ms, {100 * complete:.1f} % complete")
    return results


def put_results(frame, ground, results, peers):
    for name, (seconds, complete) in results.items():
        key = f"{ground}.{name.replace('-', '_')}"
        frame.put(f"{key}.ms", 1000 * median_and_mad(seconds)[0])
        frame.put(f"{key}.complete_ratio", sum(complete) / len(complete))
    if ground == "far":
        frame.add("trace_ms", [1000 * value for value in results[Ours.name][0]])
        if peers:
            fastest = min(peers, key=lambda peer: median_and_mad(results[peer.name][0])[0])
            frame.add("fastest_peer_ms", [1000 * value for value in results[fastest.name][0]])
            frame.put("fastest_peer", fastest.name)


def mean_of(per_ground, name):
    values = [value for results in per_ground.values() for value in results[name][1]]
    return sum(values) / len(values)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, runs=5)
    parser.add_argument("--program", type=pathlib.Path, help="default: linkpilot of the build directory")
    arguments = parser.parse_args()
    program = arguments.program or arguments.build_dir / "tools/linkpilot/linkpilot"
    if not program.exists():
        sys.exit(f"path: {program} is missing; build the preset `release` first")
    peers = [] if arguments.no_peers else [Scamper(), Mtr()]
    for command, package in PACKAGES.items():
        if peers and not shutil.which(command):
            sys.exit(f"path: {command} is missing; install the package {package} (tools/setup)")
    ours = Ours(program.resolve())
    frame = Frame("path", arguments)
    per_ground, paths = {}, []
    with frame.measured():
        for make in (lambda: far(arguments.build_dir), limited):
            with make() as ground:
                per_ground[ground.name] = contest(ground, [ours, *peers], arguments, paths)
    for ground, results in per_ground.items():
        put_results(frame, ground, results, peers)
    frame.put("packets_per_s", RATE)
    frame.put("hops_complete_ratio", mean_of(per_ground, ours.name))
    if peers:
        frame.put("best_peer_complete_ratio", max(mean_of(per_ground, peer.name) for peer in peers))
    frame.put("falsely_blamed", ours.blamed)
    if arguments.dump:
        arguments.dump.mkdir(parents=True, exist_ok=True)
        (arguments.dump / "paths.json").write_text(json.dumps(paths, indent=1), encoding="utf-8")
    frame.finish()


if __name__ == "__main__":
    main()
