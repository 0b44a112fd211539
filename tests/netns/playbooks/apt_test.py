"""Packages from a signed apt source instead of a folder, and an upgrade that drains each node first. Long:
tools/test --long runs it."""

import os
import sys
import unittest

from fleet_scene import PACKAGES, FleetScene
from apt_repository import AptRepository

PORT = 8001


class AptSource(FleetScene):
    hosts = ["hub", "east", "west"]
    collector_measures = True

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.repository = AptRepository(os.path.join(cls.farm.folder, "apt"))
        cls.addClassCleanup(cls.repository.close)
        cls.repository.publish(PACKAGES)
        cls.server = cls.farm.start_here([sys.executable, "-m", "http.server", "--directory", cls.repository.folder, str(PORT)],
                                         "apt.log")
        cls.addClassCleanup(cls.server.kill)
        cls.fleet.packages = {
            "linkpilot_apt_source": f"deb [signed-by=/etc/apt/keyrings/linkpilot.asc] http://{cls.farm.address}:{PORT} ./",
            "linkpilot_apt_key_file": cls.repository.key_file}
        cls.fleet.write_inventory()

    def installed(self):
        return {self.fleet.version(name) for name in self.fleet.agents}

    def test_1_a_fleet_is_installed_from_it_and_a_second_run_changes_nothing(self):
        run = self.assert_run(self.fleet.play("quickstart.yml"))
        self.figures["install_s"] = round(run.seconds, 1)
        self.assertEqual(self.installed(), {self.version})
        self.assertIn(f"http://{self.farm.address}:{PORT}",
                      self.farm.ssh(self.host("east"), "apt-cache policy linkpilot-agent").stdout)
        self.assertEqual(self.assert_run(self.fleet.play("quickstart.yml")).changed, 0)

    def test_2_a_new_version_there_changes_nothing_by_itself(self):
        self.repository.publish(self.packages(self.version + "+next1"))
        run = self.assert_run(self.fleet.play("site.yml"))
        self.assertIn("upgrade.yml brings it, node by node", run.sentences)
        self.assertEqual(self.installed(), {self.version})

    def test_3_an_upgrade_drains_each_node_and_lets_it_relay_again(self):
        run = self.assert_run(self.fleet.play("upgrade.yml", "-e", "linkpilot_upgrade_drain=true"))
        self.figures["upgrade_with_drain_s"] = round(run.seconds, 1)
        self.assertEqual(self.installed(), {self.version + "+next1"})
        done = [(entry["action"], entry["subject"]) for entry in self.fleet.ask("/v1/audit")["entries"] if entry["outcome"] == "done"]
        for name in self.fleet.agents:
            self.assertEqual(done.count(("drain", name)), 1, done)
            self.assertEqual(done.count(("undrain", name)), 1, done)
        self.assertEqual(self.fleet.ask("/v1/hand")["overrides"], [])

    def test_4_and_back_by_the_packages_that_stayed_on_the_hosts(self):
        self.assert_run(self.fleet.play("rollback.yml"))
        self.assertEqual(self.installed(), {self.version})

    def test_5_nothing_that_another_key_signs_is_installed(self):
        other = AptRepository(os.path.join(self.farm.folder, "other"), "Somebody else")
        self.addCleanup(other.close)
        other.publish(self.packages(self.version + "+evil1"))
        for name in os.listdir(other.folder):
            os.replace(os.path.join(other.folder, name), os.path.join(self.repository.folder, name))
        # apt keeps the index it trusts, so that this may well succeed: with what is in that one.
        self.figures["foreign_key_exit"] = self.fleet.play("upgrade.yml").code
        self.assertNotIn(self.version + "+evil1", self.installed())


if __name__ == "__main__":
    unittest.main(failfast=True, verbosity=2)
