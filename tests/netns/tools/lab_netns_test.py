#!/usr/bin/python3
"""The lab as a whole, on real namespaces and devices. Needs root; without it the run fails and says so.

Delays: no packet may be earlier than its topology says, to the nanosecond, and the fastest of twenty
pings may be at most 2 ms later (a busy machine makes single packets late, not all of them).
"""
import ctypes
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path.insert(0, os.path.join(ROOT, "tools", "lab"))
import ledger  # noqa: E402

PROGRAM = os.environ.get("LINKPILOT_LAB", "linkpilot-lab")
PREFIX = f"lt{os.getpid()}"
LATE_MS_MAX = 2.0

TOPOLOGY = """name = "test"
[defaults]
hops = 3
[[regions]]
name = "east"
one_way_ms = [0, 20]
[[regions]]
name = "west"
one_way_ms = [30, 0]
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


class Lab:
    """One running lab in a folder of its own."""

    def __init__(self, prefix=PREFIX, topology=TOPOLOGY, seed=1):
        self.folder = tempfile.mkdtemp(prefix="linkpilot-lab-test-")
        self.control = os.path.join(self.folder, "control")
        self.ledger_file = os.path.join(self.folder, "ledger")
        self.topology = os.path.join(self.folder, "topology.toml")
        self.prefix = prefix
        with open(self.topology, "w") as file:
            file.write(topology)
        self.process = subprocess.Popen(
            [PROGRAM, "run", "--topology", self.topology, "--prefix", prefix, "--control",
             self.control, "--ledger", self.ledger_file, "--seed", str(seed)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line:
            complaint = self.process.stderr.read()
            self.stop()
            raise RuntimeError(f"the lab did not come up: {complaint}")
        self.ready = json.loads(line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        code = self.process.wait(timeout=30)
        self.process.stdout.close()
        self.process.stderr.close()
        return code

    def ask(self, **request):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(self.control)
            connection.sendall(json.dumps(request).encode() + b"\n")
            answer = b""
            while not answer.endswith(b"\n"):
                answer += connection.recv(65536)
        return json.loads(answer)

    def book(self):
        assert self.ask(op="flush")["ok"]
        return ledger.read(self.ledger_file)

    def in_node(self, node, *command, **options):
        return subprocess.run(["ip", "netns", "exec", f"{self.prefix}-{node}", *command],
                              capture_output=True, text=True, timeout=60, **options)

    def ping(self, node, address, count=20, interval=0.01, wait=1):
        out = self.in_node(node, "ping", "-n", "-c", str(count), "-i", str(interval), "-W",
                           str(wait), address).stdout
        times = [float(t) for t in re.findall(r"time=([\d.]+) ms", out)]
        counts = re.search(r"(\d+) packets transmitted, (\d+) received", out)
        return int(counts[1]), int(counts[2]), times

    def udp_socket(self, node):
        """A UDP socket inside a node's namespace; the thread that enters it is spent on it."""
        made = []

        def enter():
            libc = ctypes.CDLL(None, use_errno=True)
            with open(f"/run/netns/{self.prefix}-{node}") as namespace:
                if libc.setns(namespace.fileno(), 0x40000000) != 0:
                    return
            made.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        return made[0]


def echo(packets, source, destination, fates=None):
    """Echo requests and replies from one node to another."""
    chosen = packets[(packets["protocol"] == 1) & (packets["source"] == source)
                     & (packets["destination"] == destination)]
    if fates is not None:
        chosen = chosen[[fate in fates for fate in chosen["fate"]]]
    return chosen


def namespaces(prefix):
    return [name for name in os.listdir("/run/netns") if name.startswith(prefix + "-")]


class Delays(unittest.TestCase):
    def test_ping_sees_the_configured_round_trip(self):
        with Lab() as lab:
            for address in ("10.77.2.1", "fd00:77::2"):
                sent, received, times = lab.ping("a", address)
                self.assertEqual((sent, received), (20, 20))
                # ping prints three digits, so it may round down by half of the last.
                self.assertGreaterEqual(min(times), 50.0 - 0.05)
                self.assertLessEqual(min(times), 50.0 + LATE_MS_MAX)
            book = lab.book()
            late = ledger.late_ns(book.packets)
            self.assertEqual(len(late), 80)
            # Due on the monotonic clock, stamped on the wall clock: both are slewed alike.
            self.assertGreater(late.min(), -1000)
            self.assertTrue(book.exact())

    def test_added_delay_takes_effect_and_heals(self):
        with Lab() as lab:
            fault = lab.ask(op="fault", kind="delay", **{"from": "a", "to": "b"}, add_ms=40)
            self.assertTrue(fault["ok"])
            _, _, times = lab.ping("a", "10.77.2.1")
            self.assertGreaterEqual(min(times), 89.9)
            self.assertLessEqual(min(times), 90.0 + LATE_MS_MAX)
            self.assertTrue(lab.ask(op="heal", id=fault["id"])["ok"])
            _, _, times = lab.ping("a", "10.77.2.1")
            self.assertLessEqual(min(times), 50.0 + LATE_MS_MAX)

    def test_traceroute_lists_every_virtual_router(self):
        with Lab() as lab:
            hops = lab.in_node("a", "traceroute", "-n", "-q", "1", "10.77.2.1").stdout
            for address in ("198.18.1.1", "198.18.1.2", "198.19.2.1", "10.77.2.1"):
                self.assertIn(address, hops)
            hops = lab.in_node("a", "traceroute", "-n", "-q", "1", "fd00:77::2").stdout
            self.assertIn("fd00:77:ff01:1::1", hops)
            self.assertIn("fd00:77::2", hops)

    def test_a_smaller_mtu_is_reported_to_the_sender(self):
        with Lab() as lab:
            lab.ask(op="fault", kind="mtu", **{"from": "a", "to": "b"}, mtu=1300)
            out = lab.in_node("a", "ping", "-n", "-c", "1", "-W", "1", "-M", "do", "-s", "1372",
                              "10.77.2.1")
            self.assertIn("1300", out.stdout + out.stderr)


class Counts(unittest.TestCase):
    def test_a_blackhole_swallows_exactly_what_ping_misses(self):
        with Lab() as lab:
            lab.ask(op="fault", kind="blackhole", **{"from": "a", "to": "b"})
            sent, received, _ = lab.ping("a", "10.77.2.1", count=30)
            self.assertEqual((sent, received), (30, 0))
            packets = lab.book().packets
            self.assertEqual(len(echo(packets, 0, 1, [ledger.BLACKHOLE])), 30)
            self.assertEqual(len(echo(packets, 1, 0)), 0)
            lab.ask(op="heal")
            sent, received, _ = lab.ping("a", "10.77.2.1")
            self.assertEqual((sent, received), (20, 20))

    def test_loss_in_the_ledger_is_the_loss_ping_counts(self):
        with Lab() as lab:
            lab.ask(op="fault", kind="loss", **{"from": "a", "to": "b"}, both=True, ratio=0.2)
            sent, received, _ = lab.ping("a", "10.77.2.1", count=300, interval=0.005)
            packets = lab.book().packets
            self.assertEqual(len(echo(packets, 0, 1)), sent)
            forward = len(echo(packets, 0, 1, [ledger.DELIVERED]))
            self.assertEqual(len(echo(packets, 1, 0)), forward)
            self.assertEqual(len(echo(packets, 1, 0, [ledger.DELIVERED])), received)
            self.assertTrue(0 < received < forward < sent)

    def test_the_order_of_arrivals_is_the_order_in_the_ledger(self):
        with Lab() as lab:
            lab.ask(op="fault", kind="reorder", **{"from": "a", "to": "b"}, ratio=0.3, delay_ms=7)
            lab.ask(op="fault", kind="duplicate", **{"from": "a", "to": "b"}, ratio=0.1)
            sender, receiver = lab.udp_socket("a"), lab.udp_socket("b")
            receiver.setsockopt(socket.SOL_SOCKET, 33, 1 << 22)  # SO_RCVBUFFORCE: read at the end
            receiver.bind(("10.77.2.1", 5000))
            receiver.settimeout(1)
            for number in range(500):
                sender.sendto(number.to_bytes(16, "little"), ("10.77.2.1", 5000))
                time.sleep(0.001)
            arrived = []
            try:
                while True:
                    arrived.append(int.from_bytes(receiver.recv(64), "little"))
            except TimeoutError:
                pass
            sender.close()
            receiver.close()
            packets = lab.book().packets
            chosen = packets[(packets["destination_port"] == 5000)
                             & (packets["fate"] == ledger.DELIVERED)]
            told = [int.from_bytes(p.tobytes(), "little") for p in chosen["payload"]]
            self.assertEqual(arrived, told)
            self.assertGreater(len(arrived), 500)
            self.assertNotEqual(arrived, sorted(arrived))

    def test_what_the_device_queue_drops_is_in_the_ledger(self):
        with Lab() as lab:
            sender = lab.udp_socket("a")
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 26)
            lab.process.send_signal(signal.SIGSTOP)
            for number in range(12_000):
                sender.sendto(number.to_bytes(16, "little"), ("10.77.2.1", 5000))
            lab.process.send_signal(signal.SIGCONT)
            sender.close()
            time.sleep(3)
            book = lab.book()
            read = (book.packets["destination_port"] == 5000).sum()
            dropped = sum(new for _, new, _ in book.events(ledger.DEVICE_DROPS))
            self.assertGreater(dropped, 0)
            self.assertEqual(read + dropped, 12_000)
            self.assertFalse(book.exact())
            status = lab.ask(op="status")
            self.assertTrue(status["overloaded"])
            self.assertEqual(status["device_drops"], {"a": dropped})

    def test_node_down_and_region_cut_touch_the_collector(self):
        with Lab() as lab:
            lab.ask(op="fault", kind="blackhole", **{"from": "*", "to": "*"})
            self.assertEqual(lab.ping("a", "10.77.3.1", count=3)[1], 3)
            lab.ask(op="heal")
            lab.ask(op="fault", kind="region_cut", region="west")
            self.assertEqual(lab.ping("a", "10.77.3.1", count=3)[1], 0)
            self.assertEqual(lab.ping("b", "10.77.3.1", count=3)[1], 3)
            lab.ask(op="heal", region="west")
            lab.ask(op="fault", kind="node_down", node="b")
            self.assertEqual(lab.ping("b", "10.77.3.1", count=3)[1], 0)


class Hygiene(unittest.TestCase):
    def test_a_run_leaves_nothing_and_the_next_works_at_once(self):
        for how in (signal.SIGTERM, signal.SIGINT):
            lab = Lab()
            self.assertEqual(len(namespaces(PREFIX)), 3)
            self.assertEqual(lab.stop(how), 0)
            self.assertEqual(namespaces(PREFIX), [])
            self.assertFalse(os.path.exists(lab.control))

    def test_a_killed_runs_leftovers_are_removed_by_clean_or_by_the_next(self):
        Lab().stop(signal.SIGKILL)
        self.assertEqual(len(namespaces(PREFIX)), 3)
        done = subprocess.run([PROGRAM, "clean", "--prefix", PREFIX], capture_output=True, text=True)
        self.assertEqual((done.returncode, namespaces(PREFIX)), (0, []))
        self.assertIn("removed 3", done.stdout)
        Lab().stop(signal.SIGKILL)
        with Lab() as lab:
            self.assertEqual(lab.ping("a", "10.77.2.1", count=3)[1], 3)
        self.assertEqual(namespaces(PREFIX), [])

    def test_two_runs_at_once_do_not_disturb_each_other(self):
        with Lab(PREFIX + "x") as one, Lab(PREFIX + "y") as two:
            one.ask(op="fault", kind="blackhole", **{"from": "a", "to": "b"})
            self.assertEqual(one.ping("a", "10.77.2.1", count=3)[1], 0)
            self.assertEqual(two.ping("a", "10.77.2.1", count=3)[1], 3)
            one.stop()
            self.assertEqual(len(namespaces(PREFIX + "y")), 3)
            self.assertEqual(two.ping("a", "10.77.2.1", count=3)[1], 3)

    def test_a_second_run_of_a_prefix_is_refused(self):
        with Lab() as lab:
            second = subprocess.run(
                [PROGRAM, "run", "--topology", lab.topology, "--prefix", PREFIX, "--control",
                 lab.control + "2"], capture_output=True, text=True, timeout=30)
            self.assertEqual(second.returncode, 3)
            self.assertIn(str(lab.process.pid), second.stderr)
            self.assertEqual(lab.ping("a", "10.77.2.1", count=3)[1], 3)

    def test_a_namespace_of_somebody_else_is_left_alone(self):
        foreign = f"{PREFIX}-b"
        subprocess.run(["ip", "netns", "add", foreign], check=True)
        try:
            with self.assertRaisesRegex(RuntimeError, foreign):
                Lab()
            self.assertEqual(namespaces(PREFIX), [foreign])
        finally:
            subprocess.run(["ip", "netns", "delete", foreign], check=True)


class Mistakes(unittest.TestCase):
    def run_with(self, topology, *wrapper):
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write(topology)
            file.flush()
            return subprocess.run(
                [*wrapper, PROGRAM, "run", "--topology", file.name, "--prefix", PREFIX,
                 "--control", file.name + ".control"], capture_output=True, text=True, timeout=30)

    def test_a_typo_in_the_topology_is_named_with_its_line(self):
        done = self.run_with(TOPOLOGY.replace("hops = 3", "hop = 3"))
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, r"\.toml:3.*hop\b.*hops")
        self.assertEqual(namespaces(PREFIX), [])

    def test_what_the_machine_lacks_is_named(self):
        done = self.run_with(TOPOLOGY, "setpriv", "--bounding-set", "-sys_admin")
        self.assertEqual(done.returncode, 3)
        self.assertIn("network namespaces", done.stderr)

    def test_the_commands_say_what_is_wrong(self):
        with Lab() as lab:
            done = subprocess.run([PROGRAM, "fault", "--control", lab.control, "blackhole", "--from",
                                   "a", "--to", "zzz"], capture_output=True, text=True)
            self.assertEqual(done.returncode, 1)
            self.assertIn("zzz", done.stderr)
            done = subprocess.run([PROGRAM, "fault", "--control", lab.control, "loss", "--from", "a",
                                   "--to", "b", "--ratio", "0.5"], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0)
            answer = json.loads(done.stdout)
            self.assertLess(abs(answer["time_ns"] - time.time_ns()), 10e9)
            links = lab.ask(op="links")["links"]
            self.assertEqual(links[0]["loss_ratio"], 0.5)
        done = subprocess.run([PROGRAM, "status", "--control", lab.control], capture_output=True,
                              text=True)
        self.assertEqual(done.returncode, 3)
        self.assertIn("run", done.stderr)

    def test_garbage_on_the_control_socket_is_answered_and_survived(self):
        with Lab() as lab:
            for line in (b"\xff\xfe\n", b"{}\n", b"[[[[[\n", b'{"op":"fault","kind":"\xff"}\n'):
                with socket.socket(socket.AF_UNIX) as connection:
                    connection.settimeout(5)
                    connection.connect(lab.control)
                    connection.sendall(line)
                    self.assertFalse(json.loads(connection.recv(65536))["ok"])
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(5)
                connection.connect(lab.control)
                try:
                    for _ in range(40):
                        connection.sendall(b"x" * 4096)
                        time.sleep(0.005)
                except (BrokenPipeError, ConnectionResetError):
                    pass
            self.assertTrue(lab.ask(op="status")["ok"])


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("lab_netns_test: needs root (network namespaces, TUN devices): run it with sudo")
    if not shutil.which(PROGRAM):
        sys.exit(f"lab_netns_test: no program {PROGRAM}: build it and set LINKPILOT_LAB")
    unittest.main(verbosity=2)
