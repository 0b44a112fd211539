"""The report: figures from the media processes' logs, the lab's ledger and the collector's samples.
Every definition stands beside the function that computes it."""

import sys

import ledger
import numpy as np

import probes
import stored
import tables
from dials import judge_dials
from gaps import StreamGap, stream_gap
from mails import judge_mails
from medialogs import read_receipts

FIRST_HOP_BOUND_MS = 270.0
LATE_AFTER_NS = 2_000_000_000  # a probe answered later than this is late, not answered


def _ms(value):
    return None if value is None else round(float(value), 3)


def _spread(values):
    """(median, maximum), or two Nones."""
    return (_ms(np.median(values)), _ms(np.max(values))) if len(values) else (None, None)


class Report:
    def __init__(self, world, facts, fleet, samples, lab_status, book):
        self.world, self.facts, self.fleet = world, facts, fleet
        self.samples, self.lab_status, self.book = samples, lab_status, book
        self.names = fleet.names
        self.gaps = []

    def figures(self):
        facts = self.facts
        report = {
            "nodes": len(facts["nodes"]),
            "links": facts.get("links"),
            "links_measured": facts.get("links_measured"),
            "nodes_loaded": facts.get("nodes_loaded"),
        }
        report.update(self._measurements())
        report["cut"] = self._cuts()
        report["collector_down"] = self._collector_down()
        report["mail"] = judge_mails(self.facts["mails"], self.facts["troubles"])
        report["degrade"] = self._degrade()
        report["node"] = self._node()
        report["join"] = self._join()
        report["heal"] = self._heal()
        report["dial"] = self._dial()
        report.update(self._emulator())
        report.update(self._lookups())
        report.update(self._agents())
        report["streams"] = self._streams()
        return report

    def _number(self, name):
        return self.fleet.numbers.get(name)

    def _logs(self, without=()):
        return {name: log for name, log in self.fleet.logs.items() if name not in without and log.tables}

    # --- cuts ---

    def _cuts(self):
        by_target = {name: self._receipts(name) for name in self.fleet.logs}
        loaded = []
        for cut in self.facts["cuts"]:
            self._measure_cut(cut, by_target)
            links = self._dead_links(cut)
            joiner = self.facts["joiner"]
            loaded.append(tables.all_good_ms(self._logs({joiner}), cut["cut_ns"], lambda name, table: not any(
                tables.uses(path, self._number(name), links) for path in tables.best_paths(table).values())))
            cut["all_loaded_ms"] = _ms(loaded[-1])
        first = [g.excess_ms for g in self.gaps if g.place == 0]
        later = [g.excess_ms for g in self.gaps if g.place > 0]
        result = {"cuts": len(self.facts["cuts"]),
                  "two_way": sum(c["kind"] == "two_way" for c in self.facts["cuts"]),
                  "one_way": sum(c["kind"] == "one_way" for c in self.facts["cuts"])}
        result["excess_gap_ms_first_hop_p50"], result["excess_gap_ms_first_hop_max"] = _spread(first)
        result["streams_first_hop"] = len(first)
        result["excess_gap_ms_later_hop_p50"], result["excess_gap_ms_later_hop_max"] = _spread(later)
        result["streams_later_hop"] = len(later)
        result["later_hop_by_relay"] = sum(g.place > 0 and g.by == "relay" for g in self.gaps)
        result["later_hop_by_collector"] = sum(g.place > 0 and g.by == "collector" for g in self.gaps)
        result["all_loaded_ms_max"] = None if None in loaded or not loaded else _ms(max(loaded))
        result["each"] = [{k: c[k] for k in ("kind", "from", "to", "cut_ns", "heal_ns", "all_loaded_ms")} |
                          {"gaps": c["gaps"]} for c in self.facts["cuts"]]
        return result

    def _receipts(self, name):
        """{source number: receipts of that stream} at one receiver."""
        try:
            records = read_receipts(self.world.path("media", f"{name}.receipts"))
        except OSError:
            return {}
        return {int(source): records[records["source"] == source] for source in np.unique(records["source"])}

    def _dead_links(self, cut):
        a, b = self._number(cut["from"]), self._number(cut["to"])
        return {(a, b), (b, a)} if cut["kind"] == "two_way" else {(a, b)}

    def _measure_cut(self, cut, by_target):
        dead = self._dead_links(cut)
        cut["gaps"] = []
        for target, streams in by_target.items():
            for source, receipts in streams.items():
                found = stream_gap(receipts, cut["cut_ns"], cut["heal_ns"], dead)
                if found is None or source not in self.names:
                    continue
                gap = self._judge_gap(cut, self.names[source], target, found)
                self.gaps.append(gap)
                cut["gaps"].append({
                    "path": [self.names.get(n, n) for n in gap.old_path], "gap_ms": _ms(gap.gap_ms),
                    "new_path": [self.names.get(n, n) for n in gap.new_path], "by": gap.by,
                    "longer_ms": _ms(gap.longer_ms), "physics_ms": _ms(gap.physics_ms),
                    "lead_ms": _ms(gap.lead_ms), "excess_ms": _ms(gap.excess_ms), "hop": gap.place})

    def _judge_gap(self, cut, source, target, found):
        gap_ns, place, old_path, new_path, longer_ns, sent_ns = found
        there, back = cut["delay_ms"]
        if (old_path[place], old_path[place + 1]) != (self._number(cut["from"]), self._number(cut["to"])):
            there, back = back, there
        physics = back if cut["kind"] == "two_way" else there + back
        by, lead = "source", 0.0
        if place > 0:
            choice = self.fleet.logs[source].choice_at(self._number(target), sent_ns)
            by = "relay" if choice and (old_path[0], *choice["path"]) == old_path else "collector"
            if by == "collector":
                truth = self.facts["truth"]
                lead = truth.path_delay_ms([self.names[n] for n in old_path[:place + 1]])
        return StreamGap(source, target, place, gap_ns / 1e6, longer_ns / 1e6, physics, lead, by, old_path, new_path)

    # --- without the collector ---

    def _collector_down(self):
        """Excess gaps as of any cut, of first hops only: nobody is there to help with later ones. Lost and
        duplicated reports: of the whole run, what the agents wrote against what the store holds (stored.py)."""
        fact = self.facts.get("collector_down")
        if not fact:
            return {}
        by_target = {name: self._receipts(name) for name in self.fleet.logs}
        before = len(self.gaps)
        for cut in self.facts["down_cuts"]:
            self._measure_cut(cut, by_target)
        first = [g.excess_ms for g in self.gaps[before:] if g.place == 0]
        middle, largest = _spread(first)
        counted = stored.count_reports(self.facts["spools"], self.facts["reports"], self.samples)
        return {"down_ms": _ms((fact["back_ns"] - fact["killed_ns"]) / 1e6), "cuts": len(self.facts["down_cuts"]),
                "plans_shrunk": fact.get("plans_shrunk"), "streams_first_hop": len(first), "excess_gap_ms_first_hop_p50": middle,
                "excess_gap_ms_first_hop_max": largest, **counted,
                "each": [{k: c[k] for k in ("kind", "from", "to", "cut_ns", "heal_ns", "gaps")}
                         for c in self.facts["down_cuts"]]}

    # --- the other faults ---

    def _degrade(self):
        """all_loaded_ms: until every route that gains by leaving the link has left it in a loaded table.
        moved_without_gain: moves of best paths, while the link is bad, to a path that is no better by the
        lab's own settings."""
        fact = self.facts.get("degrade")
        if not fact:
            return {"all_loaded_ms": None, "moved_without_gain": None}
        a, b = self._number(fact["from"]), self._number(fact["to"])
        dead, slowest, idle = {(a, b), (b, a)}, 0.0, 0
        for source, target in fact["should_move"]:
            number, to = self._number(source), self._number(target)
            took = tables.last_bad_ms(self.fleet.logs[source], fact["set_ns"], fact["end_ns"], lambda table: (
                bool(table.routes.get(to)) and not tables.uses(table.routes[to][0], number, dead)))
            slowest = None if took is None or slowest is None else max(slowest, took)
        moved = 0
        for name, log in self._logs().items():
            for _, _, old, new in tables.moves(log, fact["set_ns"], fact["end_ns"]):
                moved += 1
                old, new = ((name, *(self.names[n] for n in path)) for path in (old, new))
                idle += fact["truth"].path_cost_ms(new) >= fact["truth"].path_cost_ms(old)
        return {"link": [fact["from"], fact["to"]], "routes_to_move": len(fact["should_move"]), "moved": moved,
                "all_loaded_ms": _ms(slowest), "moved_without_gain": idle}

    def _without(self, number):
        return lambda _, table: not any(number in path for paths in table.routes.values() for path in paths)

    def _node(self):
        fact = self.facts.get("node")
        if not fact:
            return {"left_all_tables_ms": None, "back_routable_ms": None}
        number = self._number(fact["node"])
        others = self._logs({fact["node"], self.facts["joiner"]})
        return {"node": fact["node"],
                "left_all_tables_ms": _ms(tables.all_good_ms(others, fact["down_ns"], self._without(number))),
                "back_routable_ms": _ms(tables.all_good_ms(others, fact["up_ns"],
                                                           lambda _, table: bool(table.routes.get(number))))}

    def _join(self):
        """routable_ms: from the moment its key is in the folder until every other node's loaded table
        has a route to it."""
        fact = self.facts.get("join")
        if not fact:
            return {"routable_ms": None}
        number = self._number(fact["node"])
        if number is None:
            return {"node": fact["node"], "routable_ms": None}
        took = tables.all_good_ms(self._logs({fact["node"]}), fact["enrolled_ns"],
                                  lambda _, table: bool(table.routes.get(number)))
        return {"node": fact["node"], "routable_ms": _ms(took)}

    def _heal(self):
        """home_ms: until every route was the one before the first fault, or within its switching margin
        of it (truth.LinkBelief.is_home); looked at twice a second."""
        fact = self.facts.get("heal")
        if not fact:
            return {"home_ms": None}
        return {"home_ms": _ms(fact["home_ms"]), "routes": len(self.facts["baseline"]),
                "routes_the_same": fact["same"], "not_home": [list(path) for path in fact["away"]]}

    def _dial(self):
        fact = self.facts.get("dial")
        if not fact:
            return {}
        return judge_dials(fact, self.book.packets, {node: self.book.index(node) for node in fact["reports"]},
                           ledger.DELIVERED)

    # --- measurements against the ledger ---

    def _measurements(self):
        stamps = probes.ProbeLedger(self.book.packets, delivered_fate=ledger.DELIVERED)
        by_link = {}
        for sample in self.samples:
            a, b = (end.split("/")[0] for end in sample["link"].split(">"))
            by_link.setdefault((a, b), []).append(sample)
        checks = []
        for (a, b), samples in sorted(by_link.items()):
            times, fates, trips = stamps.link(self.book.index(a), self.book.index(b))
            checks.append(probes.check_link((a, b), samples, times, fates, trips, LATE_AFTER_NS))
        errors = np.array([e for check in checks for e in check.errors_us])
        wrong = [check for check in checks if not check.loss_matches()]
        for check in wrong[:5]:
            print(f"loss differs on {check.link}: ledger {check.ledger}, agent {check.agent}, "
                  f"{check.out_of_step} of {check.samples + check.out_of_step} samples out of step", file=sys.stderr)
        return {
            "rtt_error_us_p50": _ms(np.percentile(errors, 50)) if len(errors) else None,
            "rtt_error_us_p95": _ms(np.percentile(errors, 95)) if len(errors) else None,
            "rtt_compared": len(errors) // 2,
            "loss_matches_ledger": bool(checks) and not wrong,
            "loss": {"links": len(checks), "links_differ": len(wrong),
                     "probes": sum(c.sent for c in checks),
                     "lost_forward": sum(c.ledger["forward"] for c in checks),
                     "lost_backward": sum(c.ledger["backward"] for c in checks),
                     "not_taken_by_reflector": sum(c.not_taken for c in checks),
                     "reported_without_direction": sum(c.agent["unplaced"] for c in checks),
                     "samples": sum(c.samples for c in checks),
                     "samples_out_of_step": sum(c.out_of_step for c in checks)},
        }

    def _emulator(self):
        late = ledger.late_ns(self.book.packets) / 1e3
        status = self.lab_status
        return {"emulator_late_us_p50": _ms(np.percentile(late, 50)) if len(late) else None,
                "emulator_late_us_p99": _ms(np.percentile(late, 99)) if len(late) else None,
                "emulator_packets": int(len(self.book.packets)), "ledger_exact": bool(self.book.exact()),
                "noisy": bool(status.get("noisy")), "doubts": status.get("doubts", []),
                "foreign_cpu_percent": status.get("load", {}).get("foreign_cpu_percent")}

    # --- look-ups ---

    def _lookups(self):
        """Failed: no answer for a reachable target, an answer older than one already given, a next hop
        dead by the ledger for longer than the first-hop bound, bytes that no published version has."""
        last = [log.stats[-1]["lookups"] for log in self.fleet.logs.values() if log.stats]
        older = sum(s["older"] for s in last)
        unpublished = sum(s["not_published"] for s in last)
        unanswered, dead = self._bad_choices()
        return {"lookups_total": sum(s["total"] for s in last),
                "lookups_failed": older + unpublished + unanswered + dead,
                "lookups": {"older": older, "not_published": unpublished, "unanswered": unanswered, "next_hop_dead": dead,
                            "examples": self.bad_choices}}

    def _bad_choices(self):
        """Spans (not single look-ups) in which the answer was none, or one that led into a dead link."""
        unanswered = dead = 0
        self.bad_choices = []  # examples, for whoever has to find out why
        for source, log in self.fleet.logs.items():
            for to, events in log.choices.items():
                ends = [e["t"] for e in events[1:]] + [self.facts["end_ns"]]
                for event, end in zip(events, ends):
                    target, is_bad = self.names.get(to), False
                    if event["status"] != "ok":
                        is_bad = not self._is_unreachable(source, target, event["t"], end)
                        unanswered += is_bad
                    else:
                        is_bad = self._leads_into_death(source, target, event, end)
                        dead += is_bad
                    if is_bad and len(self.bad_choices) < 10:
                        self.bad_choices.append({"from": source, "to": target, "until_ns": end, **event})
        return unanswered, dead

    def _absences(self, name):
        """Spans in which a node is rightly missing from tables, or cut off itself."""
        spans = []
        node, join = self.facts.get("node"), self.facts.get("join")
        if node and node["node"] == name:
            spans.append((node["down_ns"], node["up_ns"] + 10e9))
        if join and join["node"] == name:
            spans.append((0, join["enrolled_ns"] + 10e9))
        return spans

    def _is_unreachable(self, source, target, start, end):
        return any(low <= start and end <= high for name in (source, target) for low, high in self._absences(name))

    def _leads_into_death(self, source, target, event, end):
        """For a target that is down itself no next hop is right: `node.left_all_tables_ms` judges that."""
        hop, start = event["path"][0], event["t"]
        for cut in self.facts["cuts"] + self.facts["down_cuts"]:
            if (self._number(source), hop) not in self._dead_links(cut):
                continue
            physics = cut["delay_ms"][0] if cut["kind"] == "two_way" else sum(cut["delay_ms"])
            if max(start, cut["cut_ns"] + (FIRST_HOP_BOUND_MS + physics) * 1e6) < min(end, cut["heal_ns"]):
                return True
        node = self.facts.get("node")
        if not node or node["node"] != self.names.get(hop):
            return False
        if target == node["node"]:
            return False
        allowed = (FIRST_HOP_BOUND_MS + self.facts["truth"].delay_ms(node["node"], source)) * 1e6
        return max(start, node["down_ns"] + allowed) < min(end, node["up_ns"])

    # --- the rest ---

    def _agents(self):
        resident = [u[1] for usage in self.world.agent_usage.values() for u in usage]
        private = [u[2] for usage in self.world.agent_usage.values() for u in usage]
        shares = [100 * (u[-1][3] - u[0][3]) / (u[-1][0] - u[0][0])
                  for u in self.world.agent_usage.values() if len(u) > 1 and u[-1][0] > u[0][0]]
        return {"agent_rss_kb_max": max(resident, default=None), "agent_private_kb_max": max(private, default=None),
                "agent_cpu_percent_mean": _ms(np.mean(shares)) if shares else None}

    def _streams(self):
        last = [log.stats[-1] for log in self.fleet.logs.values() if log.stats]
        fates = {}
        for stats in last:
            for fate, count in stats["fates"].items():
                fates[fate] = fates.get(fate, 0) + count
        return {"sent": sum(s["sent"] for s in last), "missed_by_us": sum(s["missed_by_us"] for s in last),
                "no_path": sum(s["no_path"] for s in last), "fates": fates}
