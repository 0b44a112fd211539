"""A real collector and real agents on loopback, in a directory of their own, as an operator has them."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request


def wait_for(what, done, patience_s=60, pause_s=0.2):
    end = time.monotonic() + patience_s
    while True:
        value = done()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {patience_s} s")
        time.sleep(pause_s)


def free_port():
    """Below those that the kernel gives to clients: one that calls while nobody listens there could be
    given that very port, connect to itself, and keep the listener out."""
    while True:
        port = random.randint(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Fleet:
    """`binaries`: name -> path of linkpilot, linkpilot-collector, linkpilot-agent, linkpilot-fleet."""

    def __init__(self, binaries, nodes=3):
        self.binaries = binaries
        self.root = tempfile.mkdtemp(prefix="linkpilot-operations-")
        self.port, self.http_port = free_port(), free_port()
        self.etc = self.path("etc/linkpilot")
        self.collector, self.agents, self.load = None, {}, None
        self.run("linkpilot-collector", "--init", self.etc)
        self.edit(f"{self.etc}/collector.toml", "tcp://0.0.0.0:7100", f"tcp://127.0.0.1:{self.port}")
        self.edit(f"{self.etc}/collector.toml", "127.0.0.1:7180", f"127.0.0.1:{self.http_port}")
        self.edit(f"{self.etc}/collector.toml", '"collector.sqlite"', '"state/collector.sqlite"\nsize_max = "256MiB"')
        net = f"127.{random.randint(2, 250)}.{random.randint(1, 250)}"
        self.nodes = [f"node-{i + 1}" for i in range(nodes)]
        for i, name in enumerate(self.nodes):
            self.make_node(name, f"{net}.{i + 1}")

    def path(self, name):
        return os.path.join(self.root, name)

    def log(self, name):
        return self.path(f"{name}.log")

    def run(self, program, *words, check=True, **options):
        done = subprocess.run([self.binaries[program], *words], capture_output=True, text=True, timeout=120, check=False,
                              **options)
        if check and done.returncode != 0:
            raise AssertionError(f"{program} {' '.join(words)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    @staticmethod
    def edit(path, old, new):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        assert old in text, (path, old)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace(old, new, 1))

    def make_node(self, name, address):
        folder = self.path(name)
        os.makedirs(f"{folder}/state")
        self.run("linkpilot", "keys", "new", f"{folder}/agent.key")
        shutil.copy(f"{folder}/agent.key.pub", f"{self.etc}/enrolled/{name}.pub")
        # What a node has of the collector, and nothing else.
        for key in ("collector.key.pub", "routes.key.pub"):
            shutil.copy(f"{self.etc}/{key}", f"{folder}/{key}")
        with open(f"{folder}/agent.toml", "w", encoding="utf-8") as file:
            file.write(f"""[node]
name = "{name}"
state_directory = "{folder}/state"
[[ports]]
listen = "{address}"
stamp_port = 8620
[collector]
connect = ["tcp://127.0.0.1:{self.port}"]
public_key_file = "{folder}/collector.key.pub"
key_file = "{folder}/agent.key"
[routes]
signer_public_key_files = ["{folder}/routes.key.pub"]
""")

    def spawn(self, program, config, log):
        with open(self.log(log), "a", encoding="utf-8") as file:
            return subprocess.Popen([self.binaries[program], "--config", config], stdout=file, stderr=file,
                                    stdin=subprocess.DEVNULL)

    def start_collector(self, config=None):
        self.collector = self.spawn("linkpilot-collector", config or f"{self.etc}/collector.toml", "collector")
        wait_for("the collector answers", lambda: self.try_get("/healthz"))

    def start_agents(self):
        for name in self.nodes:
            self.agents[name] = self.spawn("linkpilot-agent", self.path(f"{name}/agent.toml"), name)

    def kill_collector(self):
        self.collector.send_signal(signal.SIGKILL)
        self.collector.wait()

    def enrol_load(self, agents):
        self.run("linkpilot-fleet", "enrol", "--keys", self.path("load"), "--enrolled", f"{self.etc}/enrolled", "--agents",
                 str(agents))

    def start_load(self, agents, links, rate):
        """Played agents that report beside the real ones, `rate` samples a second together; until `end_load`."""
        with open(self.log("load"), "a", encoding="utf-8") as file:
            self.load = subprocess.Popen(
                [self.binaries["linkpilot-fleet"], "load", "--keys", self.path("load"), "--agents", str(agents), "--collector",
                 f"tcp://127.0.0.1:{self.port}", "--collector-key", self.path("node-1/collector.key.pub"), "--links", str(links),
                 "--rate", str(rate), "--seconds", "600"], stdout=file, stderr=file, stdin=subprocess.DEVNULL)

    def end_load(self):
        self.load.kill()
        self.load.wait()

    def close(self):
        for child in [self.load, self.collector, *self.agents.values()]:
            if child is not None and child.poll() is None:
                child.kill()
                child.wait()
        shutil.rmtree(self.root, ignore_errors=True)

    def url(self, path=""):
        return f"http://127.0.0.1:{self.http_port}{path}"

    def get_text(self, path):
        with urllib.request.urlopen(self.url(path), timeout=10) as answer:
            return answer.read().decode()

    def get(self, path):
        return json.loads(self.get_text(path))

    def try_get(self, path):
        try:
            return self.get(path)
        except (OSError, ValueError, urllib.error.URLError):
            return None

    def healthy(self):
        status = self.try_get("/v1/status")
        return status if status and status["healthy"] and status["tables"]["loaded"] == len(self.nodes) else None

    def await_healthy(self, patience_s=90):
        try:
            return wait_for("the fleet is healthy", self.healthy, patience_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.try_get('/v1/status')}\n{self.tails()}") from error

    def tails(self):
        out = ""
        for name in ["collector", *self.nodes]:
            if os.path.exists(self.log(name)):
                with open(self.log(name), encoding="utf-8") as file:
                    out += f"--- {name}\n{file.read()[-3000:]}\n"
        return out

    def reports(self):
        """(reporter, epoch) -> the sequences that the collector's store has."""
        found, after = {}, 0
        while True:
            # Of one link only: what is asked for is the reports.
            page = self.get(f"/v1/samples?limit=1000&after={after}&link=node-1/0%3Enode-2/0")
            for report in page["reports"]:
                found.setdefault((report["reporter"], report["epoch"]), set()).add(report["sequence"])
            after = page["last_id"]
            if not page["more"]:
                return found


def binaries_of(words):
    return dict(zip(("linkpilot", "linkpilot-collector", "linkpilot-agent", "linkpilot-fleet"), words))


def acked(fleet):
    return {agent["node"]: (agent["reports"]["epoch"], agent["reports"]["acked_sequence"])
            for agent in fleet.get("/v1/agents")["agents"]}


class Rehearsal(unittest.TestCase):
    """A fleet whose collector is backed up, lost and restored."""

    binaries = {}

    def setUp(self):
        self.fleet = Fleet(self.binaries)
        self.addCleanup(self.fleet.close)

    def backup(self, name, *words, check=True):
        return self.fleet.run("linkpilot-collector", "--config", f"{self.fleet.etc}/collector.toml", "--backup",
                              self.fleet.path(name), *words, check=check)

    def restore(self, name, folder, *words, check=True):
        return self.fleet.run("linkpilot-collector", "--config", f"{self.fleet.path(folder)}/collector.toml", "--restore",
                              self.fleet.path(name), *words, check=check)
