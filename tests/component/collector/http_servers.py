"""Receivers of faults by HTTP, for tests: a webhook that answers as it is told, and Debian's Alertmanager."""

import http.server
import json
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request


class Post:
    def __init__(self, headers, body):
        self.headers, self.body = headers, body


class Hook:
    """Answers each post with the next of `statuses`, the last one for ever; keeps what came."""

    def __init__(self, statuses):
        self.posts = []
        statuses = list(statuses)
        posts = self.posts

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                posts.append(Post(dict(self.headers), body))
                self.send_response(statuses.pop(0) if len(statuses) > 1 else statuses[0])
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/faults"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


class Alertmanager:
    """A real one, on a port of its own, without a cluster."""

    def __init__(self, folder):
        self._folder = os.path.join(os.path.dirname(folder), os.path.basename(folder) + "-alertmanager")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{probe.getsockname()[1]}"

    def __enter__(self):
        os.makedirs(self._folder)
        config = os.path.join(self._folder, "alertmanager.yml")
        with open(config, "w", encoding="utf-8") as file:
            file.write("route:\n  receiver: nobody\nreceivers:\n- name: nobody\n")
        self._process = subprocess.Popen(
            ["prometheus-alertmanager", f"--config.file={config}", f"--storage.path={self._folder}/data",
             f"--web.listen-address={self.url.removeprefix('http://')}", "--cluster.listen-address="],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while True:
            try:
                self.alerts()
                return self
            except (urllib.error.URLError, OSError):
                if time.monotonic() > deadline:
                    self.__exit__()
                    raise
                time.sleep(0.05)

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait()
        shutil.rmtree(self._folder)

    def alerts(self):
        with urllib.request.urlopen(self.url + "/api/v2/alerts?active=true", timeout=5) as answer:
            return json.load(answer)
