"""What a person sees while a scenario runs: one line per thing that was done or seen, with the time
since the start. Colours only on a terminal and without NO_COLOR; the words say everything without them."""

import os
import sys
import time

_COLOURS = {"do": "\033[1;33m", "see": "\033[32m", "bad": "\033[1;31m", "head": "\033[1;36m", "note": "\033[2m"}
_MARKS = {"do": ">", "see": " ", "bad": "!", "head": "=", "note": " "}


class Story:
    def __init__(self, stream=sys.stdout):
        self._stream = stream
        self._start = time.monotonic()
        self._coloured = stream.isatty() and "NO_COLOR" not in os.environ

    def _line(self, kind, text):
        tenths = int((time.monotonic() - self._start) * 10)
        stamp = f"{tenths // 600:02d}:{tenths % 600 // 10:02d}.{tenths % 10}"
        line = f"{stamp} {_MARKS[kind]} {text}"
        if self._coloured:
            line = f"{_COLOURS[kind]}{line}\033[0m"
        print(line, file=self._stream, flush=True)

    def chapter(self, text):
        """A new part of the story begins."""
        print(file=self._stream)
        self._line("head", text)

    def did(self, text):
        """The scenario did something to the world."""
        self._line("do", text)

    def saw(self, text):
        """The world did something."""
        self._line("see", text)

    def note(self, text):
        self._line("note", text)

    def wrong(self, text):
        self._line("bad", text)
