#!/usr/bin/python3
"""Reads every include of the tree against the table of ARCHITECTURE.md, "Layers".

A module may include itself and what its row names; a library of others may be included only where its
row says. Prints each offence as file:line and exits 1 if there is any.
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Longest prefix wins. `tests` may include everything.
LAYERS = {
    "base/": {"base/"},
    "base/runtime/": {"base/", "base/runtime/"},
    "schemas/": {"base/", "schemas/"},
    "prober/": {"base/", "prober/"},
    "optimizer/": {"base/", "optimizer/"},
    "agent/route_client/": {"base/", "base/runtime/", "schemas/", "agent/route_client/"},
    "agent/": {"base/", "base/runtime/", "schemas/", "prober/", "agent/route_client/", "agent/"},
    "collector/": {"base/", "base/runtime/", "schemas/", "optimizer/", "collector/"},
    "tools/": {"base/", "base/runtime/", "schemas/", "prober/", "optimizer/", "agent/route_client/",
               "agent/", "collector/", "tools/"},
    "tests/": None,
}

# The socket shells of the prober sit on the runtime.
SOCKET_SHELL = re.compile(r"prober/.*_socket\.(cc|h)$")

# Angle-bracket include -> the files that may have it (regular expressions over the path).
LIBRARIES = [
    (re.compile(r"capnp/|kj/"), r"schemas/(.*\.cc|wire_values\.h|kj_compat\.h)$"),
    (re.compile(r"Eigen/"), r"optimizer/.*\.cc$"),
    (re.compile(r"httplib\.h"), r"(collector/api|tools/linkpilot)/.*\.cc$"),
    (re.compile(r"toml\+\+/"), r"base/runtime/config_reader\.cc$"),
    (re.compile(r"spdlog/"), r"base/runtime/log\.cc$"),
    (re.compile(r"CLI/"), r"base/runtime/command_line\.cc$"),
    (re.compile(r"sqlite3\.h"), r"(collector/store|tools)/.*$"),
    (re.compile(r"zmq(\.hpp|_addon\.hpp|\.h)$"), r"base/runtime/(.*\.cc|zmq_socket\.h)$"),
    (re.compile(r"asio(/|\.hpp)"), r"(base/runtime|agent|collector|tools)/.*$"),
    (re.compile(r"curl/"), r"(collector/notify/.*_socket\.cc|tools/.*|prober/.*)$"),
    (re.compile(r"sodium"), r"(base/runtime|prober/stamp|collector/notify)/.*\.cc$"),
    (re.compile(r"openssl/"), r"prober/media/(rtmp/digests|dial/\w+_socket)\.cc$"),
    (re.compile(r"zlib\.h"), r"(collector/notify/canvas|tools/linkpilot/support/.*)\.cc$"),
    (re.compile(r"ares"), r"prober/media/dial/resolver_socket\.cc$"),
    (re.compile(r"pcap"), r"(prober/passive|tests|tools)/.*$"),
]

# The operating system belongs to shells: sockets, runtime, daemons. These cores have a stated reason.
SYSTEM = re.compile(r"^(sys/|netinet/|linux/|poll\.h|fcntl\.h|unistd\.h|arpa/|net/|pthread\.h)")
CORE_LAYERS = ("base/", "schemas/", "prober/", "optimizer/")
SYSTEM_EXCEPTIONS = {
    "base/address.cc": "inet_pton and inet_ntop are pure functions",
    "base/huge_pages.cc": "madvise changes how fast memory is, not what it holds",
}

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')


def layer_of(path):
    best = ""
    for prefix in LAYERS:
        if path.startswith(prefix) and len(prefix) > len(best):
            best = prefix
    return best


def offences_of(path):
    layer = layer_of(path)
    allowed = LAYERS.get(layer, set())
    if allowed is None:
        return
    text = (ROOT / path).read_text(encoding="utf-8", errors="replace")
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quoted, name = match.group(1) == '"', match.group(2)
        target = layer_of(name)
        if quoted and "/" in name and target:
            ok = target in allowed or (target == "base/runtime/" and SOCKET_SHELL.search(path))
            if not ok:
                yield f"{path}:{number}: {layer} may not include {target} ({name})"
            continue
        for library, where in LIBRARIES:
            if library.match(name) and not re.search(f"^(?:{where})", path):
                yield f"{path}:{number}: <{name}> belongs in {where} only"
        if (not quoted and layer in CORE_LAYERS and SYSTEM.match(name)
                and not SOCKET_SHELL.search(path) and path not in SYSTEM_EXCEPTIONS):
            yield f"{path}:{number}: core code may not include <{name}>; that is a shell's work"


def main():
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.h", "*.cc", "*.c"],
        cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    if not listed:
        print("layering: found no sources to read")
        return 1
    found = [offence for path in listed for offence in offences_of(path)]
    for path in SYSTEM_EXCEPTIONS:
        if not (ROOT / path).exists():
            found.append(f"tests/tidy/layering_test.py: exception for a file that is gone: {path}")
    print("\n".join(found) if found else f"layering: {len(listed)} files hold to the table")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
