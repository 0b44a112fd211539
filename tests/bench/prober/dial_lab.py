"""What the dial bench stands on: nginx-rtmp, our own push as a source, namespaces, tshark's reading."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import time

NGINX_CONF = """daemon off; master_process off; user root; worker_rlimit_nofile 65536;
load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
pid {folder}/nginx.pid; error_log {folder}/error.log error;
events {{ worker_connections 16384; }}
rtmp {{ access_log off; server {{ listen {address}:{port}; chunk_size 4096;
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
    conf.write_text(NGINX_CONF.format(folder=folder, address=address, port=port), encoding="utf-8")
    process = processes.start(["/usr/sbin/nginx", "-p", folder, "-c", conf], inside, core)
    time.sleep(0.5)
    return port, process


def start_source(processes: Processes, linkpilot, url: str, inside=None, options=()):
    """Our own push, which paces by the clock: 600 kbit/s, 25 frames and one GOP a second."""
    command = [linkpilot, "dial", "--push", url, "--no-read-back", "--seconds", "3600",
               "--gop-seconds", "1", *options]
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


class Capture:
    """tcpdump of one port, read by tshark afterwards."""

    def __init__(self, interface: str, port: int, path: pathlib.Path, inside=None):
        command = ["tcpdump", "-i", interface, "-w", str(path), "-U", "-B", "65536", "-s", "0",
                   f"tcp port {port}"]
        if inside:
            command = ["ip", "netns", "exec", inside, *command]
        self.path, self.port = path, port
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        text=True)
        for line in self.process.stderr:
            if "listening on" in line:
                break

    def stop(self) -> None:
        time.sleep(0.5)
        self.process.send_signal(signal.SIGINT)
        self.process.wait()

    def frames(self) -> list[dict]:
        names = ["frame.time_epoch", "tcp.srcport", "tcp.dstport", "tcp.flags", "tcp.len",
                 "rtmpt.video.type", "_ws.col.Info"]
        fields = [word for name in names for word in ("-e", name)]
        done = subprocess.run(["tshark", "-r", str(self.path), "-d", f"tcp.port=={self.port},rtmpt",
                               "-T", "fields", *fields], capture_output=True, text=True, check=True)
        return [dict(zip(names, line.split("\t"))) for line in done.stdout.splitlines()]


def phases_of_capture(frames: list[dict], port: int) -> dict[int, dict]:
    """By the client's port: when tshark sees each phase of a pull, in UNIX seconds."""
    streams: dict[int, dict] = {}
    octets: dict[int, int] = {}
    keys: dict[int, int] = {}
    for frame in frames:
        if int(frame["tcp.srcport"]) != port:
            continue
        client = int(frame["tcp.dstport"])
        stream = streams.setdefault(client, {})
        at = float(frame["frame.time_epoch"])

        def mark(name, at=at, stream=stream):
            stream.setdefault(name, at)

        if int(frame["tcp.flags"], 16) & 0x12 == 0x12:
            mark("tcp")
        length = int(frame["tcp.len"] or 0)
        if length == 0:
            continue
        mark("first_octet")
        seen = octets[client] = octets.get(client, 0) + length
        if seen >= 1537:
            mark("server_hello")
        if seen >= 3073:
            mark("handshake")
        info = frame["_ws.col.Info"]
        if "NetConnection.Connect.Success" in info:
            mark("connect")
        elif "_result()" in info:
            mark("create_stream")
        if "NetStream.Play.Start" in info:
            mark("start")
        if "Audio Data" in info:
            mark("first_audio_tag")
        # The sequence header has the key frame's type, too: the second one is the frame.
        found = frame["rtmpt.video.type"].split(",").count("1") if frame["rtmpt.video.type"] else 0
        keys[client] = keys.get(client, 0) + found
        if keys[client] >= 2:
            mark("key_frame")
    return streams


def gaps_of_capture(frames: list[dict], port: int, longest_usual: float) -> list[tuple[float, float]]:
    """(begin, length) of each silence of the server, new data only, longer than usual."""
    times = [float(f["frame.time_epoch"]) for f in frames
             if int(f["tcp.srcport"]) == port and int(f["tcp.len"] or 0) > 0
             and "Retransmission" not in f["_ws.col.Info"]]
    return [(a, b - a) for a, b in zip(times, times[1:]) if b - a > longest_usual]


class Pair:
    """Two namespaces joined by a veth, 10.77.0.1 (server) and 10.77.0.2 (client)."""

    def __init__(self):
        self.server, self.client = f"lpd{os.getpid()}s", f"lpd{os.getpid()}c"
        for command in (f"netns add {self.server}", f"netns add {self.client}",
                        f"-n {self.server} link add e0 type veth peer name e0 netns {self.client}",
                        f"-n {self.server} addr add 10.77.0.1/24 dev e0",
                        f"-n {self.client} addr add 10.77.0.2/24 dev e0",
                        f"-n {self.server} link set lo up", f"-n {self.server} link set e0 up",
                        f"-n {self.client} link set lo up", f"-n {self.client} link set e0 up"):
            subprocess.run(["ip", *command.split()], check=True)

    def nft(self, rules: str) -> None:
        subprocess.run(["ip", "netns", "exec", self.server, "nft", "-f", "-"], input=rules, text=True,
                       check=True)

    def close(self) -> None:
        for name in (self.server, self.client):
            subprocess.run(["ip", "netns", "del", name], check=False)
