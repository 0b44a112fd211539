"""The running system: the lab's namespaces, a collector, and per node an agent and a media process.

Everything it starts ends with it: children are stopped by their process id, and die by themselves
(PR_SET_PDEATHSIG) if this process is killed. Names carry a prefix of the run, so two runs do not meet."""

import ctypes
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib

import keys
from clients import CollectorApi, LabControl
from probes import STAMP_PORT  # by it the probes are found in the lab's ledger

COLLECTOR = "collector"
MEDIA_PORT = 7400
MAIL_PORT = 2525  # in the collector's namespace
LAB_STATE = "/run/linkpilot-lab"  # tools/lab/namespaces.h
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class WorldError(Exception):
    """Something did not start or has died; the text says what and where to look."""


# As a service manager would set it for daemons that keep time; the lab has real-time priority.
_NICE = -10


def _prepare_child():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.setpriority(os.PRIO_PROCESS, 0, _NICE)


class Process:
    """One child, its log file and what it has used."""

    def __init__(self, name, command, log_path, stdout=None):
        self.name = name
        self.log_path = log_path
        self.started = time.time_ns()
        with open(log_path, "ab") as log:
            self._child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=stdout or log, stderr=log,
                start_new_session=True, preexec_fn=_prepare_child)
        self.stdout = self._child.stdout

    @property
    def pid(self):
        return self._child.pid

    def is_running(self):
        return self._child.poll() is None

    def exit_text(self):
        code = self._child.poll()
        return f"{self.name} ended ({f'signal {-code}' if code < 0 else f'exit {code}'}); its log: {self.log_path}"

    def ask_to_stop(self):
        if self.is_running():
            self._child.terminate()

    def kill(self):
        self._child.kill()
        self._child.wait()

    def stop(self, patience_s=5.0):
        self.ask_to_stop()
        try:
            self._child.wait(patience_s)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def usage(self):
        """(resident kB, private kB, CPU seconds), or None when it is gone."""
        try:
            with open(f"/proc/{self.pid}/stat", encoding="ascii") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
                status = dict(line.split(":", 1) for line in file)
        except (OSError, IndexError):
            return None
        if "VmRSS" not in status:
            return None
        ticks = os.sysconf("SC_CLK_TCK")
        return (int(status["VmRSS"].split()[0]), int(status["RssAnon"].split()[0]),
                (int(fields[11]) + int(fields[12])) / ticks)


class World:
    def __init__(self, source_folder, topology_path, node_count, seed, rate=50.0):
        self.source = source_folder
        self.build = os.environ.get("LINKPILOT_BUILD", os.path.join(source_folder, "build/release"))
        self.topology_path = topology_path
        self.seed = seed
        self.rate = rate
        with open(topology_path, "rb") as file:
            self.topology = tomllib.load(file)
        listed = [n["name"] for n in self.topology["nodes"] if n.get("kind", "node") == "node"]
        self.nodes = listed[:node_count]
        self.regions = {n["name"]: n["region"] for n in self.topology["nodes"]}
        self.prefix = f"lp{os.getpid():x}"
        self.folder = tempfile.mkdtemp(prefix="linkpilot-demo-")
        self.agents, self.media = {}, {}
        self.serving, self.viewing = [], []  # a live stream's server and source, and dials of it
        self.lab_process = self.collector = self.mail_server = self.lab = self.api = None
        self.namespaces, self.addresses = {}, {}
        self.agent_usage = {}  # name -> list of (monotonic s, resident kB, private kB, CPU s)

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def program(self, name):
        for folder in ("agent", "collector", "tools/lab", "tools/media", "tools/linkpilot"):
            found = os.path.join(self.build, folder, name)
            if os.access(found, os.X_OK):
                return found
        raise WorldError(f"{name} is not built in {self.build}")

    @property
    def ledger_path(self):
        return self.path("ledger.bin")

    # --- starting ---

    def clean_leftovers(self):
        """Removes the namespaces of earlier runs that were killed: those whose process is gone. The lab
        itself refuses to touch a prefix that is in use."""
        for name in os.listdir(LAB_STATE) if os.path.isdir(LAB_STATE) else ():
            found = re.fullmatch(r"(lp([0-9a-f]+))\.namespaces", name)
            if found and not os.path.exists(f"/proc/{int(found[2], 16)}"):
                subprocess.run([self.program("linkpilot-lab"), "clean", "--prefix", found[1]],
                               stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=30)

    def start_lab(self):
        self.clean_leftovers()
        os.makedirs(self.path("logs"))
        os.makedirs(self.path("media"))
        command = [self.program("linkpilot-lab"), "run", "--topology", self.topology_path,
                   "--prefix", self.prefix, "--control", self.path("lab.socket"),
                   "--ledger", self.ledger_path, "--seed", str(self.seed)]
        self.lab_process = Process("linkpilot-lab", command, self.path("logs", "lab.log"), subprocess.PIPE)
        ready, _, _ = select.select([self.lab_process.stdout], [], [], 30)
        line = self.lab_process.stdout.readline() if ready else b""
        if not line:
            raise WorldError(f"the lab did not come up: {self.log_tail(self.lab_process)}")
        answer = json.loads(line)
        self.namespaces, self.addresses = answer["namespaces"], answer["addresses"]
        self.lab = LabControl(self.path("lab.socket"))

    def start_mail_server(self):
        """Where the collector's mails end up: one JSON line each in mails.jsonl."""
        self.mail_server = self._start_inside(COLLECTOR, "mail-server", [
            sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "mail_server.py"),
            str(MAIL_PORT), self.path("mails.jsonl")])

    def kill_collector(self):
        """Dead at once, as by the kernel's out-of-memory killer."""
        self.collector.kill()
        self.api.close()
        self.collector = None

    def restart_collector(self):
        self._run_collector()

    def start_collector(self):
        for folder in ("collector", "collector/enrolled"):
            os.makedirs(self.path(folder), exist_ok=True)
        keys.make_curve_keys(self.path("collector", "curve.key"))
        keys.make_signing_keys(self.path("collector", "routes.key"))
        with open(self.path("collector", "collector.toml"), "w", encoding="utf-8") as file:
            file.write(f"""# The demo keeps every default but the places of its files, and a plan that grows stale while one watches.
[listen]
agents = "tcp://0.0.0.0:7100"
http = "127.0.0.1:7180"
[keys]
curve_file = "{self.path('collector', 'curve.key')}"
signing_file = "{self.path('collector', 'routes.key')}"
enrolled_directory = "{self.path('collector', 'enrolled')}"
[store]
path = "{self.path('collector', 'collector.sqlite')}"
[probing]
plan_lifetime = "15s"
[mail]
server = "127.0.0.1:{MAIL_PORT}"
security = "none"
from = "LinkPilot <linkpilot@demo.example>"
to = ["operators@demo.example"]
""")
        self._run_collector()

    def _run_collector(self):
        self.collector = self._start_inside(COLLECTOR, "linkpilot-collector", [
            self.program("linkpilot-collector"), "--config", self.path("collector", "collector.toml")])
        self.api = CollectorApi(self.namespaces[COLLECTOR])
        self.wait_until("the collector answers", 15, lambda: self.api.get("/healthz"))

    def enrol(self, node):
        """Makes the node's key and shows its public half to the collector."""
        os.makedirs(self.path("agents", node), exist_ok=True)
        keys.make_curve_keys(self.path("agents", node, "agent.key"))
        # Renamed into place: the collector must never read half a key.
        shutil.copy(self.path("agents", node, "agent.key.pub"), self.path("collector", f"{node}.pub"))
        os.rename(self.path("collector", f"{node}.pub"), self.path("collector", "enrolled", f"{node}.pub"))

    def start_agent(self, node):
        home = self.path("agents", node)
        os.makedirs(os.path.join(home, "state"), exist_ok=True)
        config = os.path.join(home, "agent.toml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"""# The demo keeps every default but names, addresses and places of files.
[node]
name = "{node}"
region = "{self.regions[node]}"
role = "relay"
state_directory = "{home}/state"
[[ports]]
listen = "{self.addresses[node][0]}"
advertised = "{self.addresses[node][0]}"
stamp_port = {STAMP_PORT}
[collector]
connect = ["tcp://{self.addresses[COLLECTOR][0]}:7100"]
public_key_file = "{self.path('collector', 'curve.key.pub')}"
key_file = "{home}/agent.key"
[routes]
file = "{home}/routes.bin"
marks_file = "{home}/marks.bin"
signer_public_key_files = ["{self.path('collector', 'routes.key.pub')}"]
""")
        self.agents[node] = self._start_inside(
            node, f"agent-{node}", [self.program("linkpilot-agent"), "--config", config])

    def start_media(self, node):
        home = self.path("agents", node)
        self.media[node] = self._start_inside(node, f"media-{node}", [
            self.program("linkpilot-media"), "--name", node, "--routes", f"{home}/routes.bin",
            "--marks", f"{home}/marks.bin", "--signer", self.path("collector", "routes.key.pub"),
            "--output", self.path("media"), "--port", str(MEDIA_PORT), "--rate", str(self.rate),
            "--seed", str(self.seed * 1000 + self.nodes.index(node))])

    def start_serving(self, node, name, command):
        """A program of the live stream: has to stay up."""
        self.serving.append(self._start_inside(node, name, command))

    def start_viewing(self, node, command, output):
        """A dial: ends by itself."""
        self.viewing.append(self._start_inside(node, f"dial-{node}", command, output))
        return self.viewing[-1]

    def _start_inside(self, node, name, command, output=None):
        return Process(name, ["ip", "netns", "exec", self.namespaces[node], *command],
                       self.path("logs", f"{name}.log"), output)

    # --- watching ---

    def wait_until(self, what, patience_s, condition):
        deadline = time.monotonic() + patience_s
        reason = "not yet"
        while time.monotonic() < deadline:
            self.check_alive()
            try:
                if condition():
                    return
            except OSError as error:
                reason = str(error)
            time.sleep(0.1)
        raise WorldError(f"waited {patience_s:.0f} s in vain until {what}: {reason}")

    def processes(self):
        return [p for p in (self.lab_process, self.mail_server, self.collector, *self.agents.values(), *self.media.values(),
                            *self.serving) if p]

    def check_alive(self):
        for process in self.processes():
            if not process.is_running():
                raise WorldError(f"{process.exit_text()}\n{self.log_tail(process)}")

    @staticmethod
    def log_tail(process, lines=5):
        try:
            with open(process.log_path, encoding="utf-8", errors="replace") as file:
                return "".join(file.readlines()[-lines:]).strip() or "(its log is empty)"
        except OSError as error:
            return str(error)

    def sample_usage(self):
        """Called about once a second."""
        now = time.monotonic()
        for node, process in self.agents.items():
            usage = process.usage()
            if usage:
                self.agent_usage.setdefault(node, []).append((now, *usage))

    # --- stopping ---

    def stop_media(self):
        for process in self.media.values():
            process.ask_to_stop()
        for process in self.media.values():
            process.stop()
        self.media_stopped = dict(self.media)
        self.media.clear()

    def stop_live(self):
        for process in self.viewing + self.serving[::-1]:
            process.stop()
        self.serving.clear()
        self.viewing.clear()

    def stop(self):
        self.stop_live()
        if self.api:
            self.api.close()
        users = [p for p in (*self.media.values(), *self.agents.values(), self.collector, self.mail_server) if p]
        for process in users:
            process.ask_to_stop()
        for process in users:
            process.stop()
        if self.lab:
            self.lab.close()
        if self.lab_process:  # the last one: it removes the namespaces
            self.lab_process.stop(10)
        self.media.clear()
        self.agents.clear()
        self.collector = self.mail_server = self.lab_process = self.lab = self.api = None

    def remove_files(self):
        shutil.rmtree(self.folder, ignore_errors=True)
