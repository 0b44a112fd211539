# A collector in a folder of its own, and the fleet that plays to it: what ingest and storm share.

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import threading
import urllib.request


def add_fleet_options(parser, agents, links):
    parser.add_argument("--agents", type=int, default=agents, help="default: %(default)s")
    parser.add_argument("--links", type=int, default=links, help="samples a report (default: %(default)s)")
    parser.add_argument("--directory", type=pathlib.Path, default=None,
                        help="where the store lies (default: the temporary directory)")


@contextlib.contextmanager
def run_folder(name, arguments):
    """A folder for one run, removed with everything in it."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"lp-{name}-", dir=arguments.directory))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def fleet_command(build_dir, options):
    return [str(build_dir / "tools/fleet/linkpilot-fleet"), *options]


def fleet_json(build_dir, options):
    done = subprocess.run(fleet_command(build_dir, options), stdout=subprocess.PIPE, text=True,
                          check=False)
    if done.returncode != 0:
        raise SystemExit(f"linkpilot-fleet {options[0]} failed with {done.returncode}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def directory_bytes(folder: pathlib.Path, prefix: str) -> int:
    """Disk space of the files whose path begins so, what is set aside included."""
    total = 0
    for found in folder.glob(prefix + "*"):
        for path in [found, *found.rglob("*")]:
            with contextlib.suppress(OSError):  # expired between two calls
                total += path.stat().st_blocks * 512
    return total


class Watch:
    """The greatest value that `read` gave, five times a second, until the block ends."""

    def __init__(self, read):
        self.read, self.greatest, self.over = read, 0, threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.over.wait(0.2):
            self.greatest = max(self.greatest, self.read())

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


class Collector:
    """linkpilot-collector with its own keys and `agents` enrolled ones, on free ports of loopback."""

    def __init__(self, build_dir, folder, store, agents, listen=""):
        self.build_dir, self.folder, self.process = build_dir, folder, None
        self.program = str(build_dir / "collector/linkpilot-collector")
        subprocess.run([self.program, "--init", str(folder)], check=True, stdout=subprocess.DEVNULL)
        self.config = folder / "bench.toml"
        self.ports = ("tcp://127.0.0.1:*", "127.0.0.1:0")
        self.rest = ('[keys]\ncurve_file = "collector.key"\nsigning_file = "routes.key"\n'
                     'enrolled_directory = "enrolled"\n'
                     f'[store]\npath = "collector.sqlite"\n{store}\n'
                     '[log]\nlevel = "error"\n')
        self.listen = listen
        subprocess.run(fleet_command(build_dir, [
            "enrol", "--keys", str(folder / "keys"), "--enrolled", str(folder / "enrolled"),
            "--agents", str(agents)]), check=True)

    def start(self):
        agents, http = self.ports
        self.config.write_text(f'[listen]\nagents = "{agents}"\nhttp = "{http}"\n{self.listen}\n'
                               + self.rest, encoding="utf-8")
        # Not our child's output: a pipe that nobody reads would stop it.
        with open(self.folder / "collector.err", "ab") as errors:
            self.process = subprocess.Popen([self.program, "--config", str(self.config)],
                                            stdout=subprocess.PIPE, stderr=errors, text=True)
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit((self.folder / "collector.err").read_text(encoding="utf-8"))
        ready = json.loads(line)
        self.address, self.http_port = ready["agents"], ready["http_port"]
        # The same ports after a restart.
        self.ports = (self.address, f"127.0.0.1:{self.http_port}")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=30)

    @property
    def pid(self):
        return self.process.pid

    def fleet_options(self, arguments):
        return ["--keys", str(self.folder / "keys"), "--collector", self.address,
                "--collector-key", str(self.folder / "collector.key.pub"),
                "--store", str(self.folder / "collector.sqlite"),
                "--agents", str(arguments.agents), "--links", str(arguments.links)]

    def get(self, path):
        url = f"http://127.0.0.1:{self.http_port}{path}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.read().decode()

    def status(self):
        return json.loads(self.get("/v1/status"))

    def events(self, after=0):
        return json.loads(self.get(f"/v1/events?after={after}&limit=1000"))

    def metrics(self):
        values = {}
        for line in self.get("/metrics").splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                values[name] = float(value)
        return values

    def disk_octets_per_sample(self, result):
        """Of the reports that the store still has: used octets of segments that are full."""
        used = sum(path.stat().st_size for path in (self.folder / "collector.sqlite-reports").iterdir())
        samples = result["store"]["reports"] * result["links_per_report"]
        return used / samples if samples else 0.0


os.environ.setdefault("LC_ALL", "C")
