"""What a media process does with routes, all day: looks up every other node, both ways, through
liblinkpilot-routes as installed. Runs on a host as a media server's user; needs nothing but Python.

    lookups.py NODE,NODE,... OUTPUT    writes OUTPUT, one JSON object, each second: answers by target and kind
"""

import ctypes
import json
import os
import sys
import time

STATE = b"/var/lib/linkpilot/"
KINDS = ["ok", "no_table", "unknown_target", "dropped", "no_route", "no_turn", "bad_argument"]  # lpr_status
PUSH, PULL = 1, 2  # lpr_direction
ROUND_S = 0.02
ROUTE_OCTETS = 512  # more than sizeof(lpr_route); only the status is read here


def main():
    targets, output = sys.argv[1].split(","), sys.argv[2]
    library = ctypes.CDLL("liblinkpilot-routes.so.0")
    library.lpr_open.restype = library.lpr_reader_new.restype = ctypes.c_void_p
    library.lpr_open.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p]
    library.lpr_reader_new.argtypes = library.lpr_poll.argtypes = [ctypes.c_void_p]
    library.lpr_lookup.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_int64, ctypes.c_char_p]
    client = library.lpr_open(STATE + b"routes.bin", STATE + b"marks.bin", None)
    if not client:
        print("lookups: lpr_open failed: may this user enter /var/lib/linkpilot?", file=sys.stderr)
        return 3
    reader, route = library.lpr_reader_new(client), ctypes.create_string_buffer(ROUTE_OCTETS)
    counts = {target: dict.fromkeys(KINDS, 0) for target in targets}
    refused, told = 0, 0.0
    while True:
        refused += library.lpr_poll(client) < 0
        for target in targets:
            for direction in (PUSH, PULL):
                status = library.lpr_lookup(reader, direction, target.encode(), 0, route)
                counts[target][KINDS[status]] += 1
        now = time.monotonic()
        if now - told >= 1:
            told = now
            with open(output + ".new", "w", encoding="ascii") as file:
                json.dump({"tables_refused": refused, "targets": counts}, file)
            os.rename(output + ".new", output)
        time.sleep(ROUND_S)


if __name__ == "__main__":
    sys.exit(main())
