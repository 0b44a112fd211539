#!/usr/bin/python3
"""Interop with the STAMP codec of scapy (Debian's python3-scapy), both ways and over IPv4 and IPv6.

  stamp_interop_test.py PROGRAM    PROGRAM is stamp_interop_peer

The peer program reflects what scapy built, and probes a reflector that scapy writes. Every field that
crosses is compared. Exits 1 and says what differs.
"""

import socket
import subprocess
import sys
import unittest

from scapy.contrib.stamp import (ErrorEstimate, STAMPSessionReflectorTestUnauthenticated,
                                 STAMPSessionSenderTestUnauthenticated)

PROGRAM = sys.argv.pop(1)
SSID_SCAPY = 9  # scapy plays node 9; the peer program is node 1
SSID_OURS = 1


class Peer:
    """The engine in a process: reflects for node 9 at `address`, and probes it there."""

    def __init__(self, address: str, scapy_port: int):
        self.process = subprocess.Popen([PROGRAM, address, str(scapy_port)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def end(self) -> dict:
        output, _ = self.process.communicate(timeout=20)
        assert self.process.returncode == 0
        return {key: int(value) for key, value in
                (line.split() for line in output.strip().splitlines())}


def open_socket(address: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    endpoint = socket.socket(family, socket.SOCK_DGRAM)
    endpoint.bind((address, 0))
    endpoint.settimeout(5)
    return endpoint


class Interop(unittest.TestCase):
    def reflects_what_scapy_built(self, address: str) -> None:
        with open_socket(address) as mine:
            peer = Peer(address, mine.getsockname()[1])
            for sequence in range(5):
                probe = STAMPSessionSenderTestUnauthenticated(
                    seq=100 + 2 * sequence, ts=1234.5 + sequence, ssid=SSID_SCAPY,
                    err_estimate=ErrorEstimate(S=1, Z=0, scale=5, multiplier=7))
                mine.sendto(bytes(probe), (address, peer.port))
                while True:  # the engine probes this socket too
                    octets, source = mine.recvfrom(2048)
                    if source[1] == peer.port:
                        break
                self.assertEqual(len(octets), len(bytes(probe)))
                answer = STAMPSessionReflectorTestUnauthenticated(octets)
                self.assertEqual(answer.seq, sequence)
                self.assertEqual(answer.ssid, SSID_SCAPY)
                self.assertEqual(answer.seq_sender, 100 + 2 * sequence)
                self.assertEqual(octets[28:36], bytes(probe)[4:12])
                self.assertEqual(answer.err_estimate_sender.S, 1)
                self.assertEqual(answer.err_estimate_sender.scale, 5)
                self.assertEqual(answer.err_estimate_sender.multiplier, 7)
                self.assertGreater(answer.err_estimate.multiplier, 0)
                self.assertGreaterEqual(answer.ts, answer.ts_rx)
                self.assertEqual(answer.ttl_sender, 64)
            self.assertEqual(peer.end()["reflected"], 5)

    def measures_a_reflector_scapy_writes(self, address: str) -> None:
        with open_socket(address) as mine:
            peer = Peer(address, mine.getsockname()[1])
            answered = 0
            while answered < 10:
                octets, source = mine.recvfrom(2048)
                probe = STAMPSessionSenderTestUnauthenticated(octets[:44])
                self.assertEqual(probe.ssid, SSID_OURS)
                self.assertEqual(probe.seq, answered)
                self.assertEqual(probe.mbz1 if hasattr(probe, "mbz1") else 0, 0)
                self.assertEqual(octets[16:44], bytes(28))
                answer = STAMPSessionReflectorTestUnauthenticated(
                    seq=answered, ts=probe.ts, ts_rx=probe.ts, ssid=probe.ssid,
                    err_estimate=ErrorEstimate(S=0, Z=0, scale=0, multiplier=1),
                    seq_sender=probe.seq, ts_sender=probe.ts, ttl_sender=64)
                # Other people's reflectors keep the TLVs they do not know, with U set.
                mine.sendto(bytes(answer) + octets[44:], source)
                answered += 1
            figures = peer.end()
            self.assertGreaterEqual(figures["answered"], 10)

    def test_reflects_what_scapy_built_over_ipv4(self):
        self.reflects_what_scapy_built("127.0.0.1")

    def test_reflects_what_scapy_built_over_ipv6(self):
        self.reflects_what_scapy_built("::1")

    def test_measures_a_reflector_scapy_writes_over_ipv4(self):
        self.measures_a_reflector_scapy_writes("127.0.0.1")

    def test_measures_a_reflector_scapy_writes_over_ipv6(self):
        self.measures_a_reflector_scapy_writes("::1")


if __name__ == "__main__":
    unittest.main()
