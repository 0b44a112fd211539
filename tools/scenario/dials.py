"""Dials of the live stream against the lab's ledger: pure functions of dial reports and packet records.

The fault is a cut of one direction, from the server to one viewer: acknowledgements still get through, so
what is delivered after it is new, and the longest silence in the ledger is the time in which nothing new
came. It is longer than the fault by what TCP waited before it tried again."""

import numpy as np

from live import FRAMES_PER_S, RTMP_PORT

TCP = 6
HEADERS_OCTETS = 60      # of IPv4 and TCP with time stamps, at most: longer packets carry data
FRAME_MS = 1000 / FRAMES_PER_S
PLAYER = "plain"


def first_frame_ms(report):
    """From the start of the dial to the first key frame that can be decoded; None without one."""
    found = [phase["at_ms"] for phase in report["phases"] if phase["name"] == "key_frame"] if report else []
    return round(found[0], 3) if found else None


def stalls(report, player=PLAYER):
    """(start in UNIX nanoseconds, length in ms) of each stall of one player."""
    players = (report or {}).get("playback", {}).get("players", [])
    return [(report["started_unix_ns"] + stall["at_ms"] * 1e6, stall["length_ms"])
            for found in players if found["name"] == player for stall in found["list"]]


def data_to(packets, server, viewer):
    """Records of data that the RTMP server at one node sent to another; both are places in the ledger."""
    return packets[(packets["protocol"] == TCP) & (packets["source"] == server) & (packets["destination"] == viewer) &
                   (packets["source_port"] == RTMP_PORT) & (packets["length"] > HEADERS_OCTETS)]


def silence_ms(data, delivered_fate, start_ns, end_ns):
    """The longest time without a delivery, of those that overlap [start, end]; 0 without any."""
    times = np.sort(data["delivered_ns"][data["fate"] == delivered_fate])
    over = (times[1:] > start_ns) & (times[:-1] < end_ns)
    return float(np.max(np.diff(times)[over]) / 1e6) if over.any() else 0.0


def judge_dials(fact, packets, places, delivered_fate):
    """The `dial` part of the report. `places`: node name -> place in the ledger.

    stall_ms: of a player without a buffer, the longest that overlaps the fault. stall_error_ms: how far it is
    off the silence less one frame, which the newest frame is shown for; a frame that ends the silence may come
    in two parts, so up to one round trip more is no error. stalls_elsewhere: stalls of the other viewers,
    except of those to whom the emulator also lost data."""
    reports = fact["reports"]
    first = {node: first_frame_ms(report) for node, report in reports.items()}
    shown = [value for value in first.values() if value is not None]
    cut, healed = fact["cut_ns"], fact["heal_ns"]
    server, victim = places[fact["server"]], fact["victim"]
    silence = silence_ms(data_to(packets, server, places[victim]), delivered_fate, cut, healed)
    during = [length for start, length in stalls(reports[victim])
              if start < healed and start + length * 1e6 > cut]
    stall = max(during, default=None)
    over = None if stall is None else stall - (silence - FRAME_MS)
    elsewhere = 0
    for node, report in reports.items():
        if node == victim or (data_to(packets, server, places[node])["fate"] != delivered_fate).any():
            continue
        elsewhere += len(stalls(report))
    return {
        "server": fact["server"], "victim": victim, "regions": len(reports), "regions_shown": len(shown),
        "first_frame_ms": first, "first_frame_ms_max": max(shown, default=None),
        "fault_ms": round((healed - cut) / 1e6, 3), "silence_ms": round(silence, 3),
        "stall_found": stall is not None, "stall_ms": None if stall is None else round(stall, 3),
        "stall_error_ms": None if stall is None else round(max(-over, over - fact["round_trip_ms"], 0.0), 3),
        "stall_buffered_ms": round(sum(length for _, length in stalls(reports[victim], "buffered")), 3),
        "stalls_elsewhere": elsewhere,
        "verdicts": {node: report["verdict"]["kind"] if report else None for node, report in reports.items()},
    }
