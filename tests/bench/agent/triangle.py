"""A triangle of network namespaces joined by veth pairs: a, b, c, and one management host m.

Each host has a loopback address that streams and daemons use; kernel routes between neighbours are the
contender's business. Cutting a link drops silently at both receivers (nftables, IPv4 and
IPv6), which is what a fibre cut looks like: no interface goes down and no sender gets an error.
"""

import itertools
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[3]

HOSTS = ("a", "b", "c")
LINKS = (("a", "b"), ("a", "c"), ("b", "c"))


def run(*command, text=None):
    done = subprocess.run(command, input=text, text=True, capture_output=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


class Triangle:
    """Made on entry, removed on exit; `number` keeps several triangles of one run apart."""

    _serial = itertools.count()

    def __init__(self, number):
        self.number = number
        self.prefix = f"lpr{os.getpid()}x{next(self._serial)}"
        self.processes = []

    def namespace(self, host):
        return f"{self.prefix}-{host}"

    def loopback(self, host):
        return f"10.{200 + self.number}.255.{'abcm'.index(host) + 1}"

    def interface(self, host, peer):
        return f"to-{peer}"

    def address(self, host, peer):
        """The address of `host` on its link to `peer`."""
        low, high = sorted((host, peer))
        subnet = 16 * "abcm".index(low) + "abcm".index(high)
        return f"10.{200 + self.number}.{subnet}.{1 if host == low else 2}"

    def __enter__(self):
        batch = []
        for host in (*HOSTS, "m"):
            run("ip", "netns", "add", self.namespace(host))
        for one, other in (*LINKS, ("a", "m"), ("b", "m"), ("c", "m")):
            run("ip", "link", "add", self.interface(one, other), "netns", self.namespace(one),
                "type", "veth", "peer", "name", self.interface(other, one),
                "netns", self.namespace(other))
        for host in (*HOSTS, "m"):
            space = self.namespace(host)
            batch = [f"addr add {self.loopback(host)}/32 dev lo", "link set lo up"]
            for peer in (*HOSTS, "m"):
                if peer != host:
                    interface = self.interface(host, peer)
                    batch += [f"addr add {self.address(host, peer)}/30 dev {interface}",
                              f"link set {interface} up"]
            run("ip", "-n", space, "-batch", "-", text="\n".join(batch) + "\n")
            run("ip", "netns", "exec", space, "sh", "-c",
                "echo 1 >/proc/sys/net/ipv4/ip_forward;"
                "for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >$f; done")
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
        for host in (*HOSTS, "m"):
            subprocess.run(["ip", "netns", "del", self.namespace(host)], capture_output=True)

    def spawn(self, host, *command, **options):
        process = subprocess.Popen(["ip", "netns", "exec", self.namespace(host), *command], **options)
        self.processes.append(process)
        return process

    def neighbour_routes(self):
        """Plain kernel routes to the neighbours' loopbacks: nothing reroutes them."""
        for one, other in LINKS:
            for host, peer in ((one, other), (other, one)):
                run("ip", "-n", self.namespace(host), "route", "replace",
                    f"{self.loopback(peer)}/32", "via", self.address(peer, host),
                    "src", self.loopback(host))

    def cut(self, one, other):
        """Drops silently at both ends what comes from the other."""
        for host, peer in ((one, other), (other, one)):
            run("ip", "netns", "exec", self.namespace(host), "nft", "-f", "-", text=f"""
                table inet cut {{
                  chain prerouting {{
                    type filter hook prerouting priority -300;
                    iifname "{self.interface(host, peer)}" drop
                  }}
                }}""")

    def heal(self, one, other):
        for host in (one, other):
            run("ip", "netns", "exec", self.namespace(host), "nft", "delete", "table", "inet", "cut")
