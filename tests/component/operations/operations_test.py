#!/usr/bin/python3
"""What an operator has at hand, against a real fleet: metrics, alerts, dashboard, doctor, support bundle, and the
commands of the handbook.

    operations_test.py LINKPILOT COLLECTOR AGENT
"""

import json
import os
import re
import shlex
import stat
import subprocess
import sys
import tarfile
import unittest
import urllib.request

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from real_fleet import Fleet, binaries_of, free_port, wait_for  # noqa: E402

BINARIES = binaries_of(sys.argv[1:4])
REPOSITORY = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
MONITORING = f"{REPOSITORY}/playbooks/monitoring"
HANDBOOK = f"{REPOSITORY}/playbooks/HANDBOOK.md"
SECTIONS = ("Monitoring", "Read a fault", "Mail", "Size it", "Recover")  # whose commands are run here


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def sections(text):
    """Title of level two -> its text."""
    parts = re.split(r"^## (.+)$", text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def declared():
    """Section of METRICS.md -> the metrics it lists."""
    return {title: set(re.findall(r"^\| `(\w+)` \|", text, flags=re.M))
            for title, text in sections(read(f"{MONITORING}/METRICS.md")).items()}


def families(page):
    return set(re.findall(r"^# TYPE (\w+) ", page, flags=re.M))


def metric_names(expression):
    return set(re.findall(r"\b(linkpilot_\w+|probe_\w+)", re.sub(r'"[^"]*"', '""', expression)))


def anchors(text):
    """The anchors of a Markdown text's headings."""
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
            for title in re.findall(r"^#+ (.+)$", text, flags=re.M)}


class Papers(unittest.TestCase):
    """No process is needed."""

    def test_each_alert_fires_and_none_does_in_a_sound_fleet(self):
        done = subprocess.run(["promtool", "test", "rules", "alerts_test.yml"], cwd=MONITORING, capture_output=True,
                              text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        rules, tests = read(f"{MONITORING}/alerts.yml"), read(f"{MONITORING}/alerts_test.yml")
        for name in re.findall(r"- alert: (\w+)", rules):
            fires = re.search(rf"alertname: {name}\n\s+eval_time: \S+\n\s+exp_alerts:\n", tests)
            self.assertTrue(fires, f"no test sees {name} fire")

    def test_alerts_name_metrics_that_are_there_and_a_chapter_of_the_handbook(self):
        known = set().union(*declared().values())
        rules = read(f"{MONITORING}/alerts.yml")
        for expression in re.findall(r"^\s+expr: '(.*)'$", rules, flags=re.M):
            self.assertLessEqual(metric_names(expression), known, expression)
        chapters = anchors(read(HANDBOOK))
        links = re.findall(r"runbook_url: (\S+)#(\S+)", rules)
        self.assertEqual(len(links), rules.count("- alert:"))
        for path, anchor in links:
            self.assertTrue(os.path.exists(f"{REPOSITORY}/{path}"), path)
            self.assertIn(anchor, chapters)

    def test_the_dashboard_asks_for_metrics_that_are_there(self):
        board = json.loads(read(f"{MONITORING}/dashboard.json"))
        known = set().union(*declared().values())
        queries = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
        self.assertGreater(len(queries), 40)
        for query in queries:
            names = metric_names(query)
            self.assertTrue(names, query)
            self.assertLessEqual(names, known, query)
        ids = [panel["id"] for panel in board["panels"]]
        self.assertEqual(len(ids), len(set(ids)))


class Operations(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.fleet = Fleet(BINARIES)
        cls.addClassCleanup(cls.fleet.close)
        cls.exporter_port = free_port()
        with open(cls.fleet.path("node-1/agent.toml"), "a", encoding="utf-8") as file:
            file.write(f'[exporter]\nlisten = "127.0.0.1:{cls.exporter_port}"\n')
        cls.fleet.start_collector()
        cls.fleet.start_agents()
        cls.fleet.await_healthy()

    def environment(self):
        stubs = self.fleet.path("stubs")
        if not os.path.isdir(stubs):
            self.make_stubs(stubs)
        return {**os.environ, "PATH": f"{stubs}:{os.environ['PATH']}", "LINKPILOT_COLLECTOR": self.fleet.url(),
                "LINKPILOT_TOKEN_FILE": f"{self.fleet.etc}/token",
                "LINKPILOT_AGENT_CONFIG": self.fleet.path("node-1/agent.toml"),
                "LINKPILOT_COLLECTOR_CONFIG": f"{self.fleet.etc}/collector.toml"}

    def make_stubs(self, folder):
        """Programs under their names; systemctl and ssh as far as one machine without systemd has them."""
        os.makedirs(folder)
        for name, path in BINARIES.items():
            os.symlink(os.path.abspath(path), f"{folder}/{name}")
        pid = f"{self.fleet.root}/collector.pid"
        scripts = {
            "systemctl": f"""case "$1" in
            start) linkpilot-collector --config {self.fleet.etc}/collector.toml >>{self.fleet.log('collector')} 2>&1 </dev/null & echo $! >{pid} ;;
            stop) kill "$(cat {pid})"; while kill -0 "$(cat {pid})" 2>/dev/null; do sleep 0.1; done ;;
            reload) kill -HUP "$(cat {pid})" ;;
            esac""",
            "ssh": 'shift; exec sh -c "$*"',
            "chronyc": "true"}
        for name, text in scripts.items():
            with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
                file.write(f"#!/bin/sh\n{text}\n")
            os.chmod(f"{folder}/{name}", 0o755)

    def cli(self, *words, code=None):
        done = subprocess.run([BINARIES["linkpilot"], *words], capture_output=True, text=True, timeout=60, check=False,
                              env=self.environment())
        if code is not None:
            self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def check_page(self, page, names):
        done = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""), page)
        self.assertEqual(families(page), names)

    def test_1_every_declared_metric_is_told_and_no_other(self):
        names = declared()
        self.check_page(self.fleet.get_text("/metrics"), names["The collector"])
        self.check_page(wait_for("the agent writes its figures", lambda: self.agent_page()), names["The agent"])
        with urllib.request.urlopen(f"http://127.0.0.1:{self.exporter_port}/metrics", timeout=5) as answer:
            self.check_page(answer.read().decode(), names["The agent's exporter"])
        page = self.fleet.get_text("/metrics")
        self.assertNotIn("link=", page)
        self.assertLess(page.count("\n"), 400, "three agents make few series")
        self.assertIn('linkpilot_collector_agents{state="connected"} 3\n', page)
        self.assertRegex(page, r'linkpilot_collector_agents_by_software\{software="linkpilot-agent [\d.]+"\} 3\n')
        wait_for("the page says that probes leave",
                 lambda: re.search(r"linkpilot_agent_probes_sent_total [1-9]", self.agent_page()))

    def agent_page(self):
        path = self.fleet.path("node-1/state/metrics.prom")
        return read(path) if os.path.exists(path) else None

    def test_2_the_doctor_finds_what_is_wrong_and_how_it_is_mended(self):
        found = json.loads(self.cli("doctor", "--json").stdout)
        self.assertEqual((found["kind"], found["schema_version"]), ("doctor", 1))
        checks = {finding["check"]: finding for finding in found["findings"]}
        for check in ("clock.sync", "kernel.rmem_max", "port.open", "port.timestamps", "disk.room", "agent.running",
                      "agent.online", "fleet.size", "version.agents", "collector.disk"):
            self.assertIn(check, checks)
        for check in ("port.open", "agent.running", "agent.online", "fleet.size", "version.agents"):
            self.assertEqual(checks[check]["health"], "ok", checks[check])
        for finding in found["findings"]:
            if finding["health"] != "ok":
                self.assertTrue(finding["meaning"] and finding["fix"], finding)
        doors = {(port["direction"], port["protocol"], port["port"]) for port in found["ports"]}
        self.assertLessEqual({("in", "udp", 8620), ("out", "tcp", self.fleet.port), ("in", "tcp", self.fleet.port)}, doors)
        # A key that others can read is bad, and the answer is no.
        key = self.fleet.path("node-1/agent.key")
        os.chmod(key, 0o644)
        self.addCleanup(os.chmod, key, 0o600)
        text = self.cli("doctor", code=1).stdout
        self.assertIn("bad   file.mode: the agent's secret key can be read by others", text)
        self.assertIn(f"fix:   chmod 600 {key}", text)
        self.assertIn("a firewall lets through:", text)

    def test_2_the_doctor_says_that_a_collector_does_not_answer(self):
        done = self.cli("--collector", "http://127.0.0.1:9", "doctor", "--json", code=1)
        checks = {finding["check"]: finding["health"] for finding in json.loads(done.stdout)["findings"]}
        self.assertEqual(checks["collector.answers"], "bad")

    def test_3_a_support_bundle_holds_no_secret(self):
        secrets = {name: f"S3cret-{name}-Qz9" for name in
                   ("smtp", "user", "stream", "webhook", "query", "logged", "bearer", "pem")}
        files = {"smtp.password": secrets["smtp"]}
        for name, text in files.items():
            with open(f"{self.fleet.etc}/{name}", "w", encoding="utf-8") as file:
                file.write(text + "\n")
            os.chmod(f"{self.fleet.etc}/{name}", 0o600)
        config = read(f"{self.fleet.etc}/collector.toml") + "\n[mail]\npassword_file = \"smtp.password\"\n"
        config += f"# hook: https://hooks.example/services/{secrets['webhook']}\n"
        with open(f"{self.fleet.etc}/bundle.toml", "w", encoding="utf-8") as file:
            file.write(config)
        log = self.fleet.path("planted.log")
        keys = {}
        for name in ("collector.key", "routes.key", "probing.key", "token"):
            keys[name] = read(f"{self.fleet.etc}/{name}").strip()
        keys["agent.key"] = read(self.fleet.path("node-1/agent.key")).strip()
        with open(log, "w", encoding="utf-8") as file:
            file.write("an early line\n" * 100_000)
            file.write(f"dialled rtmp://{secrets['user']}:x@ingest.example/live/{secrets['stream']}?t={secrets['query']}\n")
            file.write(f"password={secrets['logged']}\nAuthorization: Bearer {secrets['bearer']}\n")
            file.write(f"said {secrets['smtp']} aloud\n")
            file.write(f"-----BEGIN PRIVATE KEY-----\n{secrets['pem']}\n-----END PRIVATE KEY-----\nthe last line\n")
            for name, key in keys.items():
                file.write(f"{name} holds {key}\n")
        out = self.fleet.path("bundle.tar.gz")
        self.cli("support-bundle", "--out", out, "--log", log, "--collector-config", f"{self.fleet.etc}/bundle.toml", code=0)
        self.assertEqual(stat.S_IMODE(os.stat(out).st_mode), 0o600)
        self.assertLess(os.path.getsize(out), 4 << 20)
        with tarfile.open(out) as archive:
            texts = {member.name: archive.extractfile(member).read().decode(errors="replace") for member in archive}
        for wanted in ("README", "version.txt", "doctor.txt", "doctor.json", "agent.toml", "collector.toml",
                       "agent.metrics.prom", "collector/status.json", "collector/agents.json", "collector/events.json",
                       "collector/metrics.txt", "kernel/proc/net/snmp", "log-1.log"):
            self.assertIn(f"linkpilot-support/{wanted}", texts)
        whole = "\n".join(texts.values())
        for name, secret in {**secrets, **keys}.items():
            for form in (secret, json.dumps(secret)[1:-1]):
                self.assertFalse(form in whole, f"{name} is in the bundle")
        self.assertIn("the last line", texts["linkpilot-support/log-1.log"])
        self.assertIn('name = "node-1"', texts["linkpilot-support/agent.toml"])
        self.assertNotIn("Not there:\n  collector", texts["linkpilot-support/README"])
        again = self.cli("support-bundle", "--out", out)
        self.assertNotEqual(again.returncode, 0)
        self.assertIn("--out names another file", again.stderr)

    def test_4_the_completion_knows_the_new_commands(self):
        script = f"""source {REPOSITORY}/tools/linkpilot/completion.bash
        COMP_WORDS=(linkpilot ''); COMP_CWORD=1; _linkpilot; echo "${{COMPREPLY[@]}}"
        COMP_WORDS=(linkpilot doctor --); COMP_CWORD=2; _linkpilot; echo "${{COMPREPLY[@]}}"
        COMP_WORDS=(linkpilot support-bundle --); COMP_CWORD=2; _linkpilot; echo "${{COMPREPLY[@]}}" """
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
        for word in ("doctor", "support-bundle", "--agent-config", "--fleet", "--out", "--log"):
            self.assertIn(word, done.stdout.split(), done.stderr)

    def test_5_each_command_of_the_handbook_works(self):
        """The fenced blocks of our sections, in order, in one shell; /etc and /var are this fleet's."""
        text = sections(read(HANDBOOK))
        script = "set -eu\n"
        count = 0
        for title in SECTIONS:
            for directive, block in re.findall(r"(?:<!-- test: (.*?) -->\n)?```bash\n(.*?)```", text[title], flags=re.S):
                count += 1
                if directive == "may say no":
                    block = f"{{ {block} }} || [ $? -eq 1 ]\n"
                elif directive == "the collector is lost":
                    # Killed is not gone: a zombie's other threads may hold its port for a while.
                    block = (f"kill -9 \"$(cat {self.fleet.root}/collector.pid)\"\n"
                             f"while ss -Hltn 'sport = :{self.fleet.port}' | grep -q .; do sleep 0.1; done\n"
                             f"rm -rf /etc/linkpilot\n{block}")
                else:
                    self.assertEqual(directive, "", directive)
                script += f"echo {shlex.quote('== ' + title)}\n{block}"
        self.assertGreater(count, 12)
        for folder in ("/etc/linkpilot", "/var/backups", "/var/tmp"):
            script = script.replace(folder, self.fleet.path(folder.lstrip("/")))
        for folder in ("var/backups", "var/tmp"):
            os.makedirs(self.fleet.path(folder), exist_ok=True)
        script = script.replace("NODE-A", "node-1").replace("NODE-B", "node-2").replace("127.0.0.1:7180", f"127.0.0.1:{self.fleet.http_port}")
        with open(self.fleet.path("collector.pid"), "w", encoding="utf-8") as file:
            file.write(str(self.fleet.collector.pid))
        # Whoever starts a collector from here on is the shell; it ends with the fleet.
        self.addCleanup(self.stop_last_collector)
        told = self.fleet.path("handbook.out")
        with open(told, "w", encoding="utf-8") as out:
            try:
                code = subprocess.run(["bash", "-x", "-c", script], stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                                      timeout=120, check=False, cwd=self.fleet.root,
                                      env={**self.environment(), "PLAYBOOKS": f"{REPOSITORY}/playbooks"}).returncode
            except subprocess.TimeoutExpired:
                code = "timeout"
        self.assertEqual(code, 0, read(told)[-2000:] + read(self.fleet.log("collector"))[-2000:])

    def stop_last_collector(self):
        if self.fleet.collector.poll() is None:
            return
        try:
            os.kill(int(read(self.fleet.path("collector.pid"))), 9)
        except (OSError, ValueError):
            pass


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[4:]], verbosity=2)
