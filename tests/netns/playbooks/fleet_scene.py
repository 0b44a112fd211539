"""What the long tests of the playbooks share: a farm of hosts, their fleet, and figures that are printed after each test."""

import json
import os
import sys
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
sys.path[:0] = [os.path.join(ROOT, "tools", "scenario")]
sys.dont_write_bytecode = True

from fleet_hosts import Farm, missing_requirements, prepare  # noqa: E402
from fleet_packages import renumber, version_of  # noqa: E402
from fleet_playbooks import Fleet  # noqa: E402

PACKAGES = os.path.abspath(os.environ.get("LINKPILOT_PACKAGES", os.path.join(ROOT, "build/package/out")))


class FleetScene(unittest.TestCase):
    """One farm for all tests of a class, which are one story: they run in the order of their numbers."""

    hosts = []  # names, the collector's first
    collector_measures = True  # whether the collector's host has an agent, too
    media = []

    @classmethod
    def setUpClass(cls):
        missing = missing_requirements()
        if missing:
            raise AssertionError("this machine lacks\n  " + "\n  ".join(missing))
        cls.version = version_of(PACKAGES)
        cls.figures = {}
        cls.farm = Farm(prepare(PACKAGES), keep=bool(os.environ.get("LINKPILOT_KEEP")))
        try:
            cls.farm.add_hosts(cls.hosts)
            agents = cls.hosts if cls.collector_measures else cls.hosts[1:]
            cls.fleet = Fleet(ROOT, cls.farm, cls.hosts[0], agents, PACKAGES, cls.media)
            cls.fleet.write_inventory()
        except BaseException:
            cls.farm.close()
            raise

    def tearDown(self):
        print(f"\n{json.dumps({type(self).__name__: self.figures})}", flush=True)

    @classmethod
    def tearDownClass(cls):
        cls.fleet.forget_api()
        cls.farm.close()

    def host(self, name):
        return self.farm.hosts[name]

    def packages(self, version, deaf=False):
        """A folder with this version of the packages."""
        folder = os.path.join(self.farm.folder, f"packages-{version}")
        return folder if os.path.isdir(folder) else renumber(PACKAGES, folder, version, deaf)

    def assert_run(self, run, code=0):
        self.assertEqual(run.code, code, run.text[-6000:])
        return run

    def assert_refused(self, run, sentence):
        self.assertNotEqual(run.code, 0, run.text[-3000:])
        self.assertIn(sentence, run.sentences, run.text[-6000:])
