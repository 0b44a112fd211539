"""A mail server for the demo: takes every mail and writes one JSON line for each.

    mail_server.py PORT OUTPUT
"""

import json
import sys
import threading
import time

from aiosmtpd.controller import Controller


class Mailbox:
    def __init__(self, path):
        self._file = open(path, "a", encoding="utf-8")

    async def handle_DATA(self, server, session, envelope):
        line = {"time_ns": time.time_ns(), "to": envelope.rcpt_tos, "mail": envelope.content.decode("ascii", "replace")}
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        return "250 taken"


def main():
    controller = Controller(Mailbox(sys.argv[2]), hostname="127.0.0.1", port=int(sys.argv[1]))
    controller.start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
