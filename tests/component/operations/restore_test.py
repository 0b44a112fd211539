#!/usr/bin/python3
"""The rehearsal: a lost collector is replaced without touching an agent.

    restore_test.py LINKPILOT COLLECTOR AGENT
"""

import os
import shutil
import sqlite3
import sys
import time
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from real_fleet import Rehearsal, acked, binaries_of, wait_for  # noqa: E402

Rehearsal.binaries = binaries_of(sys.argv[1:4])


def versions(fleet):
    return {agent["node"]: (agent["table"]["loaded_epoch"], agent["table"]["loaded_version"])
            for agent in fleet.get("/v1/agents")["agents"]}


class Restore(Rehearsal):
    def assert_has(self, wanted):
        """Every sequence from the first that came up to the one acknowledged."""
        stored = self.fleet.reports()
        for node, (epoch, sequence) in wanted.items():
            have = stored.get((node, epoch), set())
            missing = set(range(min(have, default=1), sequence + 1)) - have
            self.assertFalse(missing, f"{node}: acknowledged up to {sequence}, missing {sorted(missing)[:20]}")
            self.assertGreater(sequence, 0)

    def test_a_lost_collector_is_replaced_without_touching_an_agent(self):
        fleet = self.fleet
        fleet.start_collector()
        fleet.start_agents()
        fleet.await_healthy()
        wait_for("reports flow", lambda: min(sequence for _, sequence in acked(fleet).values()) >= 5)
        before = acked(fleet)
        first_seen = {key: min(have) for key, have in fleet.reports().items()}
        self.backup("backup")
        self.fleet.run("linkpilot-collector", "--check-backup", fleet.path("backup"))
        for folder, _, files in os.walk(fleet.path("backup")):
            for name in files:
                self.assertEqual(os.stat(os.path.join(folder, name)).st_mode & 0o777, 0o600, name)
        # The collector goes on, and is then run with a clock far ahead: its tables are of an epoch
        # that no clock of now gives.
        wait_for("reports flow", lambda: min(s for _, s in acked(fleet).values()) >= max(s for _, s in before.values()) + 3)
        fleet.kill_collector()
        with sqlite3.connect(f"{fleet.etc}/state/collector.sqlite") as notes:
            notes.execute("UPDATE meta SET value = value + 1000000 WHERE name = 'epoch'")
        notes.close()
        fleet.start_collector()
        fleet.await_healthy()
        wait_for("tables are of the later epoch", lambda: all(
            int(epoch) > time.time() + 100_000 for epoch, _ in versions(fleet).values()))
        after = acked(fleet)
        ran_on = versions(fleet)
        fleet.kill_collector()
        lost_at = time.monotonic()
        shutil.rmtree(fleet.etc)

        self.restore("backup", "elsewhere")
        fleet.start_collector(f"{fleet.path('elsewhere')}/collector.toml")
        fleet.await_healthy()
        took = time.monotonic() - lost_at
        print(f"lost to healthy, in machine time: {took:.1f} s")
        for name, agent in fleet.agents.items():
            self.assertIsNone(agent.poll(), f"{name} ended")
        wait_for("tables are newer than those before", lambda: all(
            version > ran_on[node] for node, version in versions(fleet).items()))
        # What was acknowledged before the backup, and what agents still had of the time since.
        self.assert_has(before)
        def missing():
            stored = fleet.reports()
            return {key: sorted(set(range(first_seen[key], sequence + 1)) - stored.get(key, set()))
                    for key, sequence in ((((node, epoch), sequence)) for node, (epoch, sequence) in after.items())}

        try:
            wait_for("agents have sent again", lambda: not any(missing().values()), 20)
        except AssertionError as error:
            raise AssertionError(f"{error}: {before} {after} missing {missing()}") from error
        self.assertEqual(fleet.get("/v1/links")["links"] != [], True)
        self.assertTrue(all(link["measured"] for link in fleet.get("/v1/links")["links"]))
        names = [event["name"] for event in fleet.get("/v1/events?limit=1000")["events"]]
        self.assertIn("table_epoch_raised", names)

        # And once more: it is a collector like any other, and can be backed up itself.
        done = fleet.run("linkpilot-collector", "--config", f"{fleet.path('elsewhere')}/collector.toml", "--backup",
                         fleet.path("again"))
        self.assertIn("secret", done.stdout)

    def test_a_restore_touches_nothing_that_is_there(self):
        fleet = self.fleet
        fleet.start_collector()
        self.backup("backup")
        self.assertIn("is there already", self.backup("backup", check=False).stderr)
        refused = self.fleet.run("linkpilot-collector", "--config", f"{fleet.etc}/collector.toml", "--restore",
                                 fleet.path("backup"), check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("is there already", refused.stderr)
        refused = self.fleet.run("linkpilot-collector", "--config", f"{fleet.etc}/collector.toml", "--restore",
                                 fleet.path("backup"), "--keep-config", check=False)
        self.assertIn("overwrites nothing", refused.stderr)

    def test_a_damaged_backup_is_refused_and_leaves_nothing_behind(self):
        fleet = self.fleet
        fleet.start_collector()
        self.backup("backup")
        with open(fleet.path("backup/keys/signing"), "r+b") as key:
            first = key.read(1)
            key.seek(0)
            key.write(b"1" if first == b"0" else b"0")
        refused = self.restore("backup", "elsewhere", check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("is not what was backed up", refused.stderr)
        self.assertFalse(os.path.exists(fleet.path("elsewhere")))
        os.remove(fleet.path("backup/manifest.json"))
        self.assertIn("is no backup", self.restore("backup", "elsewhere", check=False).stderr)

    def test_a_restore_that_fails_half_way_takes_back_what_it_did(self):
        fleet = self.fleet
        fleet.start_collector()
        self.backup("backup")
        os.makedirs(fleet.path("elsewhere"))
        # The store's folder cannot be made: a file is in its way.
        with open(fleet.path("elsewhere/state"), "w", encoding="utf-8"):
            pass
        self.assertNotEqual(self.restore("backup", "elsewhere", check=False).returncode, 0)
        self.assertEqual(os.listdir(fleet.path("elsewhere")), ["state"])

    def test_a_configuration_that_is_there_may_be_kept(self):
        fleet = self.fleet
        fleet.start_collector()
        self.backup("backup")
        os.makedirs(fleet.path("elsewhere"))
        shutil.copy(f"{fleet.etc}/collector.toml", fleet.path("elsewhere/collector.toml"))
        self.restore("backup", "elsewhere", "--keep-config")
        with open(fleet.path("elsewhere/collector.key"), encoding="utf-8") as there, \
                open(f"{fleet.etc}/collector.key", encoding="utf-8") as here:
            self.assertEqual(there.read(), here.read())


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]], verbosity=2)
