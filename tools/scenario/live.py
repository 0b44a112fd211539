"""A live stream in the lab, and dials of it: nginx-rtmp fed by ffmpeg at one node, `linkpilot dial` at any.
The picture is small (about 200 kbit/s) and the server keeps no GOP: a viewer waits for the next key frame."""

import json
import os
import shutil

from clients import can_connect

RTMP_PORT = 1935
NAME = "live/demo"
GOP_S = 1
FRAMES_PER_S = 15
_NGINX = ("/usr/sbin/nginx", "/usr/lib/nginx/modules/ngx_rtmp_module.so")


def missing_programs():
    """What a live stream needs and this machine lacks, one sentence each."""
    found = [] if all(os.path.exists(path) for path in _NGINX) else \
        ["nginx with its RTMP module: apt-get install nginx-light libnginx-mod-rtmp"]
    return found + ([] if shutil.which("ffmpeg") else ["ffmpeg: apt-get install ffmpeg"])


def _nginx_configuration(folder, address):
    return f"""daemon off; master_process off; user root;
load_module {_NGINX[1]};
pid {folder}/nginx.pid; error_log {folder}/error.log warn;
events {{ worker_connections 256; }}
rtmp {{ access_log off; server {{ listen {address}:{RTMP_PORT}; chunk_size 4096; application live {{ live on; }} }} }}
"""


class LiveStream:
    def __init__(self, world, node):
        self._world = world
        self.node = node
        self.url = f"rtmp://{world.addresses[node][0]}:{RTMP_PORT}/{NAME}"
        self._dials = {}

    def start(self):
        world, folder = self._world, self._world.path("live")
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "nginx.conf"), "w", encoding="utf-8") as file:
            file.write(_nginx_configuration(folder, world.addresses[self.node][0]))
        world.start_serving(self.node, "nginx", [
            _NGINX[0], "-p", folder, "-c", os.path.join(folder, "nginx.conf"), "-e", os.path.join(folder, "error.log")])
        server = (world.namespaces[self.node], world.addresses[self.node][0], RTMP_PORT)
        world.wait_until("nginx answers", 10, lambda: can_connect(*server))
        world.start_serving(self.node, "ffmpeg", [
            "ffmpeg", "-nostdin", "-v", "error", "-re",
            "-f", "lavfi", "-i", f"testsrc2=size=320x180:rate={FRAMES_PER_S}",
            "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100",
            "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-b:v", "150k",
            "-g", str(FRAMES_PER_S * GOP_S), "-sc_threshold", "0", "-threads", "1", "-c:a", "aac", "-b:a", "48k",
            "-f", "flv", self.url])

    def dial(self, node, *options):
        """Begins a dial from `node`; its report is a file that `report` reads."""
        program = self._world.program("linkpilot")
        with open(self._path(node), "wb") as output:
            self._dials[node] = self._world.start_viewing(
                node, [program, "--json", "dial", self.url, *map(str, options)], output)

    def are_done(self):
        return not any(process.is_running() for process in self._dials.values())

    def report(self, node):
        """What the dial from `node` found; None when it did not end with a report."""
        try:
            with open(self._path(node), encoding="utf-8") as file:
                return json.loads(file.readlines()[-1])
        except (OSError, IndexError, ValueError):
            return None

    def stop(self):
        self._world.stop_live()

    def _path(self, node):
        return self._world.path("live", f"dial-{node}.json")
