#!/usr/bin/python3
"""size: what an agent takes up on a node, and how soon it reports.

`installed_kb`: the files of the package linkpilot-agent itself, stripped as they are installed; its
libraries are Debian's. `start_to_first_report_ms`: from the start of the agent's process, with an
empty state directory and a key that is enrolled, until the collector's acknowledgement of its first
report has reached it: connection, CURVE handshake, welcome, report, commit to the disk. Collector and
agent are real and meet on loopback, so no distance is in it.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "collector"))
from collector_process import Collector, run_folder  # noqa: E402
from frame import Frame, add_options, progress  # noqa: E402

WAIT_S = 20.0
ACKNOWLEDGED = "first_report_acknowledged"


def installed_files(build_dir):
    """Path and octets of each file that the package would hold."""
    with tempfile.TemporaryDirectory(prefix="lp-size-") as root:
        subprocess.run(["cmake", "--install", str(build_dir), "--component", "agent", "--strip",
                        "--prefix", "/usr"], check=True, stdout=subprocess.DEVNULL,
                       env={**os.environ, "DESTDIR": root})
        return {str(path.relative_to(root)): path.stat().st_size
                for path in sorted(pathlib.Path(root).rglob("*")) if path.is_file()}


def agent_config(folder, collector, port):
    key = next((collector.folder / "keys").glob("*.key"))
    path = folder / "agent.toml"
    path.write_text(f"""
[node]
name = "{key.stem}"
state_directory = "{folder}/state"
[[ports]]
listen = "127.0.0.1"
stamp_port = {port}
[collector]
connect = ["{collector.address}"]
public_key_file = "{collector.folder}/collector.key.pub"
key_file = "{key}"
[routes]
signer_public_key_files = ["{collector.folder}/routes.key.pub"]
""", encoding="utf-8")
    return path


def first_report_s(build_dir, config):
    began = time.monotonic()
    with subprocess.Popen([str(build_dir / "agent/linkpilot-agent"), "--config", str(config)],
                          stderr=subprocess.PIPE, text=True) as agent:
        lines = []
        patience = threading.Timer(WAIT_S, agent.kill)
        patience.start()
        try:
            for line in agent.stderr:
                lines.append(line)
                if ACKNOWLEDGED in line:
                    return time.monotonic() - began
        finally:
            patience.cancel()
            agent.terminate()
    raise SystemExit(f"no report was acknowledged within {WAIT_S:.0f} s:\n{''.join(lines)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add_options(parser, runs=11)
    parser.add_argument("--directory", type=pathlib.Path, default=None,
                        help="where the states lie (default: the temporary directory)")
    parser.add_argument("--stamp-port", type=int, default=24862, help="default: %(default)s")
    arguments = parser.parse_args()
    frame = Frame("size", arguments)
    files = installed_files(arguments.build_dir)
    for path, octets in files.items():
        progress(f"{octets:9} {path}")
    times = []
    with frame.measured(), run_folder("size", arguments) as folder:
        with Collector(arguments.build_dir, folder, "", agents=1) as collector:
            for run in range(arguments.runs):
                home = folder / f"run-{run}"
                home.mkdir()
                config = agent_config(home, collector, arguments.stamp_port)
                times.append(first_report_s(arguments.build_dir, config))
                progress(f"run {run}: {1e3 * times[-1]:.0f} ms")
    frame.put("installed_kb", sum(files.values()) / 1024)
    frame.put("installed_files", len(files))
    frame.add("start_to_first_report_ms", [1e3 * value for value in times])
    frame.put("start_to_first_report_ms_max", 1e3 * max(times))
    if arguments.dump:
        arguments.dump.mkdir(parents=True, exist_ok=True)
        (arguments.dump / "size.csv").write_text(
            "path,octets\n" + "".join(f"{path},{octets}\n" for path, octets in files.items()),
            encoding="utf-8")
    frame.finish()


if __name__ == "__main__":
    main()
