#!/usr/bin/python3
"""ingest: link samples per CPU-second from decryption to durable acknowledgement, and none lost.

One real collector, played to by linkpilot-fleet on the same machine: agents with keys of their own,
reports all different. A run offers a steady rate for --seconds; `samples_per_s_core` is what was
acknowledged over the CPU time of the collector's whole process (/proc), its solves included.
Acknowledgements are timed from the moment a report was due. The store is small enough that it
expires during the run. `lost`: reports acknowledged that the collector did not count, plus holes in
what its store keeps; `duplicated`: reports counted or stored twice. --saturate adds a run as fast as
windows allow (`saturated.*`).
"""

import argparse
import shutil
import sys
import pathlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from collector_process import (  # noqa: E402
    Collector, Watch, add_fleet_options, directory_bytes, fleet_json, run_folder)
from frame import Frame, add_options, progress  # noqa: E402


def run_once(arguments, rate, number):
    with run_folder("ingest", arguments) as folder:
        collector = Collector(arguments.build_dir, folder,
                              store=f'retention = "10min"\nsize_max = "{arguments.store_size}"',
                              agents=arguments.agents)
        with collector:
            watch = Watch(lambda: directory_bytes(folder, "collector.sqlite"))
            with watch:
                result = fleet_json(arguments.build_dir, [
                    "load", *collector.fleet_options(arguments), "--cells", str(arguments.cells),
                    "--rate", str(rate), "--seconds", str(arguments.seconds),
                    "--collector-pid", str(collector.pid)])
            metrics = collector.metrics()
            status = collector.status()
        taken = int(metrics['linkpilot_collector_reports_total{fate="taken"}'])
        result["taken"] = taken
        result["repeats"] = int(metrics['linkpilot_collector_reports_total{fate="duplicate"}'])
        result["lost"] = max(0, result["reports_acked"] - taken) + result["store"]["missing"]
        result["duplicated"] = max(0, taken - result["reports_acked"]) + result["store"]["twice"]
        result["expired"] = int(metrics["linkpilot_collector_store_expired_reports_total"])
        result["store_octets_max"] = watch.greatest
        result["fsync_ms"] = status["store"]["commit_ms_p50"]
        result["bytes_per_sample_disk"] = collector.disk_octets_per_sample(result)
        if arguments.dump and number == 0:
            shutil.copytree(folder / "collector.sqlite-reports", arguments.dump / "reports",
                            dirs_exist_ok=True)
            shutil.copy(folder / "collector.sqlite", arguments.dump)
        return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add_options(parser, runs=3)
    add_fleet_options(parser, agents=200, links=199)
    parser.add_argument("--cells", type=int, default=12, help="of a sample's sketch (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=1e6, help="samples/s (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=15, help="measured, a run (default: %(default)s)")
    parser.add_argument("--store-size", default="640MiB", help="[store] size_max (default: %(default)s)")
    parser.add_argument("--saturate", action="store_true", help="one more run without a set rate")
    arguments = parser.parse_args()
    if arguments.dump:
        arguments.dump.mkdir(parents=True, exist_ok=True)
    frame = Frame("ingest", arguments)
    results = []
    with frame.measured():
        for number in range(arguments.runs):
            results.append(run_once(arguments, arguments.rate, number))
            progress(f"run {number + 1}: {results[-1]}")
        saturated = run_once(arguments, 0, -1) if arguments.saturate else None
    for key in ("agents", "links_per_report", "cells_per_sample"):
        frame.put(key, results[0][key])
    for key in ("samples_per_s_core", "samples_per_s_total", "offered_per_s", "ack_ms_p50",
                "ack_ms_p99", "ack_ms_max", "fsync_ms", "bytes_per_sample_wire",
                "bytes_per_sample_disk", "collector_cpu_percent", "fleet_cpu_percent"):
        frame.add(key, [result[key] for result in results])
    frame.put("lost", sum(result["lost"] for result in results))
    frame.put("duplicated", sum(result["duplicated"] for result in results))
    frame.put("reread_equal", all(result["store"]["reread_equal"] for result in results))
    frame.put("samples_compared", sum(result["store"]["samples_compared"] for result in results))
    frame.put("reports_expired", sum(result["expired"] for result in results))
    frame.put("store_octets_max", max(result["store_octets_max"] for result in results))
    if saturated:
        for key in ("samples_per_s_core", "samples_per_s_total", "ack_ms_p99"):
            frame.put("saturated." + key, float(saturated[key]))
    frame.finish()
    return 0


if __name__ == "__main__":
    sys.exit(main())
