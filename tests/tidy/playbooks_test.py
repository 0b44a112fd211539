#!/usr/bin/python3
"""The playbooks without a host: their style, whether they can be read, whether their variables are those of the two
configuration files, and whether wrong ones are refused with a sentence. The long tests in tests/netns/playbooks run them."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import tomllib
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLAYBOOKS = ROOT / "playbooks"

# By section of the file: the variable that has its keys, and keys that the role itself writes.
COLLECTOR = {
    "listen": ("linkpilot_listen", {"agents_next"}),
    "keys": (None, {"curve_file", "curve_next_file", "signing_file", "enrolled_directory", "probing_file"}),
    "store": ("linkpilot_store", {"path"}), "probing": ("linkpilot_plan", set()), "routing": ("linkpilot_routing", set()),
    "faults": ("linkpilot_faults", set()), "mail": ("linkpilot_mail", {"password_file"}), "api": (None, {"token_file"}),
    "alertmanager": ("linkpilot_alertmanager", set()), "webhook": ("linkpilot_webhook", {"secret_file"}),
    "log": (None, {"level"}),
}
AGENT = {
    "node": (None, {"name", "region", "role", "media_base", "state_directory"}), "ports": ("linkpilot_ports", set()),
    "collector": (None, {"connect", "public_key_file", "next_public_key_files", "key_file", "bind_address"}),
    "routes": (None, {"file", "marks_file", "signer_public_key_files"}), "spool": ("linkpilot_spool", set()),
    "probing": ("linkpilot_probing_limits", set()), "exporter": ("linkpilot_exporter", set()), "log": (None, {"level"}),
}
GOOD = {"linkpilot_package_dir": "/nowhere", "linkpilot_ports": [{"listen": "192.0.2.1"}],
        "system": ["Debian", "12", "6.1.0-18-amd64"]}
# What is wrong, and the sentence that says so.
WRONG = {
    "misspelt": ({"linkpilot_regoin": "x"}, "misspelt: nothing reads linkpilot_regoin."),
    "no-packages": ({"linkpilot_package_dir": ""}, "a line for sources.list), not neither."),
    "two-sources": ({"linkpilot_apt_source": "deb http://a b c"}, "a line for sources.list), not both."),
    "name": ({"linkpilot_node_name": "Tokyo_1"}, 'name: linkpilot_node_name is "Tokyo_1"; a node\'s name has a-z'),
    "twin": ({"linkpilot_node_name": "name-of-two"}, "twin and twin-2 would both be the node name-of-two"),
    "twin-2": ({"linkpilot_node_name": "name-of-two"}, "give one of them another linkpilot_node_name"),
    "address": ({"linkpilot_collector_address": "hub.example"}, '"hub.example" is not an IP address'),
    "number": ({"linkpilot_free_space_mib": "plenty"}, "cannot be converted to an int"),
    "role": ({"linkpilot_role": "relais"}, "value of linkpilot_role must be one of: ingest, relay, edge, test_host, got: relais"),
    "port": ({"linkpilot_ports": [{"listen": "192.0.2.1", "stampport": 9}]}, "stampport"),
    "plan": ({"play_role": "collector", "linkpilot_plan": {"fast_intervall": "50ms"}}, "linkpilot_plan.fast_intervall. Supported parameters"),
    "policy": ({"play_role": "collector", "linkpilot_routing": {"margin_ms": "wide"}}, "found in 'linkpilot_routing'. and we were unable to convert to float"),
    "mail": ({"play_role": "collector", "linkpilot_mail": {"security": "ssl"}}, "value of security must be one of: starttls, tls, none, got: ssl"),
    "bullseye": ({"system": ["Debian", "11", "5.10.0"]}, "bullseye runs Debian 11; the packages are built for Debian 12."),
    "kernel": ({"system": ["Debian", "12", "4.19.0-26-amd64"]}, "kernel runs kernel 4.19.0-26-amd64; LinkPilot needs Linux 5.10"),
    "lonely": ({"play_role": "media_node"}, "lonely is in the group linkpilot_media and not in linkpilot_agents"),
}


def specification(role):
    with open(PLAYBOOKS / "roles" / role / "meta/argument_specs.yml", encoding="utf-8") as file:
        return yaml.safe_load(file)["argument_specs"]["main"]["options"]


class Playbooks(unittest.TestCase):
    def setUp(self):
        missing = [name for name in ("ansible-playbook", "ansible-lint", "yamllint") if not shutil.which(name)]
        self.assertEqual(missing, [], "run tools/setup")
        self.place = tempfile.TemporaryDirectory(prefix="linkpilot-playbooks-")
        self.addCleanup(self.place.cleanup)

    def run_here(self, *command, **variables):
        home = self.place.name
        return subprocess.run(command, cwd=PLAYBOOKS, text=True, capture_output=True, check=False, timeout=900, stdin=subprocess.DEVNULL, env={
            **os.environ, "ANSIBLE_HOME": home, "ANSIBLE_LOCAL_TEMP": f"{home}/tmp", "ANSIBLE_NOCOLOR": "1", "XDG_CACHE_HOME": home,
            "NO_COLOR": "1", "LC_ALL": "C.UTF-8", **variables})

    def test_yamllint_and_the_production_profile_of_ansible_lint_find_nothing(self):
        for command in (("yamllint", "--strict", "."), ("ansible-lint", "--offline", "--nocolor", "-q")):
            run = self.run_here(*command)
            self.assertEqual((run.returncode, run.stdout), (0, ""), run.stdout + run.stderr)

    def test_every_playbook_can_be_read_with_the_example_inventory(self):
        books = sorted(path.name for path in PLAYBOOKS.glob("*.yml")
                       if path.name not in ("galaxy.yml", "inventory.example.yml", "inventory.yml"))
        self.assertIn("quickstart.yml", books)
        run = self.run_here("ansible-playbook", "--syntax-check", "-i", "inventory.example.yml", *books)
        self.assertEqual(run.returncode, 0, run.stderr)

    def test_variables_are_the_keys_of_the_configuration_files(self):
        for role, path, sections in (("collector", "collector/collector.toml", COLLECTOR), ("agent", "agent/agent.toml", AGENT)):
            options = {**specification(role), **specification("common")}
            text = (ROOT / path).read_text(encoding="utf-8")
            manual = tomllib.loads(text)
            self.assertEqual(sorted(manual), sorted(sections), path)
            for section, (variable, own) in sections.items():
                keys = manual[section][0] if isinstance(manual[section], list) else manual[section]
                said = set(options[variable]["options"]) if variable else set()
                lists = set(re.findall(rf"^#\s+\[\[{section}\.(\w+)\]\]", text, re.MULTILINE))  # shown as examples
                self.assertEqual(set(keys) | lists, said | own, f"[{section}] of {path}")
                for module in keys.get("modules", ()):
                    self.assertEqual(set(module), set(options[variable]["options"]["modules"]["options"]))

    def test_every_variable_is_in_the_readme_with_its_default_in_a_role(self):
        readme = (PLAYBOOKS / "README.md").read_text(encoding="utf-8")
        listed = set(re.findall(r"^\| `(linkpilot_\w+)`", readme, re.MULTILINE))
        known = {name for role in ("common", "agent", "collector", "media_node") for name in specification(role)}
        self.assertEqual(listed, known)

    def test_wrong_variables_and_wrong_hosts_are_refused_with_a_sentence(self):
        hosts = {name: {**GOOD, "play_role": "agent", **wrong} for name, (wrong, _) in WRONG.items()}
        inventory = {"all": {"vars": {"ansible_connection": "local"}, "children": {
            "linkpilot_collector": {"hosts": {"hub": {"ansible_host": "192.0.2.9"}}},
            "linkpilot_agents": {"hosts": {name: values for name, values in hosts.items() if name != "lonely"}},
            "linkpilot_media": {"hosts": {"lonely": hosts["lonely"]}}}}}
        play = [{"name": "Each host fails in its own way", "hosts": "all:!hub", "gather_facts": False, "tasks": [
            {"name": "Its role", "ansible.builtin.include_role": {"name": "{{ play_role }}"}, "vars": {
                "__linkpilot_distribution": "{{ system[0] }}", "__linkpilot_release": "{{ system[1] }}",
                "__linkpilot_kernel": "{{ system[2] }}", "__linkpilot_system": "Linux"}}]}]
        for name, content in (("inventory.yml", inventory), ("play.yml", play)):
            with open(os.path.join(self.place.name, name), "w", encoding="utf-8") as file:
                yaml.safe_dump(content, file)
        run = self.run_here("ansible-playbook", "-i", f"{self.place.name}/inventory.yml", f"{self.place.name}/play.yml",
                            ANSIBLE_ROLES_PATH=str(PLAYBOOKS / "roles"))
        said = {}
        for host, text in re.findall(r"^fatal: \[([\w-]+)\]: FAILED! => (.*)$", run.stdout, re.MULTILINE):
            said[host] = text.replace('\\"', '"').replace("\\'", "'")
        for name, (_, sentence) in WRONG.items():
            with self.subTest(name):
                self.assertIn(sentence, said.get(name, run.stdout[-1500:] + run.stderr[-500:]))
        self.assertNotIn("changed: [", run.stdout)


if __name__ == "__main__":
    unittest.main()
