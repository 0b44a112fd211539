"""How a scenario talks to the lab (a unix socket) and to the collector (HTTP inside its network
namespace). Both are used by one thread at a time."""

import ctypes
import http.client
import json
import os
import socket
import time
import urllib.parse

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def socket_in_namespace(namespace):
    """A TCP socket that belongs to a named network namespace, whatever this thread belongs to."""
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        there = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
        try:
            if _libc.setns(there, _CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), f"cannot enter network namespace {namespace}")
            try:
                return socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            finally:
                if _libc.setns(here, _CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "cannot return from a network namespace")
        finally:
            os.close(there)
    finally:
        os.close(here)


def can_connect(namespace, address, port):
    """Whether a TCP server answers there, from inside its namespace."""
    with socket_in_namespace(namespace) as plain:
        plain.settimeout(1.0)
        return plain.connect_ex((address, port)) == 0


class CollectorApi:
    """The collector's read-only API (collector/api/API.md)."""

    def __init__(self, namespace, port=7180):
        self._namespace = namespace
        self._port = port
        self._connection = None

    def get(self, path, timeout_s=10.0, **query):
        """The JSON answer. Raises OSError when the collector cannot be reached or refuses."""
        target = path + ("?" + urllib.parse.urlencode(query) if query else "")
        for attempt in (1, 2):  # a kept connection may have been closed by the other end meanwhile
            try:
                if self._connection is None:
                    self._connection = self._connect(timeout_s)
                self._connection.request("GET", target)
                answer = self._connection.getresponse()
                body = answer.read()
                break
            except (OSError, http.client.HTTPException) as error:
                self.close()
                if attempt == 2:
                    raise OSError(f"collector: GET {target}: {error}") from error
        if answer.status not in (200, 503):
            raise OSError(f"collector: GET {target}: {answer.status} {body[:200]!r}")
        return json.loads(body)

    def stored(self, page=1000):
        """Every report the collector has stored and every raw link sample in them: two lists, oldest first."""
        after, reports, samples = 0, [], []
        while True:
            answer = self.get("/v1/samples", after=after, limit=page)
            reports += answer["reports"]
            samples += answer["samples"]
            if not answer["more"] or answer["last_id"] == after:
                return reports, samples
            after = answer["last_id"]

    def events(self, after=0):
        """All events after an id, oldest first, as a list."""
        found = []
        while True:
            answer = self.get("/v1/events", after=after, limit=1000)
            found += answer["events"]
            if len(answer["events"]) < 1000:
                return found
            after = answer["last_id"]

    def close(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self, timeout_s):
        plain = socket_in_namespace(self._namespace)
        plain.settimeout(timeout_s)
        plain.connect(("127.0.0.1", self._port))
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=timeout_s)
        connection.sock = plain
        return connection


class LabControl:
    """The lab's control socket (tools/lab/control_codec.h)."""

    def __init__(self, path, timeout_s=5.0):
        deadline = time.monotonic() + timeout_s
        while True:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                self._socket.connect(path)
                break
            except OSError:
                self._socket.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        self._socket.settimeout(timeout_s)
        self._file = self._socket.makefile("rb")

    def ask(self, **request):
        """One request, one answer. Raises OSError with the lab's reason when it says no."""
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        line = self._file.readline()
        if not line:
            raise OSError("lab: the control socket was closed")
        answer = json.loads(line)
        if not answer.get("ok"):
            raise OSError(f"lab: {request}: {answer.get('error')}")
        return answer

    def fault(self, kind, **keys):
        """Sets a fault; the time it took effect, in UTC nanoseconds."""
        return self.ask(op="fault", kind=kind, **keys)["time_ns"]

    def heal(self, **keys):
        return self.ask(op="heal", **keys)["time_ns"]

    def close(self):
        self._file.close()
        self._socket.close()
