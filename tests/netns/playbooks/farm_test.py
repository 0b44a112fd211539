"""A farm of hosts whose process is killed leaves nothing that runs, and the next one clears away the rest. Long:
tools/test --long runs it before the stories that use farms."""

import os
import signal
import subprocess
import sys
import time
import unittest

from fleet_scene import PACKAGES, ROOT
from fleet_hosts import Farm, prepare

CHILD = """
import sys, time
sys.path[:0] = [{tools!r}]
from fleet_hosts import Farm, prepare
farm = Farm(prepare({packages!r}))
farm.add_hosts(["one", "two"])
print(farm.prefix, farm.folder, flush=True)
time.sleep(600)
"""


def processes_in(namespaces):
    found = []
    for name in namespaces:
        found += subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=True).stdout.split()
    return found


def names_of(prefix):
    return [name for name in os.listdir("/run/netns") if name.startswith(prefix + "-")]


class KilledFarm(unittest.TestCase):
    def test_nothing_of_a_killed_run_goes_on_and_the_next_one_removes_what_is_left(self):
        program = CHILD.format(tools=os.path.join(ROOT, "tools", "scenario"), packages=PACKAGES)
        with subprocess.Popen([sys.executable, "-B", "-c", program], stdout=subprocess.PIPE, text=True) as child:
            prefix, folder = child.stdout.readline().split()
            before = names_of(prefix), processes_in(names_of(prefix))
            child.send_signal(signal.SIGKILL)
        self.assertEqual(len(before[0]), 3)
        self.assertGreater(len(before[1]), 4)
        deadline = time.monotonic() + 10
        while processes_in(names_of(prefix)) and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertEqual(processes_in(names_of(prefix)), [])
        Farm(prepare(PACKAGES)).close()
        self.assertEqual(names_of(prefix), [])
        self.assertFalse(os.path.exists(folder))
        with open("/proc/self/mounts", encoding="utf-8") as file:
            self.assertNotIn(folder, file.read())


if __name__ == "__main__":
    unittest.main(verbosity=2)
