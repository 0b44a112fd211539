"""A fleet of eight measuring nodes is upgraded while media processes look up routes: a bad build stops at the canary,
goes back, a good one follows; a node that is down is left out and follows later; two runs at once; a full disk;
a node leaves. Long: tools/test --long runs it."""

import json
import os
import time
import unittest

from fleet_scene import ROOT, FleetScene
from stored import count_reports, read_spool

NODES = [f"node-{n}" for n in range(1, 9)]
CANARY = NODES[0]
LOCK = "/run/linkpilot-playbook.lock"
BAD, GOOD, LATER = "+bad1", "+good1", "+later1"  # after the version under test


class Upgrade(FleetScene):
    hosts = ["hub", *NODES]
    collector_measures = False
    media = NODES

    def upgrade(self, suffix, *arguments):
        return self.fleet.play("upgrade.yml", "-e", f"linkpilot_package_dir={self.packages(self.version + suffix, suffix == BAD)}",
                               *arguments)

    def versions(self):
        return {name: self.fleet.version(name).removeprefix(self.version) for name in self.fleet.agents}

    def lookups(self):
        """Answers of all nodes, summed by kind. Apart: 'dropped' about and on the canary, which is the truth while its
        agent is deaf, and until its links are measured again."""
        sums = {"total": 0, "failed": 0, "canary_dropped": 0, "tables_refused": 0}
        for name in NODES:
            with open(os.path.join(self.host(name).root, "var/tmp/lookups.json"), encoding="ascii") as file:
                said = json.load(file)
            sums["tables_refused"] += said["tables_refused"]
            for target, kinds in said["targets"].items():
                sums["total"] += sum(kinds.values())
                wrong = sum(kinds.values()) - kinds["ok"]
                if CANARY in (name, target):
                    sums["canary_dropped"] += kinds["dropped"]
                    wrong -= kinds["dropped"]
                sums["failed"] += wrong
                if wrong:
                    sums.setdefault("wrong", {})[f"{name}>{target}"] = kinds
        return sums

    def test_1_eight_nodes_measure_and_their_media_look_up_routes(self):
        for name in NODES:
            self.farm.ssh(self.host(name), "useradd --system media")
            self.fleet.variables[name] = {"linkpilot_media_users": "[media]", "linkpilot_spool": "{keep_acked: 90min}"}
        self.fleet.write_inventory()
        run = self.assert_run(self.fleet.play("quickstart.yml"))
        self.figures["install_s"] = round(run.seconds, 1)
        with open(os.path.join(ROOT, "tools/scenario/lookups.py"), encoding="utf-8") as file:
            program = file.read()
        for name in NODES:
            self.host(name).write("opt/lookups.py", program)
            others = ",".join(other for other in NODES if other != name)
            self.farm.ssh(self.host(name), "systemd-run --quiet --unit lookups --uid media --property UMask=0022 "
                                           f"python3 /opt/lookups.py {others} /var/tmp/lookups.json")
        time.sleep(2)
        self.assertEqual(self.lookups()["failed"], 0, self.lookups())

    def test_2_check_says_what_would_happen_and_changes_nothing(self):
        run = self.assert_run(self.upgrade(GOOD, "--check"))
        self.assertIn(f"nodes would run {self.version}{GOOD}", run.sentences)
        self.assertEqual(set(self.versions().values()), {""})

    def test_3_a_bad_build_stops_at_the_canary_and_a_second_run_is_refused_meanwhile(self):
        bad = self.packages(self.version + BAD, True)
        first = self.fleet.start("upgrade.yml", "-e", f"linkpilot_package_dir={bad}", "-e", "linkpilot_gate_patience_s=30")
        while not os.path.exists(os.path.join(self.host("hub").root, LOCK[1:])) and first[0].poll() is None:
            if self.farm.ssh(self.host("hub"), f"test -e {LOCK}", check=False).returncode == 0:
                break
            time.sleep(0.2)
        self.assert_refused(self.fleet.play("site.yml"), "works on this fleet since")
        run = self.fleet.finish(first)
        self.figures["bad_build_s"] = round(run.seconds, 1)
        self.assert_refused(run, f"The upgrade to {self.version}{BAD} stopped.")
        self.assertIn(f"{CANARY} did not pass its gate", run.sentences)
        versions = self.versions()
        self.figures["bad_build_reached"] = sum(version == BAD for version in versions.values())
        self.assertEqual([name for name in NODES if versions[name] == BAD], [CANARY])

    def test_4_rollback_takes_the_canary_back_and_a_second_one_changes_nothing(self):
        run = self.assert_run(self.fleet.play("rollback.yml", "--limit", CANARY))
        self.figures["rollback_s"] = round(run.seconds, 1)
        self.assertEqual(set(self.versions().values()), {""})
        self.assertEqual(self.assert_run(self.fleet.play("rollback.yml", "--limit", CANARY)).changed, 0)

    def test_5_a_good_build_reaches_all_and_no_report_and_no_look_up_is_lost(self):
        run = self.assert_run(self.upgrade(GOOD))
        self.figures["upgrade_s"] = round(run.seconds, 1)
        self.assertEqual(set(self.versions().values()), {GOOD})
        self.assertEqual(self.fleet.ask("/v1/status")["agents"]["connected"], len(NODES))
        time.sleep(3)
        spools = {name: read_spool(os.path.join(self.host(name).root, "var/lib/linkpilot/spool")) for name in NODES}
        lookups = self.lookups()
        self.fleet.ask("/v1/status")
        reports = count_reports(spools, *self.fleet.api.stored())
        self.figures.update(reports=reports["reports"], reports_lost=reports["reports_lost"],
                            reports_duplicated=reports["reports_duplicated"], lookups=lookups["total"],
                            lookups_failed=lookups["failed"], lookups_dropped_at_the_bad_build=lookups["canary_dropped"])
        self.assertGreater(reports["reports"], 100 * len(NODES))
        self.assertEqual((reports["reports_lost"], reports["reports_duplicated"]), (0, 0))
        self.assertGreater(lookups["total"], 100_000)
        self.assertEqual((lookups["failed"], lookups["tables_refused"]), (0, 0), lookups)

    def test_6_a_node_that_is_down_is_left_out_and_follows_later(self):
        self.host("node-8").cut_power()
        limit = ("--limit", "hub,node-7,node-8")
        self.assert_refused(self.upgrade(LATER, *limit), "node-8 did not answer and was left out")
        self.host("node-8").start()
        self.host("node-8").wait()
        versions = self.versions()
        self.assertEqual((versions["node-7"], versions["node-8"]), (LATER, GOOD))
        self.assert_run(self.upgrade(LATER, *limit))
        self.assertEqual(self.versions()["node-8"], LATER)
        self.assertEqual(self.assert_run(self.upgrade(LATER, *limit)).changed, 0)

    def test_7_a_full_disk_is_seen_beforehand_and_survived(self):
        node = self.host("node-6")
        limit = ("--limit", "node-6")
        run = self.upgrade(LATER, *limit, "-e", "linkpilot_free_space_mib=99999999")
        self.assert_refused(run, "nothing was changed on it. Make room")
        self.assertEqual(self.versions()["node-6"], GOOD)
        # A disk that fills up while apt works: a small one, over the place where packages go.
        self.farm.ssh(node, "mount -t tmpfs -o size=64k tmpfs /var/lib/linkpilot-packages")
        self.assert_refused(self.upgrade(LATER, *limit), "No space left on device")
        self.farm.ssh(node, "umount /var/lib/linkpilot-packages")
        self.assertEqual(self.farm.ssh(node, "systemctl is-active linkpilot-agent").stdout.strip(), "active")
        self.assert_run(self.upgrade(LATER, *limit))
        self.assertEqual(self.versions()["node-6"], LATER)

    def test_8_a_node_leaves_the_fleet(self):
        self.assert_refused(self.fleet.play("decommission.yml"), "Say which node leaves the fleet")
        run = self.assert_run(self.fleet.play("decommission.yml", "--limit", "node-5"))
        self.figures["decommission_s"] = round(run.seconds, 1)
        self.assertNotIn("node-5", [agent["node"] for agent in self.fleet.ask("/v1/agents")["agents"]])
        self.assertNotEqual(self.farm.ssh(self.host("node-5"), "test -e /usr/bin/linkpilot-agent -o -e /etc/linkpilot/agent.key",
                                          check=False).returncode, 0)
        self.assertEqual(self.assert_run(self.fleet.play("decommission.yml", "--limit", "node-5")).changed, 0)


if __name__ == "__main__":
    unittest.main(failfast=True, verbosity=2)
