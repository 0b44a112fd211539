"""The demo of LinkPilot: the whole system on real packets and real latencies, in network namespaces of
this machine. tools/demo builds what is needed and calls this."""

import argparse
import json
import os
import pickle
import random
import signal
import sys
import time

SOURCE = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), os.path.join(SOURCE, "tools", "lab")]
sys.dont_write_bytecode = True

import ledger  # noqa: E402
from bounds import bounds, judge  # noqa: E402
from live import missing_programs  # noqa: E402
from report import Report  # noqa: E402
from stored import read_spool  # noqa: E402
from story import Story  # noqa: E402
from timeline import Timeline  # noqa: E402
from world import COLLECTOR, World, WorldError  # noqa: E402

EXIT_HELD, EXIT_FAILED, EXIT_USAGE, EXIT_UNAVAILABLE = 0, 1, 2, 3
TOPOLOGIES = {3: "triangle-3.toml", 12: "regions-12.toml"}


def arguments():
    parser = argparse.ArgumentParser(
        prog="tools/demo", description="Shows LinkPilot at work: regions are emulated with their real delays, agents measure "
        "each other, streams are forwarded along the routes that follow, links are cut, and the streams go another way.")
    parser.add_argument("--headless", action="store_true", help="no colours and no pauses for a reader; same lines")
    parser.add_argument("--report", metavar="FILE", help="write all figures as one JSON object")
    parser.add_argument("--keep", action="store_true", help="stay up at the end and say how to look around")
    parser.add_argument("--nodes", type=int, choices=sorted(TOPOLOGIES), default=12, help="how many regions (default 12)")
    parser.add_argument("--seed", type=int, default=1, help="draws what is cut and when (default 1)")
    parser.add_argument("--topology", metavar="FILE", help="another topology than the shipped ones")
    return parser.parse_args()


def missing_requirements():
    """Everything that this machine lacks, one sentence each."""
    missing = []
    if os.geteuid() != 0:
        missing.append("root: network namespaces and TUN devices cannot be made without it; run: sudo tools/demo")
    if not os.path.exists("/dev/net/tun"):
        missing.append("/dev/net/tun: the kernel's TUN driver (CONFIG_TUN); run: modprobe tun")
    if not os.path.exists("/proc/self/ns/net"):
        missing.append("network namespaces: this kernel is built without CONFIG_NET_NS")
    return missing + missing_programs()


def finish(world, timeline, story, options):
    """Figures, the judged table, the report file; whether all of it held."""
    facts = timeline.facts
    lab_status = world.lab.ask(op="status")
    facts["spools"] = {node: read_spool(world.path("agents", node, "state", "spool")) for node in world.nodes}
    facts["reports"], samples = world.api.stored()
    story.note(f"{len(samples)} link samples are fetched from the collector's store")
    world.lab.ask(op="flush")
    with open(world.path("facts.pickle"), "wb") as file:  # with the samples, all that a figure is made from
        pickle.dump((facts, samples, lab_status), file)
    facts["mails"] = timeline.mails()
    report = Report(world, facts, timeline.fleet, samples, lab_status, ledger.read(world.ledger_path)).figures()
    report["seed"], report["topology"] = options.seed, os.path.basename(world.topology_path)
    wanted = facts.get("wanted_streams", {"first_hop": 0, "later_hop": 0})
    rows = judge(report, bounds(len(facts["nodes"]), report["links"], bool(facts["joiner"]),
                                wanted["first_hop"], wanted["later_hop"], report["mail"]["causes"]))
    story.chapter("Summary")
    for key, value, bound, held in rows:
        (story.saw if held else story.wrong)(f"{key:34} {value!s:>12}   bound {bound:10} {'held' if held else 'NOT HELD'}")
    report["held"] = all(held for *_, held in rows)
    report["not_held"] = [key for key, _, _, held in rows if not held]
    if report["noisy"]:
        story.note("the machine was busy with other work: figures of time are doubtful (noisy)")
    if options.report:
        with open(options.report, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=1, sort_keys=False)
            file.write("\n")
        story.note(f"all figures: {options.report}")
    return report["held"]


def look_around(world, story):
    """Until Ctrl-C."""
    story.chapter("Everything stays up; Ctrl-C ends it. Look around from another shell:")
    linkpilot = f"ip netns exec {world.namespaces[COLLECTOR]} {world.program('linkpilot')}"
    lab, control = world.program("linkpilot-lab"), world.path("lab.socket")
    a, b = world.nodes[0], world.nodes[1]
    for line in (f"{linkpilot} status", f"{linkpilot} link list", f"{linkpilot} route explain {a} {b}",
                 f"{linkpilot} event tail",
                 f"{lab} fault --control {control} blackhole --from {a} --to {b} --both    # cut a link",
                 f"{lab} heal --control {control}",
                 f"ls {world.path('logs')}    # what every process says"):
        story.note(f"    {line}")
    try:
        while True:
            world.check_alive()
            time.sleep(1)
    except KeyboardInterrupt:
        story.note("stopped by hand")


def play(world, story, options):
    joiner = world.nodes[-1] if len(world.nodes) > 3 else None
    timeline = Timeline(world, story, random.Random(options.seed), joiner)
    timeline.come_up()
    timeline.cut_links()
    timeline.lose_collector()
    timeline.tell_people()
    timeline.degrade_link()
    timeline.lose_and_gain_nodes()
    timeline.heal_all()
    timeline.dial_stream()
    timeline.show_mails()
    timeline.wind_down()
    held = finish(world, timeline, story, options)
    if held:
        story.saw("All of it held.")
    else:
        story.wrong("Not all of it held: see the lines marked NOT HELD.")
    if options.keep:
        look_around(world, story)
    return EXIT_HELD if held else EXIT_FAILED


def main():
    options = arguments()
    missing = missing_requirements()
    if missing:
        print("tools/demo cannot run here. Missing:\n  " + "\n  ".join(missing), file=sys.stderr)
        return EXIT_UNAVAILABLE
    if options.headless:
        os.environ["NO_COLOR"] = "1"
    topology = options.topology or os.path.join(SOURCE, "tools/lab/topology", TOPOLOGIES[options.nodes])
    story = Story()
    os.nice(-5)  # what happens is timed from here: not behind other work, not before the daemons
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # leave as on Ctrl-C
    world = World(SOURCE, topology, options.nodes, options.seed)
    code = EXIT_FAILED
    try:
        code = play(world, story, options)
    except KeyboardInterrupt:
        story.note("stopped by hand")
        code = 130
    except (WorldError, OSError) as error:
        story.wrong(str(error))
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the clean-up is short and must be whole
        world.stop()
        if code in (EXIT_HELD, 130):
            world.remove_files()
        else:
            story.note(f"logs and ledger of this run are kept in {world.folder}")
    return code


if __name__ == "__main__":
    sys.exit(main())
