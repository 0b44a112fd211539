"""Debian hosts of this machine, as an operator meets them: each a root of its own with systemd and sshd, in a
network namespace of its own, on one bridge. What Ansible can do to a rented machine it can do to these.

A root is made once by debootstrap and kept; each host is a layer over it that goes with the run. Hosts reach
nothing but each other, the control host (the bridge's namespace) and the Debian packages served there.

    sudo python3 tools/scenario/fleet_hosts.py prepare PACKAGES    makes the root, or says that it is there
"""

import ctypes
import gzip
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SUITE = "bookworm"
CACHE = os.environ.get("LINKPILOT_ROOTS", "/var/cache/linkpilot/roots")
# What a rented machine comes with. Python is not among it: a playbook has to bring it.
ROOT_PACKAGES = ["openssh-server", "systemd-sysv", "iproute2", "procps"]
HTTP_PORT = 8000
PATIENCE_S = 60.0
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class HostError(Exception):
    """Something of the machine's did not work; the text says what."""


def run(*command, patience_s=60, **options):
    """Runs a program, its output as text; HostError with what it said when it fails."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                          timeout=patience_s, **options)
    if done.returncode != 0:
        raise HostError(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


def mirror():
    """Where this machine has Debian itself from."""
    form = "$(REPO_URI) $(CODENAME) $(RELEASE) $(COMPONENT)"
    for line in run("apt-get", "indextargets", "--format", form, "Created-By: Packages").splitlines():
        words = line.split()
        if len(words) == 4 and SUITE in words[1:3] and words[3] == "main":
            return words[0]
    raise HostError(f"no apt source of this machine has {SUITE} main")


def _root(packages_key):
    return os.path.join(CACHE, f"{SUITE}-{packages_key}")


def dependencies(package_folder):
    """What the packages under test need of Debian, by their own word."""
    wanted = {"python3"}
    for name in sorted(os.listdir(package_folder)):
        if not name.endswith(".deb"):
            continue
        said = run("dpkg-deb", "-f", os.path.join(package_folder, name), "Depends", "Pre-Depends")
        for term in re.split(r"[,\n]", said):
            found = re.match(r"(?:(?:Pre-)?Depends:)?\s*([a-z0-9][a-z0-9+.-]*)", term)
            if found and "linkpilot" not in found[1]:
                wanted.add(found[1])
    return sorted(wanted)


def prepare(package_folder):
    """The folder of the root, with all of Debian that a run needs beside it; makes it unless it is there."""
    wanted = dependencies(package_folder)
    key = hashlib.sha256(" ".join(ROOT_PACKAGES + wanted).encode()).hexdigest()[:12]
    folder = _root(key)
    if os.path.exists(os.path.join(folder, "complete")):
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    root, pool = os.path.join(folder, "root"), os.path.join(folder, "pool")
    os.makedirs(pool)
    run("debootstrap", "--variant=minbase", f"--include={','.join(ROOT_PACKAGES)}", SUITE, root, mirror(), patience_s=1800)
    shutil.copy("/etc/resolv.conf", os.path.join(root, "etc/resolv.conf"))
    inside = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run("chroot", root, "apt-get", "update", "-q", patience_s=300, env=inside)
    run("chroot", root, "apt-get", "clean", env=inside)
    run("chroot", root, "apt-get", "install", "-q", "-y", "--no-install-recommends", "--download-only", *wanted,
        patience_s=900, env=inside)
    archives = os.path.join(root, "var/cache/apt/archives")
    for name in os.listdir(archives):
        if name.endswith(".deb"):
            shutil.move(os.path.join(archives, name), pool)
    with gzip.open(os.path.join(pool, "Packages.gz"), "wt") as index:
        for name in sorted(os.listdir(pool)):
            if name.endswith(".deb"):
                index.write(index_entry(pool, name))
    shutil.rmtree(os.path.join(root, "var/lib/apt/lists"))
    os.makedirs(os.path.join(root, "var/lib/apt/lists/partial"))
    for name in ("etc/machine-id", "etc/resolv.conf", "etc/hostname"):
        with open(os.path.join(root, name), "w", encoding="ascii"):
            pass
    with open(os.path.join(folder, "complete"), "w", encoding="ascii") as file:
        file.write(" ".join(wanted) + "\n")
    return folder


def index_entry(pool, name):
    """One paragraph of a repository's index."""
    path = os.path.join(pool, name)
    with open(path, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    control = run("dpkg-deb", "-f", path).rstrip()
    return f"{control}\nFilename: ./{name}\nSize: {os.path.getsize(path)}\nSHA256: {digest}\n\n"


def die_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


# A machine's processes are not its nspawn's children: whoever kills that one leaves systemd and all it runs behind.
# So each machine lives in a process namespace of its own: when its first process goes, the kernel ends the rest
# (pid_namespaces(7)), and that first process ends with this one, however this one ends.
_IN_A_NAMESPACE_OF_ITS_OWN = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child=SIGKILL"]


class Host:
    """One machine: `name`, `address`, `namespace`."""

    def __init__(self, farm, name, number, disk_mib):
        self.farm, self.name = farm, name
        self.address = f"{farm.network}.{number}"
        self.namespace = f"{farm.prefix}-{number}"
        self.folder = os.path.join(farm.folder, name)
        self.root = os.path.join(self.folder, "root")
        self._machine = None
        os.makedirs(self.root)
        layer = os.path.join(self.folder, "layer")
        os.makedirs(layer)
        self._mounts = []
        if disk_mib:
            run("mount", "-t", "tmpfs", "-o", f"size={disk_mib}m", "tmpfs", layer)
            self._mounts.append(layer)
        for part in ("upper", "work"):
            os.mkdir(os.path.join(layer, part))
        run("mount", "-t", "overlay", "overlay", "-o",
            f"lowerdir={farm.base}/root,upperdir={layer}/upper,workdir={layer}/work", self.root)
        self._mounts.append(self.root)
        self._wire(number)
        self._settle()

    def _wire(self, number):
        control, inside = self.farm.namespace, self.namespace
        run("ip", "netns", "add", inside)
        run("ip", "-n", control, "link", "add", f"host{number}", "type", "veth", "peer", "name", "eth0", "netns", inside)
        run("ip", "-n", control, "link", "set", f"host{number}", "master", "bridge", "up")
        run("ip", "-n", inside, "link", "set", "lo", "up")
        run("ip", "-n", inside, "address", "add", f"{self.address}/24", "dev", "eth0")
        run("ip", "-n", inside, "link", "set", "eth0", "up")
        run("ip", "-n", inside, "route", "add", "default", "via", self.farm.address)

    def _settle(self):
        """What a provider writes into a machine before it is handed over: name, SSH key, package source."""
        self.write("etc/hostname", f"{self.name}\n")
        self.write("etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {self.name}\n")
        self.write("etc/apt/sources.list", f"deb [trusted=yes] http://{self.farm.address}:{HTTP_PORT} ./\n")
        os.makedirs(os.path.join(self.root, "root/.ssh"), mode=0o700, exist_ok=True)
        shutil.copy(self.farm.key + ".pub", os.path.join(self.root, "root/.ssh/authorized_keys"))

    def write(self, path, text):
        with open(os.path.join(self.root, path), "w", encoding="utf-8") as file:
            file.write(text)

    def start(self):
        """Boots; `wait` sees it through."""
        unit = [] if os.path.isdir("/run/systemd/system") else ["--keep-unit"]
        with open(os.path.join(self.folder, "console.log"), "ab") as log:
            self._machine = subprocess.Popen(
                [*_IN_A_NAMESPACE_OF_ITS_OWN, "systemd-nspawn", "--quiet", "--register=no", *unit, "--boot", f"--directory={self.root}",
                 f"--machine={self.namespace}", f"--hostname={self.name}", "--resolv-conf=off", "--timezone=off",
                 "--link-journal=no", "--console=pipe", f"--network-namespace-path=/run/netns/{self.namespace}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, preexec_fn=die_with_parent)

    def wait(self):
        deadline = time.monotonic() + PATIENCE_S
        while True:
            done = self.farm.ssh(self, "true", check=False)
            if done.returncode == 0:
                return
            if self._machine.poll() is not None or time.monotonic() > deadline:
                raise HostError(f"{self.name} did not come up: {done.stderr}; its console: {self.folder}/console.log")
            time.sleep(0.3)

    def cut_power(self):
        """Off, at once; `start` boots it again with the same disk."""
        if self._machine:
            self._machine.kill()
            self._machine.wait()
            self._machine = None

    def remove(self):
        self.cut_power()
        for mount in reversed(self._mounts):
            for _ in range(50):  # the last processes of a machine go a moment after it
                if subprocess.run(["umount", mount], capture_output=True, check=False).returncode == 0:
                    break
                time.sleep(0.1)
            else:
                subprocess.run(["umount", "--lazy", mount], capture_output=True, check=False)
        remove_namespace(self.namespace)


class Farm:
    """The control host and the hosts beside it."""

    def __init__(self, base, keep=False):
        self.base, self.keep = base, keep
        self.prefix = f"lf{os.getpid():x}"
        self.namespace = f"{self.prefix}-0"
        self.network = "10.77.0"
        self.address = f"{self.network}.1"
        _clean_leftovers()
        self.folder = tempfile.mkdtemp(prefix=_FOLDER_PREFIX, dir=_FOLDERS)
        with open(os.path.join(self.folder, _OWNER), "w", encoding="ascii") as file:
            file.write(_identity(os.getpid()))
        self.key = os.path.join(self.folder, "operator")
        self.hosts = {}
        self._server = None
        self._inotify_before = _raise_inotify_limit()
        run("ip", "netns", "add", self.namespace)
        run("ip", "-n", self.namespace, "link", "set", "lo", "up")
        run("ip", "-n", self.namespace, "link", "add", "bridge", "type", "bridge")
        run("ip", "-n", self.namespace, "address", "add", f"{self.address}/24", "dev", "bridge")
        run("ip", "-n", self.namespace, "link", "set", "bridge", "up")
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key)
        self._server = self.start_here(
            [sys.executable, "-m", "http.server", "--directory", os.path.join(base, "pool"), str(HTTP_PORT)], "http.log")

    def start_here(self, command, log_name, **options):
        """A program on the control host; it ends with this process."""
        with open(os.path.join(self.folder, log_name), "ab") as log:
            return subprocess.Popen(["ip", "netns", "exec", self.namespace, *command], stdin=subprocess.DEVNULL,
                                    stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
                                    preexec_fn=die_with_parent, **options)

    def add_hosts(self, names, disk_mib=0):
        """Boots them side by side."""
        fresh = []
        for name in names:
            self.hosts[name] = Host(self, name, len(self.hosts) + 11, disk_mib)
            fresh.append(self.hosts[name])
            self.hosts[name].start()
        for host in fresh:
            host.wait()
        return fresh

    def ssh_options(self):
        return ["-i", self.key, "-o", "StrictHostKeyChecking=accept-new", "-o", "ConnectTimeout=5", "-o",
                f"UserKnownHostsFile={self.folder}/known_hosts", "-o", "LogLevel=ERROR"]

    def ssh(self, host, command, check=True, patience_s=60):
        """A command on a host, as root."""
        done = subprocess.run(
            ["ip", "netns", "exec", self.namespace, "ssh", *self.ssh_options(), f"root@{host.address}", command],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=patience_s)
        if check and done.returncode != 0:
            raise HostError(f"{host.name}: {command}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def close(self):
        for host in self.hosts.values():
            host.cut_power()
        for host in self.hosts.values():
            host.remove()
        if self._server:
            self._server.kill()
            self._server.wait()
        subprocess.run(["ip", "netns", "delete", self.namespace], capture_output=True, check=False)
        _set_inotify_limit(self._inotify_before)
        if self.keep:
            os.unlink(os.path.join(self.folder, _OWNER))
        else:
            shutil.rmtree(self.folder, ignore_errors=True)


_FOLDERS, _FOLDER_PREFIX, _OWNER = "/var/tmp", "linkpilot-fleet-", "owner"


def _identity(pid):
    """Number and start time of a process, which no other process has; "" if there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return f"{pid} {file.read().rpartition(')')[2].split()[19]}"
    except FileNotFoundError:
        return ""


def _mounts_below(folder):
    with open("/proc/self/mounts", encoding="utf-8", errors="replace") as file:
        mounts = [line.split()[1] for line in file]
    return [mount for mount in reversed(mounts) if mount.startswith(folder + "/")]


def _clean_leftovers():
    """What runs that were killed left: their processes, namespaces, mounts and folders."""
    names = os.listdir("/run/netns") if os.path.isdir("/run/netns") else []
    for name in os.listdir(_FOLDERS):
        owner = os.path.join(_FOLDERS, name, _OWNER)
        if not name.startswith(_FOLDER_PREFIX) or not os.path.exists(owner):
            continue
        with open(owner, encoding="ascii") as file:
            identity = file.read()
        pid = identity.partition(" ")[0] or "0"
        if _identity(pid) == identity:
            continue
        for namespace in [each for each in names if each.startswith(f"lf{int(pid):x}-")]:
            remove_namespace(namespace)
        for mount in _mounts_below(os.path.join(_FOLDERS, name)):
            if subprocess.run(["umount", mount], capture_output=True, check=False).returncode != 0:
                subprocess.run(["umount", "--lazy", mount], capture_output=True, check=False)
        shutil.rmtree(os.path.join(_FOLDERS, name), ignore_errors=True)


def remove_namespace(name):
    """Ends what runs in a network namespace, too."""
    said = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=False)
    for pid in said.stdout.split():
        try:
            os.kill(int(pid), signal.SIGKILL)
        except ProcessLookupError:
            pass
    subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


# Each systemd takes about a dozen, and all hosts' root is one user to the kernel.
_INOTIFY_LIMIT = "/proc/sys/fs/inotify/max_user_instances"
_INOTIFY_WANTED = 1024


def _set_inotify_limit(number):
    with open(_INOTIFY_LIMIT, "w", encoding="ascii") as file:
        file.write(str(number))


def _raise_inotify_limit():
    with open(_INOTIFY_LIMIT, encoding="ascii") as file:
        before = int(file.read())
    if before < _INOTIFY_WANTED:
        _set_inotify_limit(_INOTIFY_WANTED)
    return before


def missing_requirements():
    """Everything that this machine lacks, one sentence each."""
    missing = []
    if os.geteuid() != 0:
        missing.append("root: hosts are mounted and booted; run with sudo")
    for program in ("debootstrap", "systemd-nspawn", "ansible-playbook", "ssh-keygen", "ip", "dpkg-deb"):
        if not shutil.which(program):
            missing.append(f"{program}: run tools/setup --fleet")
    return missing


def main():
    if len(sys.argv) != 3 or sys.argv[1] != "prepare":
        print(__doc__, file=sys.stderr)
        return 2
    print(prepare(sys.argv[2]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
