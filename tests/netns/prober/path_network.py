"""Kernel routers in network namespaces, for tests of what sees paths. Needs root.

Every link is a veth pair with 10.0.N.0/24 and fd00:N::/64, the first host .1, the second .2. Names carry a
prefix of this process, and close() takes away what was made.
"""
import os
import subprocess

SYSCTLS = ("net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.rp_filter=0 "
           "net.ipv4.conf.default.rp_filter=0 net.ipv4.icmp_ratelimit=0 net.ipv4.icmp_msgs_per_sec=100000 "
           "net.ipv4.icmp_msgs_burst=100000 net.ipv6.icmp.ratelimit=0 net.ipv4.fib_multipath_hash_policy=1 "
           "net.ipv6.fib_multipath_hash_policy=1 net.ipv6.conf.all.accept_dad=0 "
           "net.ipv6.conf.default.accept_dad=0")


def run(*words, text=None):
    done = subprocess.run(words, capture_output=True, text=True, input=text, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


class Network:
    def __init__(self):
        if os.geteuid() != 0:
            raise RuntimeError("this test makes network namespaces: run it as root")
        self.prefix = f"pt{os.getpid()}"
        self.hosts = []
        self.links = 0

    def name(self, host):
        return f"{self.prefix}{host}"

    def add(self, *hosts):
        for host in hosts:
            run("ip", "netns", "add", self.name(host))
            self.hosts.append(host)
            self.ip(host, "link set lo up")
            self.inside(host, "sysctl", "-q", "-w", *SYSCTLS.split())

    def close(self):
        for host in self.hosts:
            run("ip", "netns", "del", self.name(host))
        self.hosts = []

    def ip(self, host, *lines):
        run("ip", "-n", self.name(host), "-batch", "-", text="\n".join(lines) + "\n")

    def inside(self, host, *words):
        return run("ip", "netns", "exec", self.name(host), *words)

    def link(self, first, second, mtu=1500):
        """Joins two hosts; returns the number of the link, which is in its addresses and device names."""
        self.links += 1
        number = self.links
        device = f"l{number}"
        run("ip", "link", "add", device, "netns", self.name(first), "type", "veth", "peer", "name", device,
            "netns", self.name(second))
        for host, last in ((first, 1), (second, 2)):
            self.ip(host, f"addr add 10.0.{number}.{last}/24 dev {device}",
                    f"addr add fd00:{number}::{last}/64 dev {device} nodad",
                    f"link set {device} mtu {mtu} up")
        return number

    def route(self, host, target_link, *via):
        """To a link's network; `via`: pairs of link and the gateway's last octet. Several: balanced."""
        for target, hop in ((f"10.0.{target_link}.0/24", "10.0.{}.{}"), (f"fd00:{target_link}::/64", "fd00:{}::{}")):
            hops = [f"via {hop.format(*one)} dev l{one[0]}" for one in via]
            words = hops[0] if len(hops) == 1 else " ".join(f"nexthop {one}" for one in hops)
            self.ip(host, f"route add {target} {words}")

    def chain(self, *hosts, mtus=None):
        """A row of hosts; each knows the way to each link. Returns the numbers of the links."""
        links = [self.link(a, b, (mtus or {}).get(a, 1500)) for a, b in zip(hosts, hosts[1:])]
        for at, host in enumerate(hosts):
            for number, link in enumerate(links):
                if number > at:
                    self.route(host, link, (links[at], 2))
                elif number < at - 1:
                    self.route(host, link, (links[at - 1], 1))
        return links
