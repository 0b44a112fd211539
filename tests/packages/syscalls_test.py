#!/usr/bin/python3
"""What the daemons ask of the kernel is what their units let them ask: system calls, socket families,
files that are written. Both run under strace, meet on loopback, report, and are reloaded. They also tell
their service manager that they are ready and, each second, that they live.

usage: syscalls_test.py AGENT COLLECTOR CLI SOURCE_DIR   (release programs: sanitizers ask for more)
"""

import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

AGENT, COLLECTOR, CLI = sys.argv[1:4]
SOURCE_DIR = pathlib.Path(sys.argv[4])
WAIT_S = 30
USER = "nobody"  # as a unit has one: root is asked for more


def call_set(name):
    """The calls of one of systemd's sets, with those of the sets in it."""
    text = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True,
                          check=True).stdout
    for word in (line.strip() for line in text.split("\n")[1:]):
        if word.startswith("@"):
            yield from call_set(word)
        elif word and not word.startswith("#"):
            yield word


def allowed_calls(unit):
    calls = set()
    for value in re.findall(r"^SystemCallFilter=(.*)$", unit, re.M):
        refused = value.startswith("~")
        for word in value.lstrip("~").split():
            these = set(call_set(word)) if word.startswith("@") else {word}
            calls = calls - these if refused else calls | these
    return calls


class Manager:
    """What systemd would be told, sd_notify(3)."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        path.chmod(0o666)
        self.path, self.heard = path, []
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            self.heard.append(self.socket.recv(4096).decode())


def traced(folder, name, program, *options):
    log = open(folder / f"{name}.log", "w", encoding="utf-8")
    return subprocess.Popen(["strace", "-u", USER, "-f", "-qq", "-o", str(folder / f"{name}.strace"), program, *options],
                            stdout=log, stderr=log,
                            env={**os.environ, "NOTIFY_SOCKET": str(folder / f"{name}.notify")})


def wait_for(path, word):
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        if path.exists() and word in path.read_text(encoding="utf-8"):
            return
        time.sleep(0.1)
    sys.exit(f"waited in vain for '{word}':\n{path.read_text(encoding='utf-8')}")


def send(process, number):
    """To the child of strace, which has a signal of its own for itself."""
    children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="utf-8")
    os.kill(int(children.split()[0]), number)


def offences(trace, unit, state):
    calls, families = allowed_calls(unit), set(re.search(r"RestrictAddressFamilies=(.*)", unit).group(1).split())
    for line in trace.read_text(encoding="utf-8", errors="replace").split("\n"):
        found = re.match(r"\d+ +(\w+)\((.*)", line)
        if not found:
            continue
        call, rest = found.groups()
        if call not in calls:
            yield f"call {call}"
        if call in ("socket", "socketpair") and rest.split(",")[0] not in families:
            yield f"family {rest.split(',')[0]}"
        path = re.match(r'AT_FDCWD, "([^"]*)"', rest)
        if call == "openat" and path and re.search(r"O_WRONLY|O_RDWR|O_CREAT", rest):
            if not path.group(1).startswith(str(state)) and path.group(1) != "/dev/null":
                yield f"writes {path.group(1)}"
        if call in ("mmap", "mprotect") and "PROT_WRITE|PROT_EXEC" in rest:
            yield "memory that is written and run"


def main():
    found = []
    with tempfile.TemporaryDirectory(prefix="lp-syscalls-") as temporary:
        folder = pathlib.Path(temporary)
        states = {"agent": folder / "agent-state", "collector": folder / "collector-state"}
        subprocess.run([COLLECTOR, "--init", str(folder / "c"), "--state", str(states["collector"])], check=True,
                       stdout=subprocess.DEVNULL)
        config = folder / "c/collector.toml"
        config.write_text(config.read_text(encoding="utf-8").replace("0.0.0.0:7100", "127.0.0.1:17161").replace(
            "127.0.0.1:7180", "127.0.0.1:17162"), encoding="utf-8")
        subprocess.run([CLI, "keys", "new", str(folder / "agent.key")], check=True, capture_output=True)
        (states["collector"] / "enrolled/one.pub").write_bytes((folder / "agent.key.pub").read_bytes())
        (folder / "agent.toml").write_text(f"""
node = {{ name = "one", state_directory = "{states['agent']}" }}
ports = [{{ listen = "127.0.0.1", stamp_port = 17163 }}]
collector = {{ connect = ["tcp://127.0.0.1:17161"], public_key_file = "{folder}/c/collector.key.pub", key_file = "{folder}/agent.key" }}
routes = {{ signer_public_key_files = ["{folder}/c/routes.key.pub"] }}
exporter = {{ listen = "127.0.0.1:17164", allow_addresses = ["loopback"] }}
""", encoding="utf-8")
        subprocess.run(["chown", "-R", f"{USER}:", str(folder)], check=True)
        managers = {name: Manager(folder / f"{name}.notify") for name in states}
        running = [traced(folder, "collector", COLLECTOR, "--config", str(config))]
        wait_for(folder / "collector.log", "ready")
        running.append(traced(folder, "agent", AGENT, "--config", str(folder / "agent.toml")))
        wait_for(folder / "agent.log", "first_report_acknowledged")
        for url in ("http://127.0.0.1:17164/metrics",
                    "http://127.0.0.1:17164/probe?target=http://localhost:17162/no.flv", "http://127.0.0.1:17162/metrics"):
            subprocess.run(["curl", "-s", "-m", "20", url], check=False, stdout=subprocess.DEVNULL)
        for process in running:
            send(process, signal.SIGHUP)
        wait_for(folder / "agent.log", " reloaded ")
        time.sleep(12)  # the agent's metrics file, the collector's tables
        for process in reversed(running):
            send(process, signal.SIGTERM)
            process.wait(timeout=WAIT_S)
        for name in states:
            unit = (SOURCE_DIR / f"{name}/package/linkpilot-{name}.service").read_text(encoding="utf-8")
            trace = folder / f"{name}.strace"
            if trace.stat().st_size < 10_000:
                sys.exit(f"{name}: nothing was traced")
            heard = managers[name].heard
            if heard[:1] != ["READY=1"] or "RELOADING=1" not in heard or heard[-1] != "STOPPING=1":
                found.append(f"linkpilot-{name}: its service manager heard {heard}")
            if heard.count("WATCHDOG=1") < 8:
                found.append(f"linkpilot-{name}: {heard.count('WATCHDOG=1')} signs of life in more than 12 s")
            found += [f"linkpilot-{name}: {what}" for what in sorted(set(offences(trace, unit, states[name])))]
    print("\n".join(found) if found else "syscalls: the units allow all that was asked")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
