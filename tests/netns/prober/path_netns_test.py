#!/usr/bin/python3
"""`linkpilot path` against kernel routers in namespaces: hop lists exact in every topology.

Needs root; without it the run fails and says so.
"""
import json
import os
import subprocess
import unittest

from path_network import Network

PROGRAM = os.environ.get("LINKPILOT_CLI", "linkpilot")


def addresses(flow):
    return [hop["address"] for hop in flow["hops"]]


class PathTest(unittest.TestCase):
    def setUp(self):
        self.net = Network()
        self.addCleanup(self.net.close)

    def trace(self, host, *words, code=0):
        done = subprocess.run(["ip", "netns", "exec", self.net.name("src"), PROGRAM, "--json", "path", host, *words],
                              capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(done.returncode, code, done.stderr + done.stdout)
        return json.loads(done.stdout)

    def row(self, links, v6=False):
        """The answers of a chain: the far end of each link."""
        return [f"fd00:{link}::2" if v6 else f"10.0.{link}.2" for link in links]


class Chain(PathTest):
    """src - r1 - r2 - r3 - dst"""

    def setUp(self):
        super().setUp()
        self.net.add("src", "r1", "r2", "r3", "dst")
        self.links = self.net.chain("src", "r1", "r2", "r3", "dst")
        self.target = f"10.0.{self.links[-1]}.2"
        self.target6 = f"fd00:{self.links[-1]}::2"

    def test_every_protocol_and_family_lists_every_hop(self):
        for target, v6 in ((self.target, False), (self.target6, True)):
            for protocol in ("udp", "icmp", "tcp"):
                with self.subTest(protocol=protocol, v6=v6):
                    found = self.trace(target, "--proto", protocol, "--flows", "8", "--rounds", "2",
                                       "--interval", "0.2", "--rate", "1000")
                    self.assertEqual(len(found["flows"]), 8)
                    for flow in found["flows"]:
                        self.assertEqual(addresses(flow), self.row(self.links, v6))
                        self.assertEqual(flow["end"], "reached")
                        for hop in flow["hops"]:
                            self.assertEqual((hop["sent"], hop["lost"]), (2, 0))
                            self.assertEqual(hop["return_hops"], hop["ttl"])
                            self.assertFalse(hop["nat"])
                            self.assertGreater(hop["rtt_ms"]["min"], 0)
                    self.assertEqual(found["packets"]["clock_doubts"], 0)

    def test_an_open_tcp_port_answers_as_well_as_a_closed_one(self):
        server = subprocess.Popen(
            ["ip", "netns", "exec", self.net.name("dst"), "/usr/bin/python3", "-c",
             "import socket, time\ns = socket.create_server(('', 1935))\nprint(flush=True)\ntime.sleep(60)"],
            stdout=subprocess.PIPE)
        try:
            server.stdout.readline()
            found = self.trace(self.target, "--proto", "tcp", "--flows", "4", "--rounds", "2", "--interval", "0.3")
            for flow in found["flows"]:
                self.assertEqual(addresses(flow), self.row(self.links))
        finally:
            server.kill()
            server.communicate()

    def test_a_silent_hop_is_a_gap_and_not_an_end(self):
        for tool, kind in (("iptables", "icmp"), ("ip6tables", "icmpv6")):
            self.net.inside("r2", tool, "-A", "OUTPUT", "-p", kind, "-j", "DROP")
        for target, v6 in ((self.target, False), (self.target6, True)):
            row = self.row(self.links, v6)
            # Neighbour discovery is ICMPv6 as well: r2 must know its neighbours for good.
            if v6:
                self.settle_neighbours()
            found = self.trace(target, "--flows", "3", "--rounds", "1")
            for flow in found["flows"]:
                self.assertEqual(addresses(flow), [row[0], None, row[2], row[3]])
            self.assertEqual(found["blamed"], [])

    def settle_neighbours(self):
        self.net.inside("r2", "ip6tables", "-F", "OUTPUT")
        self.net.inside("r2", "ip6tables", "-A", "OUTPUT", "-p", "icmpv6", "--icmpv6-type", "time-exceeded",
                        "-j", "DROP")

    def test_nobody_is_blamed_for_limiting_its_answers(self):
        for host in ("r1", "r2", "r3", "dst"):
            self.net.inside(host, "sysctl", "-q", "-w", "net.ipv4.icmp_ratelimit=1000")
        found = self.trace(self.target, "--flows", "6", "--rounds", "4", "--interval", "0.5")
        self.assertEqual(found["blamed"], [])
        self.assertGreater(sum(hop["lost"] for flow in found["flows"] for hop in flow["hops"]), 10,
                           "the limit must bite")
        self.assertEqual(addresses(found["flows"][0]), self.row(self.links))

    def test_one_limited_hop_is_not_blamed_and_all_are_listed(self):
        self.net.inside("r2", "sysctl", "-q", "-w", "net.ipv4.icmp_ratelimit=1000")
        found = self.trace(self.target, "--flows", "4", "--rounds", "4", "--interval", "0.5", "--proto", "icmp")
        self.assertEqual(found["blamed"], [])
        for flow in found["flows"]:
            self.assertEqual(addresses(flow), self.row(self.links))

    def test_loss_that_persists_is_blamed_on_its_place(self):
        # What r2 passes on is lost; what dies at r2 is answered.
        self.net.inside("r2", "iptables", "-A", "FORWARD", "-d", self.target, "-m", "statistic", "--mode", "nth",
                        "--every", "3", "--packet", "0", "-j", "DROP")
        found = self.trace(self.target, "--flows", "1", "--rounds", "40", "--interval", "0.1", "--proto", "icmp",
                           code=1)
        self.assertEqual(len(found["blamed"]), 1)
        self.assertEqual(found["blamed"][0]["after_hop"], 2)
        self.assertGreater(found["blamed"][0]["hop"], 2)

    def test_a_source_nat_hides_nothing(self):
        self.net.inside("r1", "iptables", "-t", "nat", "-A", "POSTROUTING", "-o", f"l{self.links[1]}",
                        "-j", "MASQUERADE")
        for protocol in ("udp", "icmp", "tcp"):
            with self.subTest(protocol=protocol):
                found = self.trace(self.target, "--proto", protocol, "--flows", "4", "--rounds", "1")
                for flow in found["flows"]:
                    self.assertEqual(addresses(flow), self.row(self.links))

    def test_a_destination_behind_a_nat_is_said_to_be(self):
        # The public address is one of r1's; r1 passes it on to dst, and answers from behind show it.
        public = f"10.0.{self.links[0]}.2"
        self.net.inside("r1", "iptables", "-t", "nat", "-A", "PREROUTING", "-d", public, "-p", "udp",
                        "-j", "DNAT", "--to-destination", self.target)
        found = self.trace(public, "--flows", "2", "--rounds", "1")
        for flow in found["flows"]:
            self.assertEqual(flow["end"], "reached")
            self.assertEqual(len(flow["hops"]), 4)
            self.assertTrue(any(hop["nat"] for hop in flow["hops"]))

    def test_a_filter_is_named_with_what_it_says(self):
        self.net.inside("r3", "iptables", "-A", "FORWARD", "-d", self.target, "-j", "REJECT", "--reject-with",
                        "icmp-admin-prohibited")
        found = self.trace(self.target, "--flows", "2", "--rounds", "1", code=1)
        for flow in found["flows"]:
            self.assertEqual(flow["end"], "refused")
            self.assertEqual(flow["hops"][-1]["refused"], "prohibited")
            self.assertEqual(flow["hops"][-1]["address"], self.row(self.links)[2])

    def test_a_destination_that_drops_all_ends_the_list_where_answers_end(self):
        self.net.inside("dst", "iptables", "-A", "INPUT", "-p", "udp", "-j", "DROP")
        found = self.trace(self.target, "--flows", "2", "--rounds", "1", "--timeout-hop", "0.3", code=1)
        for flow in found["flows"]:
            self.assertEqual(flow["end"], "silent")
            self.assertEqual(addresses(flow), self.row(self.links)[:3])

    def narrow(self):
        """r2 - r3 passes 1400 octets only."""
        for host in ("r2", "r3"):
            self.net.ip(host, f"link set l{self.links[2]} mtu 1400")

    def test_the_mtu_is_what_a_router_says(self):
        self.narrow()
        for target, v6 in ((self.target, False), (self.target6, True)):
            found = self.trace(target, "--mtu", "--flows", "1", "--rounds", "1")["mtu"]
            self.assertEqual((found["verdict"], found["octets"]), ("announced", 1400))
            self.assertEqual((found["said_by"], found["said_octets"]), (self.row(self.links, v6)[1], 1400))
            self.assertEqual(found["tcp_segment"], 1340 if v6 else 1360)

    def test_a_black_hole_is_named_with_its_place(self):
        self.narrow()
        self.net.inside("r2", "iptables", "-A", "OUTPUT", "-p", "icmp", "--icmp-type", "fragmentation-needed",
                        "-j", "DROP")
        self.net.inside("r2", "ip6tables", "-A", "OUTPUT", "-p", "icmpv6", "--icmpv6-type", "packet-too-big",
                        "-j", "DROP")
        for target, v6 in ((self.target, False), (self.target6, True)):
            found = self.trace(target, "--mtu", "--flows", "1", "--rounds", "1", code=1)["mtu"]
            self.assertEqual((found["verdict"], found["octets"]), ("black_hole", 1400))
            self.assertEqual(found["last_hop"], {"ttl": 2, "address": self.row(self.links, v6)[1]})

    def test_the_full_mtu_and_that_of_our_own_link(self):
        found = self.trace(self.target, "--mtu", "--flows", "1", "--rounds", "1")["mtu"]
        self.assertEqual((found["verdict"], found["octets"]), ("full", 1500))
        self.net.ip("src", f"link set l{self.links[0]} mtu 1420")
        found = self.trace(self.target, "--mtu", "--flows", "1", "--rounds", "1")["mtu"]
        self.assertEqual((found["verdict"], found["octets"]), ("local", 1420))

    def test_a_mtu_that_the_kernel_remembers_does_not_mislead(self):
        self.narrow()
        self.trace(self.target, "--mtu", "--flows", "1", "--rounds", "1")
        for host in ("r2", "r3"):
            self.net.ip(host, f"link set l{self.links[2]} mtu 1500")
        found = self.trace(self.target, "--mtu", "--flows", "1", "--rounds", "1")["mtu"]
        self.assertEqual((found["verdict"], found["octets"]), ("full", 1500))

    def test_without_the_right_it_names_the_capability_and_how_to_grant_it(self):
        done = subprocess.run(["ip", "netns", "exec", self.net.name("src"), "setpriv", "--bounding-set", "-net_raw",
                               "--inh-caps", "-net_raw", PROGRAM, "path", self.target],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 3, done.stderr)
        for word in ("CAP_NET_RAW", "setcap", "sudo"):
            self.assertIn(word, done.stderr)

    def test_cap_net_raw_alone_is_enough(self):
        done = subprocess.run(["ip", "netns", "exec", self.net.name("src"), "setpriv", "--bounding-set",
                               "-all,+net_raw", PROGRAM, "--json", "path", self.target, "--rounds", "1"],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(addresses(json.loads(done.stdout)["flows"][0]), self.row(self.links))


class Diamond(PathTest):
    """src - r1 - {a, b} - r3 - dst; r1 balances by ports, and r3 sends all back by b and a detour."""

    def setUp(self):
        super().setUp()
        net = self.net
        net.add("src", "r1", "a", "b", "x", "r3", "dst")
        self.first = net.link("src", "r1")
        self.to_a = net.link("r1", "a")
        self.to_b = net.link("r1", "b")
        self.from_a = net.link("a", "r3")
        self.from_b = net.link("b", "r3")
        self.last = net.link("r3", "dst")
        self.to_x = net.link("b", "x")
        self.from_x = net.link("x", "r1")
        net.route("src", self.last, (self.first, 2))
        net.route("r1", self.last, (self.to_a, 2), (self.to_b, 2))
        net.route("a", self.last, (self.from_a, 2))
        net.route("b", self.last, (self.from_b, 2))
        # Back: dst - r3 - b - x - r1 - src, a hop more than there.
        net.route("dst", self.first, (self.last, 1))
        net.route("r3", self.first, (self.from_b, 1))
        net.route("b", self.first, (self.to_x, 2))
        net.route("x", self.first, (self.from_x, 2))
        net.route("a", self.first, (self.to_a, 1))
        self.target = f"10.0.{self.last}.2"
        self.target6 = f"fd00:{self.last}::2"

    def kernel_choice(self, flow, protocol, v6):
        """By which sibling r1 sends this flow, asked of its kernel."""
        link = "fd00:{}::{}" if v6 else "10.0.{}.{}"
        said = self.net.inside("r1", "ip", *(["-6"] if v6 else []), "route", "get", self.target6 if v6 else self.target,
                               "from", link.format(self.first, 1), "iif", f"l{self.first}", "ipproto", protocol,
                               "sport", str(flow["source_port"]), "dport", str(flow["destination_port"]))
        return "a" if f"dev l{self.to_a}" in said else "b"

    def test_each_flow_goes_as_the_kernel_balances_it(self):
        for protocol in ("udp", "tcp"):
            with self.subTest(protocol=protocol):
                found = self.trace(self.target, "--proto", protocol, "--flows", "16", "--rounds", "2",
                                   "--interval", "0.2", "--rate", "1000")
                self.assertEqual(found["width"], 2)
                for flow in found["flows"]:
                    by_a = self.kernel_choice(flow, protocol, False) == "a"
                    row = addresses(flow)
                    self.assertEqual(row[0], f"10.0.{self.first}.2")
                    # b answers by its detour, from the device that leads there.
                    self.assertEqual(row[1], f"10.0.{self.to_a}.2" if by_a else f"10.0.{self.to_x}.1")
                    self.assertEqual(row[2], f"10.0.{self.from_b}.2")
                    self.assertEqual(row[3], self.target)
                    self.assertEqual(len(row), 4)
                    self.assertTrue(all(len(hop["addresses"]) == 1 for hop in flow["hops"]), "one flow, one way")

    def test_the_way_back_is_seen_to_be_longer(self):
        found = self.trace(self.target, "--flows", "1", "--rounds", "1")
        hops = found["flows"][0]["hops"]
        self.assertEqual(hops[0]["return_hops"], 1)
        self.assertEqual(hops[3]["return_hops"], 5)

    def test_all_paths_are_found_and_known_to_be_all(self):
        found = self.trace(self.target, "--all-paths", "--rounds", "1", "--rate", "1000")
        self.assertEqual(found["width"], 2)
        self.assertTrue(found["all_paths"])
        self.assertGreaterEqual(len(found["flows"]), 11)

    def test_ipv6_flows_keep_their_way_too(self):
        found = self.trace(self.target6, "--flows", "16", "--rounds", "2", "--interval", "0.2", "--rate", "1000")
        self.assertEqual(found["width"], 2)
        for flow in found["flows"]:
            row = addresses(flow)
            self.assertEqual(len(row), 4)
            self.assertTrue(all(len(hop["addresses"]) == 1 for hop in flow["hops"]), "one flow, one way")
            self.assertEqual(row[3], self.target6)


if __name__ == "__main__":
    unittest.main(verbosity=2)
