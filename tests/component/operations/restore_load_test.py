#!/usr/bin/python3
"""The rehearsal under load: a collector is lost while others report 20 000 link samples a second.

    restore_load_test.py LINKPILOT COLLECTOR AGENT LOAD
"""

import os
import shutil
import sys
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from real_fleet import Rehearsal, acked, binaries_of, wait_for  # noqa: E402

Rehearsal.binaries = binaries_of(sys.argv[1:5])


class RestoreUnderLoad(Rehearsal):
    def test_under_load_a_lost_collector_is_replaced_and_no_report_is_lost(self):
        fleet = self.fleet
        load = {"agents": 20, "links": 250, "rate": 20_000}
        fleet.start_collector()
        fleet.start_agents()
        fleet.await_healthy()
        fleet.enrol_load(load["agents"])
        fleet.start_load(**load)

        def stored():
            return fleet.get("/v1/status")["store"]["reports"]

        idle = stored()
        wait_for("the load is on", lambda: stored() > idle + 10 * load["agents"])
        first_seen = {key: min(have) for key, have in fleet.reports().items()}
        self.backup("backup")
        at_backup = stored()
        wait_for("reports flow on", lambda: stored() > at_backup + 10 * load["agents"])
        after = {node: value for node, value in acked(fleet).items() if node in fleet.nodes}
        lost_reports = stored() - at_backup
        fleet.kill_collector()
        fleet.end_load()
        lost_at = time.monotonic()
        shutil.rmtree(fleet.etc)

        self.restore("backup", "elsewhere")
        fleet.start_collector(f"{fleet.path('elsewhere')}/collector.toml")
        fleet.start_load(**load)

        def missing():
            have = fleet.reports()
            return {node: sorted(set(range(first_seen[node, epoch], sequence + 1)) - have.get((node, epoch), set()))
                    for node, (epoch, sequence) in after.items()}

        wait_for("agents have sent again", lambda: not any(missing().values()), 60)
        took = time.monotonic() - lost_at
        running = stored()
        wait_for("the load is on again", lambda: stored() > running + 10 * load["agents"])
        # And up to now: nothing between then and now is missing either.
        after = {node: value for node, value in acked(fleet).items() if node in fleet.nodes}
        self.assertEqual(sum(map(len, missing().values())), 0, missing())
        print(f"lost with {lost_reports} reports that the backup had not; all of the agents' again after {took:.1f} s; "
              f"reports lost 0 of {sum(sequence + 1 - first_seen[node, epoch] for node, (epoch, sequence) in after.items())}")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[5:]], verbosity=2)
