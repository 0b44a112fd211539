"""Further versions of built packages: the same programs under another number, or an agent that looks alive to its
service manager and never reports."""

import os
import subprocess
import tempfile

# Says that it is ready and pets its watchdog, as a build with a fault in its connection would.
DEAF_AGENT = """#!/usr/bin/python3
import os, socket, sys, time
if "--check-config" in sys.argv or "--version" in sys.argv:
    sys.exit(0)
where = os.environ.get("NOTIFY_SOCKET", "")
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
    while where:
        manager.sendto(b"READY=1\\nWATCHDOG=1", "\\0" + where[1:] if where[0] == "@" else where)
        time.sleep(5)
while True:
    time.sleep(60)
"""


def renumber(source, target, version, deaf=False):
    """Packages of the folder `source` as `version` into the folder `target`, which is returned."""
    os.makedirs(target)
    for name in sorted(os.listdir(source)):
        if not name.endswith(".deb"):
            continue
        with tempfile.TemporaryDirectory(dir=target) as place:
            tree = os.path.join(place, "tree")
            subprocess.run(["dpkg-deb", "-R", os.path.join(source, name), tree], check=True)
            control = os.path.join(tree, "DEBIAN/control")
            with open(control, encoding="utf-8") as file:
                lines = file.read().splitlines()
            before = next(line.split()[1] for line in lines if line.startswith("Version:"))
            with open(control, "w", encoding="utf-8") as file:
                for line in lines:
                    line = f"Version: {version}" if line.startswith("Version:") else line
                    file.write(line.replace(f"(= {before})", f"(= {version})") + "\n")
            agent = os.path.join(tree, "usr/bin/linkpilot-agent")
            if deaf and os.path.exists(agent):
                with open(agent, "w", encoding="ascii") as file:
                    file.write(DEAF_AGENT)
            subprocess.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "-b", tree, target], check=True,
                           stdout=subprocess.DEVNULL)
    return target


def version_of(folder):
    """The one version of the packages in a folder."""
    found = {name.split("_")[1] for name in os.listdir(folder) if name.startswith("linkpilot-agent_")}
    if len(found) != 1:
        raise ValueError(f"{folder}: wanted the linkpilot-agent of one version, found {sorted(found) or 'none'}")
    return found.pop()
