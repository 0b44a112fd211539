"""An operator's fleet: hosts of fleet_hosts.py, an inventory of them, and playbooks run against it from the control
host, with what came of each run as values."""

import os
import re
import shutil
import subprocess
import time

from clients import CollectorApi
from fleet_hosts import die_with_parent

_RECAP = re.compile(r"^(\S+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)\s+skipped=(\d+)\s+"
                    r"rescued=(\d+)\s+ignored=(\d+)", re.MULTILINE)
RUN_PATIENCE_S = 1200


class PlaybookRun:
    """What a run of ansible-playbook said: exit code, text, seconds, and per host the counts of its recap."""

    def __init__(self, code, text, seconds):
        self.code, self.text, self.seconds = code, text, seconds
        names = ("ok", "changed", "unreachable", "failed", "skipped", "rescued", "ignored")
        self.hosts = {match[1]: dict(zip(names, map(int, match.groups()[1:]))) for match in _RECAP.finditer(text)}

    @property
    def changed(self):
        return sum(host["changed"] for host in self.hosts.values())

    @property
    def sentences(self):
        """The text in one line, so that a sentence that is wrapped is found."""
        return re.sub(r"\s+", " ", self.text.replace('\\"', '"'))


class Fleet:
    """`collector` and `agents` name hosts of the farm; `package_folder` is what linkpilot_package_dir says, unless
    `packages` is changed."""

    def __init__(self, source, farm, collector, agents, package_folder, media=()):
        self.farm, self.collector, self.agents, self.media = farm, collector, list(agents), list(media)
        self.packages = {"linkpilot_package_dir": package_folder}  # where a run takes them from
        self.variables = {}  # of single hosts: {"tokyo": {"linkpilot_region": "..."}}
        # A copy, as an operator has one: the inventory lies in it.
        self.playbooks = os.path.join(farm.folder, "playbooks")
        shutil.copytree(os.path.join(source, "playbooks"), self.playbooks)
        self.api = None
        self.runs = 0

    def write_inventory(self):
        def lines(names, indent):
            for name in names:
                values = {"ansible_host": self.farm.hosts[name].address, **self.variables.get(name, {})}
                yield f"{indent}{name}: {{{', '.join(f'{key}: {value}' for key, value in values.items())}}}"
        text = "\n".join([
            "all:",
            "  vars:",
            "    ansible_user: root",
            f"    ansible_ssh_private_key_file: {self.farm.key}",
            f"    ansible_ssh_common_args: -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile={self.farm.folder}/known_hosts"
            " -o ConnectTimeout=5",
            *(f"    {key}: {value}" for key, value in self.packages.items()),
            "  children:",
            "    linkpilot_collector:",
            "      hosts:", *lines([self.collector], "        "),
            "    linkpilot_agents:",
            "      hosts:", *lines(self.agents, "        "),
            "    linkpilot_media:",
            "      hosts:", *(lines(self.media, "        ") if self.media else ["        {}"]),
        ])
        with open(os.path.join(self.playbooks, "inventory.yml"), "w", encoding="utf-8") as file:
            file.write(text + "\n")

    def _environment(self):
        home = os.path.join(self.farm.folder, "ansible")
        return {**os.environ, "ANSIBLE_HOME": home, "ANSIBLE_LOCAL_TEMP": os.path.join(home, "tmp"),
                "ANSIBLE_SSH_CONTROL_PATH_DIR": os.path.join(home, "cp"), "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_NOCOWS": "1", "LC_ALL": "C.UTF-8"}

    def start(self, *arguments):
        """A run in the background; `finish` waits for it."""
        return self.start_command(["ansible-playbook", "-i", "inventory.yml", *arguments])

    def start_command(self, command):
        self.runs += 1
        log = os.path.join(self.farm.folder, f"run-{self.runs:02d}.log")
        with open(log, "w", encoding="utf-8") as file:
            process = subprocess.Popen(
                ["ip", "netns", "exec", self.farm.namespace, *command], cwd=self.playbooks, env=self._environment(),
                stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
                preexec_fn=die_with_parent)
        return process, log, time.monotonic()

    @staticmethod
    def finish(started):
        process, log, since = started
        code = process.wait(RUN_PATIENCE_S)
        with open(log, encoding="utf-8") as file:
            return PlaybookRun(code, file.read(), time.monotonic() - since)

    def play(self, *arguments):
        return self.finish(self.start(*arguments))

    def shell(self, block):
        """A block of the handbook, typed on the control host in the folder of the playbooks."""
        return self.finish(self.start_command(["bash", "-euo", "pipefail", "-c", block]))

    def ask(self, path, **query):
        """The collector's API, from its own host."""
        if self.api is None:
            self.api = CollectorApi(self.farm.hosts[self.collector].namespace)
        return self.api.get(path, **query)

    def forget_api(self):
        """After the collector's host or process was replaced."""
        if self.api:
            self.api.close()
        self.api = None

    def version(self, host, package="linkpilot-agent"):
        return self.farm.ssh(self.farm.hosts[host], f"dpkg-query -W -f '${{Version}}' {package}").stdout
