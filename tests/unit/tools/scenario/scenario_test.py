"""The arithmetic of the demo's report, on made-up arrivals, tables and ledgers."""

import json
import os
import struct
import sys
import unittest

import numpy as np

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", "..", ".."))
sys.path[:0] = [os.path.join(ROOT, "tools", "scenario"), os.path.join(ROOT, "tools", "lab")]
sys.dont_write_bytecode = True

import dials  # noqa: E402
import ledger  # noqa: E402
import probes  # noqa: E402
import stored  # noqa: E402
import tables  # noqa: E402
from bounds import bounds, judge  # noqa: E402
from gaps import StreamGap, stream_gap  # noqa: E402
from mails import Mail, judge_mails  # noqa: E402
from medialogs import RECEIPT, MediaLog, Table  # noqa: E402
from truth import LinkTruth, is_home, switching_margin_ms  # noqa: E402

MS = 1_000_000
START = 10**18


def receipts(rows):
    """rows: (sent ms, delay ms, trail)"""
    records = np.zeros(len(rows), RECEIPT)
    for record, (sent, delay, trail) in zip(records, rows):
        record["sent_ns"], record["received_ns"] = START + sent * MS, START + (sent + delay) * MS
        record["source"], record["target"] = 1, 9
        record["trail_length"] = len(trail)
        record["trail"][:len(trail)] = trail
    return records[np.argsort(records["received_ns"], kind="stable")]


def media_packets(rows):
    """rows: (delivered ms or None: lost, destination, octets), from node 0's RTMP server"""
    records = np.zeros(len(rows), ledger.RECORD)
    for record, (at, destination, octets) in zip(records, rows):
        record["protocol"], record["source"], record["source_port"] = dials.TCP, 0, dials.RTMP_PORT
        record["destination"], record["length"] = destination, octets
        record["delivered_ns"] = 0 if at is None else START + at * MS
        record["fate"] = ledger.BLACKHOLE if at is None else ledger.DELIVERED
    return records


def dial_report(key_ms, stalls=()):
    players = [{"name": name, "list": [{"at_ms": at, "length_ms": length} for at, length in stalls]}
               for name in ("plain", "buffered")]
    return {"started_unix_ns": START, "phases": [{"name": "tcp", "at_ms": 5.0}, {"name": "key_frame", "at_ms": key_ms}],
            "playback": {"players": players}, "verdict": {"kind": "stutters" if stalls else "fine"}}


class Dials(unittest.TestCase):
    def judge(self, reports, rows):
        fact = {"server": "a", "victim": "b", "cut_ns": START + 5000 * MS, "heal_ns": START + 7000 * MS,
                "round_trip_ms": 20,
                "reports": {"a": dial_report(100)} | reports}
        return dials.judge_dials(fact, media_packets(rows), {"a": 0, "b": 1, "c": 2}, ledger.DELIVERED)

    def test_a_stall_is_the_silence_in_the_ledger_less_the_frame_that_was_shown(self):
        rows = [(t, 1, 500) for t in range(0, 5000, 60)] + [(None, 1, 500)] + [(t, 1, 500) for t in range(7900, 9000, 60)]
        rows += [(t, 1, 52) for t in range(0, 9000, 500)]  # acknowledgements are no data
        report = self.judge({"b": dial_report(900, [(5040, 2880)]), "c": dial_report(700)}, rows)
        self.assertEqual((report["fault_ms"], report["silence_ms"], report["stall_ms"]), (2000, 2920, 2880))
        self.assertAlmostEqual(report["stall_error_ms"], 2880 - (2920 - dials.FRAME_MS) - 20, 3)
        self.assertEqual(report["first_frame_ms"], {"a": 100, "b": 900, "c": 700})
        self.assertEqual((report["regions_shown"], report["first_frame_ms_max"], report["stalls_elsewhere"]), (3, 900, 0))

    def test_a_stall_before_the_cut_is_not_its_stall(self):
        report = self.judge({"b": dial_report(900, [(1000, 500)])}, [(t, 1, 500) for t in range(0, 9000, 60)])
        self.assertEqual((report["stall_found"], report["stall_ms"]), (False, None))

    def test_a_viewer_who_lost_data_may_stand_still_and_one_who_lost_none_may_not(self):
        rows = [(t, 1, 500) for t in range(0, 9000, 60)]
        stalled = {"b": dial_report(900), "c": dial_report(700, [(2000, 300)])}
        self.assertEqual(self.judge(stalled, rows)["stalls_elsewhere"], 1)
        self.assertEqual(self.judge(stalled, rows + [(None, 2, 500)])["stalls_elsewhere"], 0)

    def test_a_dial_without_a_report_shows_nothing(self):
        report = self.judge({"b": dial_report(900), "c": None}, [])
        self.assertEqual((report["regions"], report["regions_shown"], report["verdicts"]["c"]), (3, 2, None))


class Gaps(unittest.TestCase):
    def test_gap_of_a_two_way_cut_is_what_the_receiver_waited(self):
        # The direct link (50 ms) dies at 1000; the source turns to relay 5 (80 ms) at 1235.
        rows = [(t, 50, ()) for t in range(0, 1000, 20)] + [(t, 80, (5,)) for t in range(1240, 2000, 20)]
        gap_ns, place, old, new, longer_ns, sent_ns = stream_gap(
            receipts(rows), START + 1000 * MS, START + 3000 * MS, {(1, 9), (9, 1)})
        self.assertEqual((place, old, new), (0, (1, 9), (1, 5, 9)))
        self.assertEqual(gap_ns, (1240 + 80 - 980 - 50) * MS)
        self.assertEqual(longer_ns, 30 * MS)
        self.assertEqual(sent_ns, START + 1240 * MS)
        gap = StreamGap("a", "b", place, gap_ns / MS, longer_ns / MS, 50, 0, "source")
        self.assertAlmostEqual(gap.excess_ms, 290 - 30 - 50)

    def test_a_shorter_new_path_gives_no_credit(self):
        rows = [(t, 90, (5,)) for t in range(0, 1000, 20)] + [(t, 50, ()) for t in range(1200, 2000, 20)]
        found = stream_gap(receipts(rows), START + 1000 * MS, START + 3000 * MS, {(1, 5)})
        self.assertEqual(found[4], 0)

    def test_a_stream_beside_the_cut_has_no_gap(self):
        rows = [(t, 50, ()) for t in range(0, 2000, 20)]
        self.assertIsNone(stream_gap(receipts(rows), START + 1000 * MS, START + 3000 * MS, {(1, 5)}))

    def test_place_says_which_hop_was_cut(self):
        rows = [(t, 90, (5,)) for t in range(0, 2000, 20)]
        self.assertEqual(stream_gap(receipts(rows), START + 1000 * MS, START + 3000 * MS, {(5, 9)})[1], 1)

    def test_datagrams_in_flight_at_the_cut_are_not_the_gap(self):
        # 200 ms of datagrams are on their way; they arrive at their usual pace after the cut.
        rows = [(t, 200, ()) for t in range(0, 1000, 20)] + [(t, 200, (5,)) for t in range(1300, 3000, 20)]
        found = stream_gap(receipts(rows), START + 1000 * MS, START + 3000 * MS, {(1, 9)})
        self.assertEqual(found[0], 320 * MS)


def log_of(*entries):
    """entries: (time ms, {target: [path, ...]})"""
    log = MediaLog("/nowhere")
    log.tables = [Table({"t": START + t * MS, "epoch": 1, "version": i, "routes": routes})
                  for i, (t, routes) in enumerate(entries)]
    return log


class Tables(unittest.TestCase):
    def test_first_good_counts_from_the_event(self):
        log = log_of((0, {9: [[9]]}), (500, {9: [[5, 9]]}))
        self.assertEqual(tables.first_good(log, START + 100 * MS, lambda t: t.routes[9][0] == (5, 9)), 400)
        self.assertEqual(tables.first_good(log, START + 600 * MS, lambda t: t.routes[9][0] == (5, 9)), 0)
        self.assertIsNone(tables.first_good(log, START, lambda t: 7 in t.routes))

    def test_all_good_waits_for_the_slowest_and_fails_with_the_missing(self):
        fast, slow = log_of((0, {}), (10, {9: [[9]]})), log_of((0, {}), (70, {9: [[9]]}))
        has_nine = lambda _, table: 9 in table.routes  # noqa: E731
        self.assertEqual(tables.all_good_ms({"a": fast, "b": slow}, START, has_nine), 70)
        self.assertIsNone(tables.all_good_ms({"a": fast, "b": log_of((0, {}))}, START, has_nine))

    def test_last_bad_starts_again_when_it_turns_bad_again(self):
        good = lambda t: t.routes[9][0] == (9,)  # noqa: E731
        log = log_of((0, {9: [[5, 9]]}), (100, {9: [[9]]}), (200, {9: [[6, 9]]}), (900, {9: [[9]]}))
        self.assertEqual(tables.last_bad_ms(log, START, START + 2000 * MS, good), 900)
        self.assertIsNone(tables.last_bad_ms(log, START, START + 300 * MS, good))

    def test_moves_are_changes_of_best_paths_only(self):
        log = log_of((0, {9: [[9], [5, 9]]}), (100, {9: [[9], [6, 9]]}), (200, {9: [[6, 9]]}))
        self.assertEqual([m[1:] for m in tables.moves(log, START, START + 300 * MS)], [(9, (9,), (6, 9))])


def link(a, b, delay, loss=0.0):
    return {"from": a, "to": b, "delay_ms": delay, "jitter_ms": 0, "loss_ratio": loss, "dead": False}


class Truth(unittest.TestCase):
    def setUp(self):
        self.truth = LinkTruth([link(a, b, d) for a, b, d in (
            ("x", "y", 100), ("y", "x", 100), ("x", "k", 20), ("k", "x", 20), ("k", "y", 30), ("y", "k", 30))])

    def test_a_relay_costs_its_links_and_a_hop(self):
        self.assertEqual(self.truth.path_cost_ms(("x", "k", "y")), 53)
        self.assertEqual(self.truth.best_cost_ms(["x", "y", "k"], "x", "y"), 53)
        self.assertEqual(self.truth.best_cost_ms(["x", "y", "k"], "x", "y", without={("k", "y")}), 100)

    def test_home_is_the_path_before_or_one_within_the_margin(self):
        self.assertEqual(switching_margin_ms(10), 5)
        self.assertEqual(switching_margin_ms(100), 10)
        self.assertTrue(is_home(self.truth, ("x", "y"), ("x", "k", "y")))
        self.assertFalse(is_home(self.truth, ("x", "k", "y"), ("x", "y")))


def packet(source, destination, ports, arrival, delay, fate=ledger.DELIVERED):
    record = np.zeros(1, ledger.RECORD)[0]
    record["source"], record["destination"] = source, destination
    record["source_port"], record["destination_port"] = ports
    record["protocol"], record["fate"] = 17, fate
    record["arrival_ns"] = START + int(arrival * MS)
    record["delivered_ns"] = START + int((arrival + delay) * MS) if fate == ledger.DELIVERED else 0
    return record


def sample(start, **counts):
    base = {"start_unix_ns": START + start * MS, "length_ms": 1000, "sent": 0, "answered": 0, "late": 0,
            "lost_forward": 0, "lost_backward": 0, "lost_unplaced": 0, "rtt_ms_min": 0.0, "rtt_ms_p50": 0.0}
    return base | counts


class Probes(unittest.TestCase):
    def ledger_of(self, lost_forward=(), lost_backward=(), count=40):
        rows = []
        for i in range(count):
            at = 25 + i * 50
            if i in lost_forward:
                rows.append(packet(0, 1, (5000, 862), at, 0, ledger.BLACKHOLE))
                continue
            rows.append(packet(0, 1, (5000, 862), at, 40))
            fate = ledger.LOSS if i in lost_backward else ledger.DELIVERED
            rows.append(packet(1, 0, (862, 5000), at + 45, 60, fate))
        return probes.ProbeLedger(np.array(rows, ledger.RECORD), ledger.DELIVERED).link(0, 1)

    def check(self, samples, **lost):
        times, fates, trips = self.ledger_of(**lost)
        return probes.check_link(("a", "b"), samples, times, fates, trips, 2_000 * MS)

    def test_equal_counts_match_and_round_trips_leave_out_the_dwell(self):
        check = self.check([sample(0, sent=20, answered=19, lost_forward=1, rtt_ms_min=100.0, rtt_ms_p50=100.01),
                            sample(1000, sent=20, answered=19, lost_backward=1, rtt_ms_min=100.0, rtt_ms_p50=100.0)],
                           lost_forward=(3,), lost_backward=(33,))
        self.assertTrue(check.loss_matches())
        self.assertEqual(len(check.errors_us), 4)
        self.assertAlmostEqual(max(check.errors_us), 10, places=3)

    def test_a_probe_before_the_reflector_started_is_lost_on_the_way_there(self):
        rows = [packet(0, 1, (5000, 862), 25 + i * 50, 8) for i in range(20)]
        rows += [packet(1, 0, (862, 5000), 25 + i * 50 + 18, 8) for i in range(1, 20)]
        book = probes.ProbeLedger(np.array(rows, ledger.RECORD), ledger.DELIVERED)
        check = probes.check_link(("a", "b"), [sample(0, sent=20, answered=19, lost_forward=1)], *book.link(0, 1), 2_000 * MS)
        self.assertTrue(check.loss_matches())
        self.assertEqual(check.not_taken, 1)

    def test_a_loss_on_the_wrong_side_does_not_match(self):
        check = self.check([sample(0, sent=20, answered=19, lost_backward=1)], lost_forward=(3,))
        self.assertFalse(check.loss_matches())

    def test_a_loss_without_direction_must_be_one_that_is_missing(self):
        self.assertTrue(self.check([sample(0, sent=20, answered=19, lost_unplaced=1)], lost_forward=(3,)).loss_matches())
        self.assertFalse(self.check([sample(0, sent=20, answered=18, lost_unplaced=2)], lost_forward=(3,)).loss_matches())

    def test_probes_that_the_ledger_never_saw_are_out_of_step(self):
        check = self.check([sample(0, sent=20, answered=20), sample(60_000, sent=20, answered=20)])
        self.assertEqual(check.out_of_step, 1)
        self.assertFalse(check.loss_matches())


def record(kind, epoch, sequence, payload=b"report..", segment=7):
    head = struct.pack("<IB3xQQII", len(payload), kind, epoch, sequence, segment, 0)
    return head + payload + b"\0" * (-len(payload) % 8)


def spool_of(written, acknowledged=0, dropped=0, epoch=5):
    spool = stored.Spool()
    spool.written = {(epoch, s) for s in written}
    spool.acknowledged = {epoch: acknowledged}
    spool.dropped = dropped
    return spool


def sample_of(sequence, report_id=None, second=None, reporter="a"):
    return {"reporter": reporter, "epoch": "5", "sequence": sequence, "report_id": report_id or sequence,
            "link": "a/0>b/0", "start_unix_ns": second or sequence}


class Stored(unittest.TestCase):
    def test_a_segment_is_read_up_to_the_record_that_is_not_whole(self):
        octets = struct.pack("<8sQQII", b"LPSPOOL1", 7, 0, 0, 0) + record(1, 5, 1) + record(1, 5, 2, b"odd")
        octets += record(2, 5, 1, struct.pack("<Q", 3))
        spool = stored.Spool()
        spool.add_segment(octets + record(1, 5, 3)[:-1])
        self.assertEqual(spool.written, {(5, 1), (5, 2)})
        self.assertEqual((spool.acknowledged, spool.dropped), ({5: 1}, 3))
        spool.add_segment(octets[:32] + record(1, 5, 9, segment=6))
        spool.add_segment(b"something else entirely, and long enough")
        self.assertEqual(len(spool.written), 2)

    def test_all_that_was_written_and_acknowledged_is_there(self):
        spool = spool_of(range(1, 21), acknowledged=17)  # 18 to 20 are on their way
        self.assertEqual(stored.count_lost(spool, {(5, s) for s in range(1, 18)}), 0)

    def test_what_is_acknowledged_but_not_there_is_lost(self):
        spool = spool_of(range(1, 21), acknowledged=20)
        self.assertEqual(stored.count_lost(spool, {(5, s) for s in range(1, 21) if s not in (8, 20)}), 2)
        self.assertEqual(stored.count_lost(spool, set()), 20)

    def test_dropped_and_stuck_reports_are_lost(self):
        self.assertEqual(stored.count_lost(spool_of(range(1, 4), 3, dropped=2), {(5, s) for s in range(1, 4)}), 2)
        self.assertEqual(stored.count_lost(spool_of(range(1, 21), 3), {(5, s) for s in range(1, 4)}),
                         17 - stored.UNDER_WAY)

    def test_duplicates_are_rows_of_one_report_and_seconds_told_again(self):
        once = [sample_of(s) for s in range(1, 9)]
        self.assertEqual(stored.count_duplicated(once, once), 0)
        self.assertEqual(stored.count_duplicated([sample_of(1, 1), sample_of(1, 2)], []), 1)
        self.assertEqual(stored.count_duplicated([], [sample_of(1), sample_of(2, second=1)]), 1)


def mail(seconds, event, what, number, root=None, also=()):
    lines = [f"Message-ID: <{number}@test>", f"Subject: [LinkPilot] {what}, since 12:00:00 UTC"]
    lines += [f'X-LinkPilot-Fault: {root or number}/{each}; event={event}; grade=dead; about="{each}"' for each in (what, *also)]
    if root:
        lines.append(f"In-Reply-To: <{root}@test>")
    return Mail(json.dumps({"time_ns": START + int(seconds * 1e9), "to": [], "mail": "\n".join(lines) + "\n\nText.\n"}))


def trouble(what, start, end, kind="dead"):
    return {"what": what, "kind": kind, "start_ns": START + start * 10**9, "end_ns": START + end * 10**9}


class Mails(unittest.TestCase):
    CUT = trouble("link a - b", 0, 30)

    def test_a_cause_told_once_and_ended_in_its_thread_holds(self):
        judged = judge_mails([mail(9.5, "opened", "link a - b", 1), mail(33, "resolved", "link a - b", 2, root=1)],
                             [self.CUT, trouble("link a - c", 40, 43)])
        self.assertEqual((judged["causes"], judged["causes_told"], judged["unexplained"], judged["not_resolved"]), (1, 1, 0, 0))
        self.assertEqual((judged["threads"], judged["handed_s_max"]), (1, 9.5))

    def test_a_second_mail_about_one_cause_is_unexplained(self):
        judged = judge_mails([mail(9, "opened", "link a - b", 1), mail(12, "opened", "link a - b", 2)], [self.CUT])
        self.assertEqual((judged["unexplained"], judged["not_resolved"]), (1, 2))

    def test_two_causes_told_in_one_mail_hold(self):
        other = trouble("link c - d", 1, 31)
        judged = judge_mails([mail(9, "opened", "link a - b", 1, also=["link c - d"]),
                              mail(40, "resolved", "link a - b", 2, root=1, also=["link c - d"])], [self.CUT, other])
        self.assertEqual((judged["causes"], judged["causes_told"], judged["unexplained"], judged["not_resolved"]), (2, 2, 0, 0))

    def test_a_cause_nobody_was_told_of_and_a_mail_about_nothing(self):
        judged = judge_mails([mail(9, "opened", "link b - c", 1)], [self.CUT])
        self.assertEqual((judged["causes"], judged["causes_told"], judged["unexplained"]), (1, 0, 1))
        self.assertIsNone(judged["handed_s_max"])


class Bounds(unittest.TestCase):
    def test_a_missing_figure_is_not_held(self):
        rows = judge({"lookups_failed": 0}, bounds(12, 110, True, 20, 10, 3))
        held = {key: ok for key, _, _, ok in rows}
        self.assertTrue(held["lookups_failed"])
        self.assertFalse(held["heal.home_ms"])


if __name__ == "__main__":
    unittest.main()
