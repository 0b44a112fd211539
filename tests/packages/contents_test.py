#!/usr/bin/python3
"""What the packages hold, checked on the tree that was just built: files, units, scripts, manual pages.

usage: contents_test.py BUILD_DIR SOURCE_DIR; needs systemd-analyze, dash and the target package_contents.
"""

import gzip
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

BUILD, SOURCE = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
EXPOSURE_MAX = 2.0
DAEMONS = {"agent": "linkpilot-agent", "collector": "linkpilot-collector"}
PACKAGES = {**DAEMONS, "cli": "linkpilot", "routes": "liblinkpilot-routes0",
            "routes_dev": "liblinkpilot-routes-dev"}
DOCUMENTS = ("usr/share/doc/{0}/changelog.gz", "usr/share/doc/{0}/copyright")
DAEMON_FILES = (
    "etc/default/{0}", "etc/init.d/{0}", "etc/logrotate.d/{0}", "lib/systemd/system/{0}.service",
    "usr/bin/{0}", "usr/share/doc/{0}/README.Debian", "usr/share/doc/{0}/examples/{1}.toml",
    "usr/share/man/man5/{0}.toml.5.gz", "usr/share/man/man8/{0}.8.gz")
LIBRARY_FILES = {
    "routes": ("LIB/liblinkpilot-routes.so.0", "LIB/liblinkpilot-routes.so.VERSION",
               "LIB/liblinkpilot-routes-sync.so.0", "LIB/liblinkpilot-routes-sync.so.VERSION",
               "usr/share/lintian/overrides/liblinkpilot-routes0"),
    "routes_dev": ("LIB/liblinkpilot-routes.so", "LIB/liblinkpilot-routes.a", "LIB/liblinkpilot-routes-sync.so",
                   "LIB/pkgconfig/linkpilot-routes.pc", "LIB/pkgconfig/linkpilot-routes-sync.pc",
                   "LIB/cmake/linkpilot-routes/linkpilot-routes-config.cmake",
                   "LIB/cmake/linkpilot-routes/linkpilot-routes-config-TYPE.cmake",
                   "LIB/cmake/linkpilot-routes/linkpilot-routes-config-version.cmake",
                   "usr/include/linkpilot/linkpilot_routes.h", "usr/include/linkpilot/route_file.h",
                   "usr/include/linkpilot/route_sync.h",
                   "usr/share/doc/liblinkpilot-routes-dev/examples/route_lookup.c"),
}


def run(*command, **options):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False,
                          **options)


def setting(name):
    text = (BUILD / "CMakeCache.txt").read_text(encoding="utf-8")
    return re.search(rf"^{name}:\w+=(.*)$", text, re.M).group(1)


def options_of(program, words=()):
    """Every (words, option) that --help names, in all verbs."""
    text = run(program, *words, "--help").stdout
    for line in text.split("\n"):
        if re.match(r"  -", line):
            yield from ((words, name) for name in re.findall(r"(?<![\w-])--?[a-z0-9][a-z0-9-]*", line.split("  ")[1]))
    verbs = text.partition("\nSubcommands:\n")[2].partition("\n\n")[0]
    for verb in re.findall(r"^  (\S+)", verbs, re.M):
        yield from options_of(program, (*words, verb))


class Contents(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="lp-contents-")
        cls.roots = {}
        for component in PACKAGES:
            root = cls.roots[component] = pathlib.Path(cls.folder.name) / component
            done = run("cmake", "--install", BUILD, "--component", component, "--prefix", "/usr",
                       env={**os.environ, "DESTDIR": str(root)})
            if done.returncode:
                raise RuntimeError(done.stdout + done.stderr)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def wanted(self, component):
        package = PACKAGES[component]
        version = setting("LINKPILOT_VERSION")
        library = "usr/" + next(path.parent for path in (self.roots["routes"] / "usr").rglob("*.so.0")).relative_to(
            self.roots["routes"] / "usr").as_posix()
        files = [*DOCUMENTS]
        if component in DAEMONS:
            files += DAEMON_FILES
        elif component == "cli":
            files += ["usr/bin/linkpilot", "usr/share/bash-completion/completions/linkpilot",
                      "usr/share/man/man1/linkpilot.1.gz"]
        else:
            files += LIBRARY_FILES[component]
        kind = setting("CMAKE_BUILD_TYPE").lower()
        return sorted(file.format(package, component).replace("LIB", library).replace("TYPE", kind).replace(
            "VERSION", "0." + version.split(".", 1)[1]) for file in files)

    def test_each_package_holds_its_files_and_no_others(self):
        for component, root in self.roots.items():
            with self.subTest(component):
                found = sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir())
                self.assertEqual(self.wanted(component), found)

    def test_an_install_without_a_component_touches_nothing_outside_its_prefix(self):
        with tempfile.TemporaryDirectory(prefix="lp-plain-") as root:
            done = run("cmake", "--install", BUILD, "--prefix", "/usr/local", env={**os.environ, "DESTDIR": root})
            self.assertEqual(0, done.returncode, done.stderr)
            self.assertEqual(["usr"], sorted(os.listdir(root)))
            self.assertEqual(["local"], sorted(os.listdir(pathlib.Path(root) / "usr")))

    def test_what_lies_in_etc_is_a_conffile(self):
        for component, package in DAEMONS.items():
            listed = (BUILD / "packages" / package / "conffiles").read_text(encoding="utf-8").split()
            found = sorted("/" + str(path.relative_to(self.roots[component]))
                           for path in (self.roots[component] / "etc").rglob("*") if path.is_file())
            self.assertEqual(sorted(listed), found)

    def test_no_template_word_is_left_in_a_script(self):
        for component, package in DAEMONS.items():
            scripts = [BUILD / "packages" / package / name for name in ("postinst", "prerm", "postrm")]
            for script in [*scripts, self.roots[component] / "etc/init.d" / package]:
                self.assertNotRegex(script.read_text(encoding="utf-8"), r"@[A-Z_]+@", script)
                self.assertEqual("", run("dash", "-n", script).stderr)
                self.assertEqual("", run("shellcheck", "-e", "SC1091", script).stdout)

    def test_units_are_verified_and_exposed_no_more_than_their_bound(self):
        for component, package in DAEMONS.items():
            unit = pathlib.Path(self.folder.name) / f"{package}.service"
            installed = self.roots[component] / f"lib/systemd/system/{package}.service"
            unit.write_text(installed.read_text(encoding="utf-8").replace(
                "/usr/bin/", f"{self.roots[component]}/usr/bin/"), encoding="utf-8")
            done = run("systemd-analyze", "verify", "--man=no", unit)
            self.assertEqual([], [line for line in done.stderr.split("\n") if "linkpilot" in line])
            done = run("systemd-analyze", "security", "--offline=true", "--no-pager", unit)
            exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
            self.assertIsNotNone(exposure, done.stdout + done.stderr)
            self.assertLessEqual(float(exposure.group(1)), EXPOSURE_MAX)

    def test_units_give_capabilities_to_nobody_and_have_a_watchdog(self):
        for component, package in DAEMONS.items():
            unit = (self.roots[component] / f"lib/systemd/system/{package}.service").read_text(encoding="utf-8")
            self.assertEqual(["CapabilityBoundingSet=", "AmbientCapabilities="],
                             re.findall(r"^(?:CapabilityBoundingSet|AmbientCapabilities)=.*$", unit, re.M))
            for line in ("Type=notify", "Restart=always", f"ConditionPathExists=/etc/linkpilot/{component}.toml"):
                self.assertIn(f"\n{line}\n", unit)
            self.assertRegex(unit, r"\nWatchdogSec=\d+\n")

    def test_manual_pages_name_every_option(self):
        for page, component, program in (("man8/linkpilot-agent.8", "agent", "linkpilot-agent"),
                                         ("man8/linkpilot-collector.8", "collector", "linkpilot-collector"),
                                         ("man1/linkpilot.1", "cli", "linkpilot")):
            text = gzip.open(self.roots[component] / f"usr/share/man/{page}.gz", "rt").read()
            text = re.sub(r"\\f[BR]|\\", "", text)
            found = set(options_of(self.roots[component] / "usr/bin" / program))
            self.assertGreater(len(found), 2)
            for words, option in found:
                if option in ("-h", "--help"):
                    continue
                part = text
                if words:
                    heading = f'.SS "linkpilot {" ".join(words)}'
                    self.assertIn(heading, text)
                    part = text.partition(heading)[2].partition(".SS ")[0]
                self.assertRegex(part, rf"(?<![\w-]){option}(?![\w-])", f"{program} {' '.join(words)}")

    def test_programs_and_packages_have_one_version(self):
        for component, program in (*DAEMONS.items(), ("cli", "linkpilot")):
            done = run(self.roots[component] / "usr/bin" / program, "--version")
            self.assertEqual(f"{program} {setting('LINKPILOT_VERSION')}\n", done.stdout)

    def test_the_example_needs_no_privileged_port(self):
        text = (self.roots["agent"] / "usr/share/doc/linkpilot-agent/examples/agent.toml").read_text(encoding="utf-8")
        self.assertGreaterEqual(int(re.search(r"^stamp_port = (\d+)$", text, re.M).group(1)), 1024)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
