"""A paced datagram stream, 50 a second: `send` from one address to another, `receive` with kernel stamps.

  paced_stream.py send SOURCE TARGET
  paced_stream.py receive ADDRESS FILE     appends "sequence arrival_ns" lines, flushed each second
"""

import socket
import struct
import sys
import time

PORT = 7400
PERIOD_S = 0.02
SO_TIMESTAMPNS = 35  # linux/socket.h, 64-bit: SCM_TIMESTAMPNS carries a struct timespec


def send(source, target):
    stream = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    stream.bind((source, PORT + 1))
    start, sequence = time.monotonic(), 0
    while True:
        try:
            stream.sendto(struct.pack("<I", sequence) + bytes(156), (target, PORT))
        except OSError:
            pass  # no route at this moment: the receiver sees the gap
        sequence += 1
        time.sleep(max(0.0, start + sequence * PERIOD_S - time.monotonic()))


def receive(address, path):
    stream = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    stream.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    stream.bind((address, PORT))
    with open(path, "w", encoding="utf-8") as out:
        flushed = time.monotonic()
        while True:
            data, control, _, _ = stream.recvmsg(2048, 64)
            seconds, nanoseconds = struct.unpack("qq", control[0][2])
            out.write(f"{struct.unpack_from('<I', data)[0]} {seconds * 1_000_000_000 + nanoseconds}\n")
            if time.monotonic() - flushed > 1:
                out.flush()
                flushed = time.monotonic()


if __name__ == "__main__":
    {"send": send, "receive": receive}[sys.argv[1]](*sys.argv[2:])
