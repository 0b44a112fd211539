"""What the dial bench stands on: servers, our own push as a source, the WAN emulator."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tools/scenario"), str(ROOT / "tools/lab")]

import ledger  # noqa: E402
from clients import LabControl  # noqa: E402

CHUNK_OCTETS = 4096  # of servers: tshark 4.0 loses its way with 60000
PEERS = pathlib.Path(os.environ.get("LINKPILOT_PEERS", "/var/cache/linkpilot/peers"))
NGINX_CONF = """daemon off; master_process off; user root; worker_rlimit_nofile 65536;
load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
pid {folder}/nginx.pid; error_log {folder}/error.log error;
events {{ worker_connections 16384; }}
rtmp {{ access_log off; server {{ listen {address}:{port}; chunk_size {chunk};
  application live {{ live on; }} }} }}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Processes:
    """Programs of one bench, ended by their numbers; `inside` is a namespace."""

    def __init__(self):
        self.running: list[subprocess.Popen] = []

    def start(self, command, inside: str | None = None, core: int | None = None, **options):
        words = [str(word) for word in command]
        if core is not None:
            words = ["taskset", "-c", str(core), *words]
        if inside:
            words = ["ip", "netns", "exec", inside, *words]
        options.setdefault("stdout", subprocess.DEVNULL)
        options.setdefault("stderr", subprocess.DEVNULL)
        process = subprocess.Popen(words, **options)
        self.running.append(process)
        return process

    def stop(self, process: subprocess.Popen) -> None:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def stop_all(self) -> None:
        while self.running:
            self.stop(self.running.pop())


def start_nginx(processes: Processes, folder: pathlib.Path, address="127.0.0.1", inside=None,
                core=None) -> tuple[int, subprocess.Popen]:
    port = free_port() if inside is None else 1935
    folder.mkdir(parents=True, exist_ok=True)
    conf = folder / "nginx.conf"
    conf.write_text(NGINX_CONF.format(chunk=CHUNK_OCTETS, folder=folder, address=address, port=port),
                    encoding="utf-8")
    process = processes.start(["/usr/sbin/nginx", "-p", folder, "-c", conf], inside, core)
    time.sleep(0.5)
    return port, process


def await_port(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"nobody listens on port {port}")


def start_node_media_server(processes: Processes) -> tuple[int, int]:
    """Its RTMP and its HTTP port."""
    if not (PEERS / "node_modules/node-media-server").is_dir():
        sys.exit("node-media-server is missing; tools/setup installs it (or --no-peers)")
    rtmp, http = free_port(), free_port()
    config = {"logType": 1, "http": {"port": http, "allow_origin": "*", "mediaroot": "/nonexistent"},
              "rtmp": {"port": rtmp, "chunk_size": CHUNK_OCTETS, "gop_cache": True, "ping": 30,
                       "ping_timeout": 60}}
    processes.start(["node", ROOT / "tests/support/peers/node_media_server.js", PEERS,
                     json.dumps(config)])
    await_port(rtmp)
    await_port(http)
    return rtmp, http


def start_source(processes: Processes, linkpilot, url: str, inside=None, options=(), gop_seconds=1.0):
    """Our own push, which paces by the clock: 600 kbit/s, 25 frames a second."""
    command = [linkpilot, "dial", "--push", url, "--no-read-back", "--seconds", "3600",
               "--gop-seconds", str(gop_seconds), *options]
    process = processes.start(command, inside)
    time.sleep(1.5)
    return process


def dial(linkpilot, url: str, *options, inside=None, core=None) -> list[dict]:
    command = [str(linkpilot), "--json", "dial", url, *map(str, options)]
    if core is not None:
        command = ["taskset", "-c", str(core), *command]
    if inside:
        command = ["ip", "netns", "exec", inside, *command]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    if not reports:
        raise SystemExit(f"no report from {' '.join(command)}: {done.stderr}")
    return reports


class Lab:
    """tools/lab's three nodes: ams serves, fra is 10 ms of round trip away, sgp 240 ms."""

    SERVER, NEAR, FAR = "ams", "fra", "sgp"

    def __init__(self, build: pathlib.Path, folder: pathlib.Path):
        self.ledger_path = folder / "ledger.bin"
        command = [str(build / "tools/lab/linkpilot-lab"), "run", "--topology",
                   str(ROOT / "tools/lab/topology/triangle-3.toml"), "--prefix",
                   f"lpd{os.getpid():x}", "--control", str(folder / "lab.socket"), "--ledger",
                   str(self.ledger_path), "--seed", "1"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("the WAN emulator did not come up; it needs root")
        answer = json.loads(line)
        self.namespaces = answer["namespaces"]
        self.address = answer["addresses"][self.SERVER][0]
        self.control = LabControl(str(folder / "lab.socket"))

    def losses(self, viewer: str, since_ns: int) -> tuple[int, int]:
        """(dropped, all) packets between server and viewer since then, by the ledger."""
        self.control.ask(op="flush")
        book = ledger.read(self.ledger_path)
        ends = [book.index(self.SERVER), book.index(viewer)]
        packets = book.packets[(book.packets["arrival_ns"] >= since_ns) & (book.packets["protocol"] == 6)]
        packets = packets[((packets["source"] == ends[0]) & (packets["destination"] == ends[1])) |
                          ((packets["source"] == ends[1]) & (packets["destination"] == ends[0]))]
        return int((packets["fate"] != ledger.DELIVERED).sum()), len(packets)

    def close(self) -> None:
        self.control.close()
        self.process.terminate()
        self.process.wait(10)
