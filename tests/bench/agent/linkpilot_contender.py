"""LinkPilot in the triangle of the `react` bench: a collector beside it, three agents, three media
processes; its stream is the one of linkpilot-media from a to b, with default settings throughout."""

import pathlib
import shutil
import sys
import time

from triangle import HOSTS, ROOT, run

sys.path.insert(0, str(ROOT / "tools" / "scenario"))
import keys  # noqa: E402
from medialogs import MediaLog, read_receipts  # noqa: E402

READY_TIMEOUT_S = 60


class LinkPilot:
    name = "linkpilot"
    triangles = 2
    settle_s = 30.0  # until tables are published and links are at their planned rate
    out_s = 3.0
    heal_s = 10.0

    def __init__(self, build_dir):
        self.build = pathlib.Path(build_dir)

    def start(self, triangle, folder):
        self.folder = pathlib.Path(folder)
        self._neighbour_routes(triangle)
        self._start_collector(triangle)
        for host in HOSTS:
            self._start_agent(triangle, host)
            self._start_media(triangle, host)
        self.log = MediaLog(str(self.folder / "media" / "a.events.jsonl"))

    def wait_for_link(self, triangle):
        """The first hop of what the look-up of b at a answers, and has for the last second. Links without
        delay are all alike to the policy, so after a heal the stream may well stay where it is."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline:
            self.log.poll()
            numbers = {name: number for number, name in self.log.names.items()}
            events = self.log.choices.get(numbers.get("b"), [])
            if events and time.time_ns() - events[-1]["t"] > 1e9:
                return "a", self.log.names[events[-1]["path"][0]]
            time.sleep(0.25)
        raise RuntimeError(f"no settled route within {READY_TIMEOUT_S} s; see {self.folder}")

    def arrivals_ns(self):
        """Arrivals at b of the stream from a."""
        self.log.poll()
        records = read_receipts(str(self.folder / "media" / "b.receipts"))
        records = records[records["source"] == self.log.node]
        return [int(t) for t in records["received_ns"]]

    def _neighbour_routes(self, triangle):
        triangle.neighbour_routes()
        for host in HOSTS:
            for one, other in ((host, "m"), ("m", host)):
                run("ip", "-n", triangle.namespace(one), "route", "replace",
                    f"{triangle.loopback(other)}/32", "via", triangle.address(other, one),
                    "src", triangle.loopback(one))

    def _program(self, path):
        return str(self.build / path)

    def _spawn(self, triangle, host, name, *command):
        log = open(self.folder / f"{name}.log", "w", encoding="utf-8")
        triangle.spawn(host, *command, stdout=log, stderr=log)

    def _start_collector(self, triangle):
        home = self.folder / "collector"
        (home / "enrolled").mkdir(parents=True)
        (self.folder / "media").mkdir()
        keys.make_curve_keys(str(home / "curve.key"))
        keys.make_signing_keys(str(home / "routes.key"))
        for host in HOSTS:
            (self.folder / host / "state").mkdir(parents=True)
            keys.make_curve_keys(str(self.folder / host / "agent.key"))
            shutil.copy(self.folder / host / "agent.key.pub", home / "enrolled" / f"{host}.pub")
        (home / "collector.toml").write_text(f"""
[listen]
agents = "tcp://{triangle.loopback('m')}:7100"
http = "127.0.0.1:7180"
[keys]
curve_file = "{home}/curve.key"
signing_file = "{home}/routes.key"
enrolled_directory = "{home}/enrolled"
[store]
path = "{home}/collector.sqlite"
""", encoding="utf-8")
        self._spawn(triangle, "m", "collector", self._program("collector/linkpilot-collector"),
                    "--config", str(home / "collector.toml"))

    def _start_agent(self, triangle, host):
        home, collector = self.folder / host, self.folder / "collector"
        (home / "agent.toml").write_text(f"""
[node]
name = "{host}"
region = "{host}"
role = "relay"
state_directory = "{home}/state"
[[ports]]
listen = "{triangle.loopback(host)}"
advertised = "{triangle.loopback(host)}"
[collector]
connect = ["tcp://{triangle.loopback('m')}:7100"]
public_key_file = "{collector}/curve.key.pub"
key_file = "{home}/agent.key"
[routes]
file = "{home}/routes.bin"
marks_file = "{home}/marks.bin"
signer_public_key_files = ["{collector}/routes.key.pub"]
""", encoding="utf-8")
        self._spawn(triangle, host, f"agent-{host}", self._program("agent/linkpilot-agent"),
                    "--config", str(home / "agent.toml"))

    def _start_media(self, triangle, host):
        home = self.folder / host
        self._spawn(triangle, host, f"media-{host}", self._program("tools/media/linkpilot-media"),
                    "--name", host, "--routes", str(home / "routes.bin"),
                    "--marks", str(home / "marks.bin"),
                    "--signer", str(self.folder / "collector" / "routes.key.pub"),
                    "--output", str(self.folder / "media"))
