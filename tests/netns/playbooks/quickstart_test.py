"""Three fresh hosts to a measuring fleet, by the handbook: its commands are run as they stand there. Long:
tools/test --long runs it."""

import os
import re
import time
import unittest

from fleet_scene import FleetScene

BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Quickstart(FleetScene):
    hosts = ["tokyo", "paris", "oregon"]
    media = ["paris"]

    def handbook(self, heading):
        """The commands under a heading of HANDBOOK.md."""
        with open(os.path.join(self.fleet.playbooks, "HANDBOOK.md"), encoding="utf-8") as file:
            sections = re.split(r"^## ", file.read(), flags=re.MULTILINE)
        section = next(text for text in sections if text.startswith(heading))
        return "\n".join(BLOCK.findall(section))

    def test_1_the_first_fleet_measures_within_ten_minutes(self):
        since = time.monotonic()
        run = self.assert_run(self.fleet.shell(self.handbook("First fleet")))
        self.figures["quickstart_s"] = round(time.monotonic() - since, 1)
        self.assertLess(self.figures["quickstart_s"], 600)
        self.assertIn("6 of 6 links measured", run.sentences)
        status = self.fleet.ask("/v1/status")
        self.assertEqual((status["healthy"], status["links"]["measured"]), (True, 6))

    def test_2_a_second_run_changes_nothing(self):
        run = self.assert_run(self.fleet.play("quickstart.yml"))
        self.figures["second_run_s"], self.figures["second_run_changed"] = round(run.seconds, 1), run.changed
        self.assertEqual(run.changed, 0, run.text)
        self.assertEqual(self.assert_run(self.fleet.play("site.yml", "--check", "--diff")).changed, 0)

    def test_3_secrets_stay_where_they_were_made(self):
        for name in self.hosts:
            mode = self.farm.ssh(self.host(name), "stat -c '%U %a' /etc/linkpilot/agent.key").stdout.strip()
            self.assertEqual(mode, "linkpilot-agent 600")
        self.assertEqual(len({self.farm.ssh(self.host(name), "cat /etc/linkpilot/agent.key").stdout for name in self.hosts}), 3)
        found = self.farm.ssh(self.host("oregon"), "ls /etc/linkpilot").stdout.split()
        self.assertEqual(sorted(found), ["agent.key", "agent.key.pub", "agent.toml", "collector.pub", "routes.pub"])

    def test_4_a_change_of_the_plan_reloads_and_a_half_finished_run_is_made_good(self):
        pid = "systemctl show --property MainPID --value linkpilot-collector"
        before = self.farm.ssh(self.host("tokyo"), pid).stdout
        self.fleet.variables["tokyo"] = {"linkpilot_plan": "{slow_interval: 500ms}"}
        self.fleet.write_inventory()
        # As a run that was cut off after the file was written, before the collector was told.
        self.farm.ssh(self.host("tokyo"), r"sed -i 's/^\[probing\]$/&\nslow_interval = \"500ms\"/' /etc/linkpilot/collector.toml")
        run = self.assert_run(self.fleet.play("site.yml"))
        self.assertIn("Reload linkpilot-collector", run.text)
        self.assertEqual(self.farm.ssh(self.host("tokyo"), pid).stdout, before)
        self.assertEqual(self.fleet.ask("/v1/events", limit=20)["events"][-1]["name"] and
                         [e["name"] for e in self.fleet.ask("/v1/events", limit=40)["events"]].count("config_reloaded") > 0, True)
        self.assertEqual(self.assert_run(self.fleet.play("site.yml")).changed, 0)

    def test_5_a_node_is_added(self):
        self.farm.add_hosts(["sydney"])
        self.fleet.agents.append("sydney")
        self.fleet.write_inventory()
        self.assert_run(self.fleet.shell(self.handbook("Add a node").replace("NODE", "sydney")))
        self.assertEqual(self.fleet.ask("/v1/agents", node="sydney")["agents"][0]["state"], "connected")

    def test_6_the_signing_key_changes_without_a_gap(self):
        before = self.fleet.ask("/v1/status")["tables"]["signer"]
        self.assert_run(self.fleet.shell(self.handbook("Rotate keys").replace("NODE", "oregon")))
        self.assertNotEqual(self.fleet.ask("/v1/status")["tables"]["signer"], before)
        agents = self.fleet.ask("/v1/agents")["agents"]
        self.assertEqual([agent["table"]["refused_reason"] for agent in agents], [""] * 4)
        self.assertEqual(self.assert_run(self.fleet.play("site.yml")).changed, 0)

    def test_7_a_system_that_the_packages_are_not_for_is_refused(self):
        self.farm.ssh(self.host("sydney"), "sed -i 's/^VERSION_ID=.*/VERSION_ID=\"11\"/; s/12 (bookworm)/11 (bullseye)/' /usr/lib/os-release; "
                                           "echo 11.9 >/etc/debian_version")
        self.assert_refused(self.fleet.play("site.yml", "--limit", "sydney"), "sydney runs Debian 11; the packages are built for Debian 12")

    def test_8_another_key_under_a_known_name_is_refused(self):
        self.farm.ssh(self.host("oregon"), "rm /etc/linkpilot/agent.key /etc/linkpilot/agent.key.pub")
        self.assert_refused(self.fleet.play("site.yml", "--limit", "oregon"), "The collector knows oregon by another key")
        self.assert_run(self.fleet.play("site.yml", "--limit", "oregon", "-e", "linkpilot_replace_key=true"))


if __name__ == "__main__":
    unittest.main(failfast=True, verbosity=2)
