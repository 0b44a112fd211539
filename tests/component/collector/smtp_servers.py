"""Mail servers for tests: a real one (aiosmtpd) that does as it is told, and sockets that misbehave."""

import email
import email.policy
import logging
import os
import socket
import ssl
import subprocess
import threading
import time

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

logging.getLogger("mail.log").setLevel(logging.CRITICAL + 1)  # what clients do wrong is the test's business


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_certificate(folder, name, hosts):
    """A self-signed certificate for `hosts` ("DNS:localhost,IP:127.0.0.1"): (certificate, key) paths."""
    certificate, key = os.path.join(folder, f"{name}.pem"), os.path.join(folder, f"{name}.key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                    "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj", f"/CN={name}",
                    "-addext", f"subjectAltName={hosts}"], check=True, capture_output=True)
    return certificate, key


def tls_context(certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


class Mailbox:
    """What the server took, and what it says to each recipient: {address: [reply, ...]}, the last one for
    ever; "250 OK" where nothing is said."""

    def __init__(self, replies=None):
        self.replies = {who: list(said) for who, said in (replies or {}).items()}
        self.mails = []  # (recipients, octets)
        self.arrived = threading.Condition()
        self.sessions_encrypted = []

    async def handle_RCPT(self, server, session, envelope, address, options):
        said = self.replies.get(address, ["250 OK"])
        reply = said.pop(0) if len(said) > 1 else said[0]
        if reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, server, session, envelope):
        with self.arrived:
            self.sessions_encrypted.append(session.ssl is not None)
            self.mails.append((list(envelope.rcpt_tos), envelope.content))
            self.arrived.notify_all()
        return "250 taken"

    def wait(self, count, patience_s=20):
        with self.arrived:
            return self.arrived.wait_for(lambda: len(self.mails) >= count, patience_s)

    def messages(self):
        """Every mail, read by Python's parser in its strictest mode."""
        policy = email.policy.SMTP.clone(raise_on_defect=True)
        return [email.message_from_bytes(octets, policy=policy) for _, octets in self.mails]

    def ids(self):
        return [message["Message-ID"] for message in self.messages()]


class Server:
    """An aiosmtpd with a Mailbox, on a port of its own; `with` starts and stops it."""

    def __init__(self, mailbox=None, port=None, tls=None, password=None, **options):
        self.mailbox = mailbox or Mailbox()
        self.port = port or free_port()
        if password is not None:
            options.update(authenticator=self._authenticate, auth_required=True, auth_require_tls=tls is not None)
        self._password = password
        self._controller = Controller(self.mailbox, hostname="127.0.0.1", port=self.port, tls_context=tls, **options)

    def _authenticate(self, server, session, envelope, mechanism, data):
        if not isinstance(data, LoginPassword):
            return AuthResult(success=False, handled=False)
        return AuthResult(success=data.login == b"linkpilot" and data.password == self._password.encode(), handled=False)

    def __enter__(self):
        self._controller.start()
        return self

    def __exit__(self, *_):
        self._controller.stop()


class RawServer:
    """A socket whose every connection is given to `talk(connection)` in a thread."""

    def __init__(self, talk):
        self._talk = talk
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.heard = bytearray()
        self._over = threading.Event()

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection:
            try:
                self._talk(self, connection)
            except OSError:
                pass

    def __exit__(self, *_):
        self._over.set()
        self._listener.close()

    @property
    def over(self):
        return self._over.is_set()

    def read_line(self, connection):
        line = bytearray()
        while not line.endswith(b"\n"):
            octet = connection.recv(1)
            if not octet:
                raise OSError("closed")
            line += octet
        self.heard += line
        return bytes(line)


def endless_greeting(server, connection):
    while not server.over:
        connection.sendall(b"220-and another thing\r\n" * 100)
        time.sleep(0.01)


def endless_line(server, connection):
    while not server.over:
        connection.sendall(b"2" * 4096)
        time.sleep(0.01)


def octet_a_second(server, connection):
    for octet in b"220 mail.example.net ready when you are\r\n":
        if server.over:
            return
        connection.sendall(bytes([octet]))
        time.sleep(1)


def silent(server, connection):
    while not server.over:
        time.sleep(0.05)


def dialogue(stop_at):
    """Talks well until a command that begins with `stop_at`, then falls silent."""
    def talk(server, connection):
        connection.sendall(b"220 ready\r\n")
        in_data = False
        while True:
            line = server.read_line(connection)
            if in_data:
                if line == b".\r\n":
                    in_data = False
                    if stop_at == b".":
                        break
                    connection.sendall(b"250 taken\r\n")
                elif stop_at == b"body" and line.upper().startswith(b"SUBJECT:"):
                    break
                continue
            if line.upper().startswith(stop_at):
                break
            if line.upper().startswith(b"DATA"):
                connection.sendall(b"354 go on\r\n")
                in_data = True
            else:
                connection.sendall(b"250 fine\r\n")
        silent(server, connection)
    return talk
