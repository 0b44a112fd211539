"""The demo with three nodes, from the programs of this build tree: what it must show whatever the speed of
the machine. Figures of time are left to tools/demo itself, on release programs."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
RUN = os.path.join(ROOT, "tools", "scenario", "run.py")
sys.path[:0] = [os.path.join(ROOT, "tools", "scenario"), os.path.join(ROOT, "tools", "lab")]
sys.dont_write_bytecode = True

from live import LiveStream  # noqa: E402
from world import World  # noqa: E402

KEYS = """nodes links links_measured nodes_loaded rtt_error_us_p50 rtt_error_us_p95 loss_matches_ledger
    cut.cuts cut.excess_gap_ms_first_hop_p50 cut.excess_gap_ms_first_hop_max cut.streams_first_hop
    cut.excess_gap_ms_later_hop_p50 cut.excess_gap_ms_later_hop_max cut.streams_later_hop
    cut.later_hop_by_relay cut.later_hop_by_collector cut.all_loaded_ms_max degrade.all_loaded_ms
    degrade.moved_without_gain node.left_all_tables_ms node.back_routable_ms join.routable_ms heal.home_ms
    dial.server dial.victim dial.first_frame_ms_max dial.fault_ms dial.silence_ms dial.stall_ms dial.stalls_elsewhere
    emulator_late_us_p50 emulator_late_us_p99 noisy lookups_total lookups_failed agent_rss_kb_max
    agent_cpu_percent_mean""".split()


def namespaces(process_id):
    """What is left of a run's network namespaces."""
    prefix = f"lp{process_id:x}-"
    try:
        return [name for name in os.listdir("/run/netns") if name.startswith(prefix)]
    except FileNotFoundError:
        return []


def play(folder, *options):
    """Starts a run whose files lie in `folder`; its output is a pipe of text."""
    return subprocess.Popen([sys.executable, RUN, "--nodes", "3", *options], cwd=ROOT, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={**os.environ, "TMPDIR": folder})


class Demo(unittest.TestCase):
    def setUp(self):
        self.assertEqual(os.geteuid(), 0, "needs root: network namespaces and TUN devices")
        self.place = tempfile.TemporaryDirectory(prefix="linkpilot-demo-test-")
        self.addCleanup(self.place.cleanup)

    def test_three_nodes_play_and_the_report_tells_the_truth(self):
        path = os.path.join(self.place.name, "report.json")
        run = play(self.place.name, "--report", path, "--seed", "7")
        story, _ = run.communicate(timeout=240)
        self.assertIn(run.returncode, (0, 1), story)
        with open(path, encoding="utf-8") as file:
            report = json.load(file)
        for key in KEYS:
            value = report
            for part in key.split("."):
                self.assertIn(part, value, f"{key} is missing")
                value = value[part]
        self.assertEqual((report["links_measured"], report["nodes_loaded"]), (6, 3), story)
        self.assertGreaterEqual(report["cut"]["streams_first_hop"], 3, story)
        self.assertGreaterEqual(report["cut"]["streams_later_hop"], 1, story)
        dial = report["dial"]
        self.assertEqual((dial["regions"], sorted(dial["first_frame_ms"])), (3, ["ams", "fra", "sgp"]), story)
        self.assertEqual(dial["regions_shown"], 3, story)
        self.assertTrue(dial["stall_found"], story)
        self.assertGreaterEqual(dial["silence_ms"], dial["fault_ms"])
        self.assertEqual(dial["verdicts"][dial["victim"]], "stutters", story)
        self.assertIn("first frame, by region", story)
        self.assertGreaterEqual(report["lookups_total"], 100_000)
        for count in ("older", "not_published", "unanswered"):
            self.assertEqual(report["lookups"][count], 0, f"{count}\n{story}")
        if report["ledger_exact"] and not report["noisy"]:
            self.assertTrue(report["loss_matches_ledger"], story)
        self.assertEqual(namespaces(run.pid), [])

    def test_it_cleans_up_when_it_is_interrupted_and_another_run_starts_at_once(self):
        for _ in range(2):
            run = play(self.place.name)
            deadline = time.monotonic() + 60
            for line in run.stdout:
                if "route table" in line or time.monotonic() > deadline:
                    break
            self.assertTrue(namespaces(run.pid), "the lab never came up")
            run.send_signal(signal.SIGINT)
            rest, _ = run.communicate(timeout=60)
            self.assertEqual(run.returncode, 130, rest)
            self.assertEqual(namespaces(run.pid), [])
            self.assertEqual(os.listdir(self.place.name), [])

    def test_nothing_survives_when_it_is_killed(self):
        run = play(self.place.name)
        for line in run.stdout:
            if "agents" in line and "started" in line:
                break
        run.kill()
        run.communicate(timeout=30)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self.children_in(self.place.name):
            time.sleep(0.1)
        self.assertEqual(self.children_in(self.place.name), [])
        # The namespaces outlive a kill; the next run removes them.
        following = play(self.place.name)
        for line in following.stdout:
            if "WAN emulator" in line:
                break
        following.send_signal(signal.SIGINT)
        following.communicate(timeout=60)
        self.assertEqual(namespaces(run.pid), [])

    def test_a_live_stream_and_its_dials_end_with_the_world(self):
        tempfile.tempdir = self.place.name
        world = World(ROOT, os.path.join(ROOT, "tools/lab/topology/triangle-3.toml"), 3, 1)
        tempfile.tempdir = None
        try:
            world.start_lab()
            stream = LiveStream(world, "ams")
            stream.start()
            stream.dial("fra", "--seconds", 60)
            started = [p.pid for p in world.serving + world.viewing]
        finally:
            world.stop()
        self.assertEqual(len(started), 3, "nginx, ffmpeg, the dial")
        self.assertEqual([pid for pid in started if os.path.exists(f"/proc/{pid}")], [])
        self.assertEqual(self.children_in(world.folder), [])
        self.assertEqual(namespaces(os.getpid()), [])

    @staticmethod
    def children_in(folder):
        """Programs whose command line names the run's folder."""
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    with open(f"/proc/{entry}/cmdline", "rb") as file:
                        if folder.encode() in file.read():
                            found.append(int(entry))
                except OSError:
                    pass
        return found

    def test_without_rights_it_says_what_is_missing(self):
        run = subprocess.run(["setpriv", "--reuid", "65534", "--clear-groups", os.path.join(ROOT, "tools", "demo")],
                             text=True, capture_output=True, check=False, timeout=60)
        self.assertEqual(run.returncode, 3, run.stderr)
        self.assertIn("root", run.stderr)


if __name__ == "__main__":
    unittest.main()
