"""A capture of RTMP as tshark reads it: when each message was whole, and what a player made of it.

This is the bench's own reading: nothing here is shared with the dial or with what impairs the stream.
Times are seconds of UNIX time at the viewer's device; decode times are seconds too."""

import dataclasses
import pathlib
import signal
import statistics
import subprocess
import time

THRESHOLD_S = 0.200
JUMP_S = 10.0
AUDIO, VIDEO, DATA, COMMAND = 8, 9, 18, 20
SERVER_HELLO_OCTETS, HANDSHAKE_OCTETS = 1537, 3073


class Capture:
    """tcpdump of one port, read by tshark afterwards."""

    def __init__(self, interface: str, port: int, path: pathlib.Path, inside=None):
        command = ["tcpdump", "-i", interface, "-w", str(path), "-U", "-B", "65536", "-s", "0",
                   f"tcp port {port}"]
        if inside:
            command = ["ip", "netns", "exec", inside, *command]
        self.path, self.port = path, port
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        text=True)
        for line in self.process.stderr:
            if "listening on" in line:
                break

    def stop(self) -> None:
        time.sleep(0.5)
        self.process.send_signal(signal.SIGINT)
        self.process.wait()

    def pulls(self) -> dict[int, "Pull"]:
        """By the viewer's port: every connection whose beginning was captured."""
        names = ["frame.time_epoch", "tcp.srcport", "tcp.dstport", "tcp.flags", "tcp.len",
                 "rtmpt.header.typeid", "rtmpt.header.timestamp", "rtmpt.video.type",
                 "rtmpt.video.data", "rtmpt.audio.data", "_ws.col.Info"]
        fields = [word for name in names for word in ("-e", name)]
        done = subprocess.run(
            ["tshark", "-r", str(self.path), "-d", f"tcp.port=={self.port},rtmpt", "-o",
             "tcp.reassemble_out_of_order:TRUE", "-T", "fields", *fields],
            capture_output=True, text=True, check=True)
        pulls: dict[int, Pull] = {}
        for line in done.stdout.splitlines():
            row = dict(zip(names, line.split("\t")))
            if int(row["tcp.srcport"]) != self.port:
                continue
            viewer = int(row["tcp.dstport"])
            if int(row["tcp.flags"], 16) & 0x12 == 0x12:
                pulls[viewer] = Pull()
            if viewer in pulls:
                pulls[viewer].take(row)
        return pulls


@dataclasses.dataclass
class Message:
    at: float
    type: int
    decode: float
    key: bool = False     # video: by the tag's frame type
    config: bool = False  # a sequence header
    info: str = ""


class Pull:
    """What the server sent to one viewer."""

    def __init__(self):
        self.marks: dict[str, float] = {}
        self.messages: list[Message] = []
        self._octets = 0

    def take(self, row: dict) -> None:
        at = float(row["frame.time_epoch"])
        if not self.marks:
            self.marks["tcp"] = at
        length = int(row["tcp.len"] or 0)
        if length:
            self.marks.setdefault("first_octet", at)
        self._octets += length
        if self._octets >= SERVER_HELLO_OCTETS:
            self.marks.setdefault("server_hello", at)
        if self._octets >= HANDSHAKE_OCTETS:
            self.marks.setdefault("handshake", at)
        self._take_messages(row, at)

    def _take_messages(self, row: dict, at: float) -> None:
        def several(name):
            return row[name].split(",") if row[name] else []

        types = [int(value, 16) for value in several("rtmpt.header.typeid")]
        stamps = several("rtmpt.header.timestamp")
        kinds, pictures, sounds = (iter(several(name)) for name in (
            "rtmpt.video.type", "rtmpt.video.data", "rtmpt.audio.data"))
        for type_, stamp in zip(types, stamps):
            message = Message(at, type_, int(stamp) / 1e3, info=row["_ws.col.Info"])
            if type_ == VIDEO:
                message.key = next(kinds, "") == "1"
                message.config = next(pictures, "").startswith("00")
            elif type_ == AUDIO:
                message.config = next(sounds, "").startswith("00")
            self.messages.append(message)

    def phases(self) -> dict[str, float]:
        """When each phase of a dial was reached."""
        seen = dict(self.marks)
        keys = 0
        for message in self.messages:
            names = []
            if message.type == COMMAND:
                names = [name for name, word in (
                    ("connect", "NetConnection.Connect.Success"), ("start", "NetStream.Play.Start"))
                    if word in message.info]
                names = names or (["create_stream"] if "_result()" in message.info else [])
            elif message.type in (AUDIO, VIDEO, DATA) and "start" in seen:
                names = ["first_tag"]
                if message.type == DATA:
                    names += ["metadata"] if "onMetaData" in message.info else []
                else:
                    track = "audio" if message.type == AUDIO else "video"
                    names += [f"{track}_config" if message.config else f"first_{track}"]
                    if message.key and not message.config:
                        keys += 1
                        names += ["key_frame"] if keys == 1 else ["first_gop"]
            for name in names:
                seen.setdefault(name, message.at)
        return seen

    def frames(self) -> list[Message]:
        """Video from the first key frame on."""
        video = [m for m in self.messages if m.type == VIDEO and not m.config]
        first = next((place for place, m in enumerate(video) if m.key), len(video))
        return video[first:]

    def stalls(self, start: float, resume: float) -> list[tuple[float, float]]:
        """(begin, length) for a player that buffers `start` first and `resume` after a stall: it stands
        still from when a frame was due until so much lies ahead of it."""
        frames, found = self.frames(), []
        if not frames:
            return []
        shift = frames[0].at - frames[0].decode + start  # play-out time less decode time
        newest, waits_for, since = frames[0].decode, None, 0.0
        for frame in frames[1:]:
            if frame.decode <= newest:
                continue
            newest = frame.decode
            if waits_for is None and frame.at > frame.decode + shift:
                waits_for, since = frame.decode, frame.decode + shift
            if waits_for is not None and newest - waits_for >= resume:
                found.append((since, frame.at - since))
                shift, waits_for = frame.at - waits_for, None
        return [stall for stall in found if stall[1] >= THRESHOLD_S]

    def freezes(self) -> list[tuple[float, float]]:
        """(when seen, length): decode times leap though frames come."""
        frames = self.frames()
        steps = [(b.at, b.decode - a.decode) for a, b in zip(frames, frames[1:])]
        usual = statistics.median(step for _, step in steps) if steps else 0.0
        return [(at, step - usual) for at, step in steps
                if max(THRESHOLD_S, 3 * usual) < step < JUMP_S]
