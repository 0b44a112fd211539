"""The mails that the collector sent, matched with what the lab did: pure functions.

A *trouble* is one thing the lab did: {"what": "link paris - tokyo" or "node paris", "kind": "dead" or
"degraded", "start_ns", "end_ns"}. A *cause* is a trouble that lasted clearly longer than the collector's
patience; one that lasted about as long may be told or not."""

import email
import email.policy
import json
import re

PATIENCE_S = {"dead": 8.0, "degraded": 15.0}   # collector.toml: [faults]
NOTICE_S = {"dead": 4.0, "degraded": 20.0}     # what finding it takes, at most: window and look
BEFORE_NS = 2_000_000_000                      # a fault is dated by its last sign of life


class Told:
    """What a mail says of one fault: its own line in the header."""

    def __init__(self, field):
        self.fault, _, rest = field.partition(";")
        words = dict(re.findall(r'(\w+)=("[^"]*"|[^;\s]*)', rest))
        self.event = words.get("event", "")
        self.what = words.get("about", "").strip('"')


class Mail:
    def __init__(self, line):
        entry = json.loads(line)
        message = email.message_from_string(entry["mail"], policy=email.policy.default)
        self.time_ns = entry["time_ns"]
        self.id = message["Message-ID"]
        self.root = message["In-Reply-To"] or self.id
        self.subject = message["Subject"]
        self.told = [Told(str(field)) for field in message.get_all("X-LinkPilot-Fault", [])]

    def about(self, event, what):
        return any(each.event == event and each.what == what for each in self.told)


def read_mails(path):
    try:
        with open(path, encoding="utf-8") as file:
            return [Mail(line) for line in file if line.endswith("\n")]
    except FileNotFoundError:
        return []


def link_name(a, b):
    return f"link {min(a, b)} - {max(a, b)}"


def _lasted_s(trouble):
    return (trouble["end_ns"] - trouble["start_ns"]) / 1e9


def is_cause(trouble):
    return _lasted_s(trouble) > PATIENCE_S[trouble["kind"]] + NOTICE_S[trouble["kind"]]


def may_be_told(trouble):
    return _lasted_s(trouble) > PATIENCE_S[trouble["kind"]] - 1.0


def judge_mails(mails, troubles):
    """The `mail` part of the report."""
    opened = [(m, each) for m in mails for each in m.told if each.event == "opened"]
    causes = [t for t in troubles if is_cause(t)]
    told, late, explained = [], [], set()
    for trouble in troubles:
        about = [(m, each) for m, each in opened if each.what == trouble["what"] and (m.id, each.fault) not in explained and
                 trouble["start_ns"] - BEFORE_NS <= m.time_ns <= trouble["end_ns"] + 60e9]
        if not about or not may_be_told(trouble):
            continue
        mail, first = about[0]
        explained.add((mail.id, first.fault))
        if is_cause(trouble):
            told.append(trouble)
            seconds = (mail.time_ns - trouble["start_ns"]) / 1e9
            if trouble["kind"] == "dead":
                late.append(seconds)
            trouble["told_s"] = round(seconds, 3)
    resolved = {each.fault for m in mails for each in m.told if each.event == "resolved"}
    return {
        "mails": len(mails), "distinct": len({m.id for m in mails}), "threads": len({m.root for m in mails}),
        "causes": len(causes), "causes_told": len(told), "unexplained": len(opened) - len(explained),
        "not_resolved": sum(each.fault not in resolved for _, each in opened),
        "handed_s_max": round(max(late), 3) if late else None,
        "subjects": [m.subject for m in mails],
        "each": [{k: t.get(k) for k in ("what", "kind", "start_ns", "end_ns", "told_s")} for t in causes],
    }
