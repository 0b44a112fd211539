"""What the figures of a report must reach for the run to count as held."""


def _at_most(limit):
    return lambda value: value is not None and value <= limit, f"<= {limit}"


def _at_least(limit):
    return lambda value: value is not None and value >= limit, f">= {limit}"


def _equal(wanted):
    return lambda value: value == wanted, f"{wanted}"


def bounds(node_count, links, has_joiner, streams_first_hop, streams_later_hop, causes):
    """[(report key, predicate, how it is written)], in the order in which people read them."""
    rows = [
        ("links_measured", *_equal(links)),
        ("nodes_loaded", *_equal(node_count - (1 if has_joiner else 0))),
        ("cut.excess_gap_ms_first_hop_p50", *_at_most(220)),
        ("cut.excess_gap_ms_first_hop_max", *_at_most(270)),
        ("cut.streams_first_hop", *_at_least(streams_first_hop)),
        ("cut.excess_gap_ms_later_hop_p50", *_at_most(450)),
        ("cut.excess_gap_ms_later_hop_max", *_at_most(900)),
        ("cut.streams_later_hop", *_at_least(streams_later_hop)),
        ("collector_down.excess_gap_ms_first_hop_max", *_at_most(270)),
        ("collector_down.streams_first_hop", *_at_least(1)),
        ("collector_down.plans_shrunk", *_equal(node_count - (1 if has_joiner else 0))),
        ("collector_down.reports_lost", *_equal(0)),
        ("collector_down.reports_duplicated", *_equal(0)),
        ("mail.causes_told", *_equal(causes)),
        ("mail.handed_s_max", *_at_most(15)),
        ("mail.unexplained", *_equal(0)),
        ("mail.not_resolved", *_equal(0)),
        ("degrade.all_loaded_ms", *_at_most(15000)),
        ("degrade.moved_without_gain", *_equal(0)),
        ("node.left_all_tables_ms", *_at_most(2000)),
        ("node.back_routable_ms", *_at_most(10000)),
    ]
    if has_joiner:
        rows.append(("join.routable_ms", *_at_most(10000)))
    return rows + [
        ("heal.home_ms", *_at_most(90000)),
        ("dial.regions_shown", *_equal(node_count)),
        ("dial.first_frame_ms_max", *_at_most(5000)),
        ("dial.stall_found", *_equal(True)),
        ("dial.stall_error_ms", *_at_most(100)),
        ("dial.stalls_elsewhere", *_equal(0)),
        ("lookups_total", *_at_least(100000)),
        ("lookups_failed", *_equal(0)),
        ("loss_matches_ledger", *_equal(True)),
        ("rtt_error_us_p50", *_at_most(100)),
    ]


def get(report, key):
    """`a.b` of nested objects; None where it is missing."""
    for part in key.split("."):
        if not isinstance(report, dict) or part not in report:
            return None
        report = report[part]
    return report


def judge(report, rows):
    """[(key, value, bound as text, held)]"""
    return [(key, get(report, key), text, bool(predicate(get(report, key)))) for key, predicate, text in rows]
