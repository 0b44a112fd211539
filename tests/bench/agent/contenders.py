"""The peers of the `react` bench: routing daemons that move the kernel's routes.

A contender has `start(triangle, folder)`, `wait_for_link(triangle)` (the pair of hosts whose link the stream
from a uses first, once that is settled), `arrivals_ns()`, the seconds it needs to settle at first, to be left
cut, and to settle after a heal, and the `triangles` its cuts are shared out to, so that the run stays short.
"""

import pathlib
import sys
import time

from triangle import HOSTS, run

DIRECT_TIMEOUT_S = 120

BFD = """protocol bfd {
  interface "to-*" { min rx interval 50 ms; min tx interval 50 ms; idle tx interval 50 ms; multiplier 3; };
}
"""
BIRD_HEAD = """router id {router};
protocol device {{ scan time 1; }}
"""


class KernelRouted:
    """Streams go where the kernel's routes say; a cut counts only while that is the direct link."""

    def __init__(self, build_dir):
        del build_dir  # a program of Debian's

    def start(self, triangle, folder):
        self.arrivals_file = pathlib.Path(folder) / "arrivals"
        self.start_daemons(triangle, folder)
        stream = [sys.executable, str(pathlib.Path(__file__).with_name("paced_stream.py"))]
        a, b = triangle.loopback("a"), triangle.loopback("b")
        triangle.spawn("b", *stream, "receive", b, str(self.arrivals_file))
        triangle.spawn("a", *stream, "send", a, b)

    def arrivals_ns(self):
        lines = self.arrivals_file.read_text(encoding="utf-8").splitlines()
        return [int(line.split()[1]) for line in lines if len(line.split()) == 2]

    def wait_for_link(self, triangle):
        deadline = time.monotonic() + DIRECT_TIMEOUT_S
        direct = f"dev {triangle.interface('a', 'b')}"
        while direct not in run("ip", "-n", triangle.namespace("a"), "route", "get",
                                triangle.loopback("b")):
            if time.monotonic() > deadline:
                raise RuntimeError(f"no direct route within {DIRECT_TIMEOUT_S} s of a heal")
            time.sleep(0.25)
        return "a", "b"


def _start_bird(triangle, folder, configs):
    for host, text in configs.items():
        path = pathlib.Path(folder) / f"bird-{host}.conf"
        path.write_text(text, encoding="utf-8")
        triangle.spawn(host, "bird", "-f", "-c", str(path), "-s", f"{folder}/bird-{host}.ctl",
                       "-P", f"{folder}/bird-{host}.pid", stderr=open(f"{folder}/bird-{host}.log", "w"))


class BirdOspf(KernelRouted):
    """BIRD 2, OSPF with BFD 50 ms x 3 on every link; the direct link costs 5, the others 10."""

    name = "bird_ospf_bfd"
    triangles = 2
    settle_s = 15.0
    out_s = 3.0
    heal_s = 10.0

    def start_daemons(self, triangle, folder):
        configs = {}
        for host in HOSTS:
            links = "".join(
                f'    interface "to-{peer}" {{ type ptp; hello 1; dead count 4; bfd yes; '
                f"cost {5 if {host, peer} == {'a', 'b'} else 10}; }};\n"
                for peer in HOSTS if peer != host)
            configs[host] = BIRD_HEAD.format(router=triangle.loopback(host)) + BFD + f"""
protocol kernel {{ ipv4 {{ import none; export where source ~ [ RTS_OSPF, RTS_OSPF_IA ]; }}; }}
protocol ospf v2 {{
  ipv4 {{ import all; export none; }};
  area 0 {{
    interface "lo" {{ stub yes; }};
{links}  }};
}}
"""
        _start_bird(triangle, folder, configs)


class BirdStatic(KernelRouted):
    """BIRD 2, static routes watched by BFD 50 ms x 3: the backup is installed by hand beforehand."""

    name = "bird_static_bfd"
    triangles = 1
    settle_s = 8.0
    out_s = 2.0
    heal_s = 5.0

    def start_daemons(self, triangle, folder):
        configs = {}
        for host in HOSTS:
            others = [peer for peer in HOSTS if peer != host]
            first = "".join(f"  route {triangle.loopback(peer)}/32 via {triangle.address(peer, host)} bfd;\n"
                            for peer in others)
            second = "".join(
                f"  route {triangle.loopback(peer)}/32 via "
                f"{triangle.address(others[1 - i], host)} bfd;\n" for i, peer in enumerate(others))
            configs[host] = BIRD_HEAD.format(router=triangle.loopback(host)) + BFD + f"""
protocol kernel {{ ipv4 {{ import none; export all; }}; }}
protocol static watched {{
  ipv4 {{ preference 200; }};
{first}}}
protocol static backup {{
  ipv4 {{ preference 100; }};
{second}}}
"""
        _start_bird(triangle, folder, configs)


class Babeld(KernelRouted):
    """babeld with hellos twenty times as fast as its default, so that it is at its best."""

    name = "babeld"
    triangles = 4
    hello_s = 0.2
    settle_s = 15.0
    out_s = 3.0
    heal_s = 6.0

    def start_daemons(self, triangle, folder):
        for host in HOSTS:
            interfaces = [f"to-{peer}" for peer in HOSTS if peer != host]
            options = []
            for interface in interfaces:
                options += ["-C", f"interface {interface} type wired hello-interval {self.hello_s}"
                                  f" update-interval {self.hello_s * 4}"]
            triangle.spawn(host, "babeld", "-I", f"{folder}/babeld-{host}.pid",
                           "-S", f"{folder}/babeld-{host}.state", *options,
                           "-C", f"redistribute local ip {triangle.loopback(host)}/32 allow",
                           "-C", "redistribute local deny", *interfaces,
                           stdout=open(f"{folder}/babeld-{host}.log", "w"), stderr=-2)
