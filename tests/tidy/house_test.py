#!/usr/bin/python3
"""The house rules a machine can check: top level, file sizes, stray marks, headers, links in documents.

Prints each offence as file:line and exits 1 if there is any.
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

TOP_LEVEL = {
    ".ci", ".clang-format", ".clang-tidy", ".gitignore", "ARCHITECTURE.md", "CMakeLists.txt",
    "CMakePresets.json", "CONTRIBUTING.md", "LICENSE", "README.md", "agent", "base", "collector",
    "optimizer", "playbooks", "prober", "schemas", "tests", "tools",
}
SOURCE_LINES_MAX = 600
DOCUMENT_LINES_MAX = {"README.md": 120, "ARCHITECTURE.md": 250, "CONTRIBUTING.md": 80}
BANNED = [
    (re.compile(r"std::views\b"), "clang 14 cannot compile libstdc++ 12 views"),
    (re.compile(r"\bTODO(?!\((soon|perf|security|cleanup)\))"), "write TODO(kind): what"),
    (re.compile(r"\b(FIXME|XXX)\b"), "write TODO(kind): what"),
    (re.compile(r"using namespace std;"), "name what is used"),
    (re.compile(r"\bGTEST_SKIP\b|\bDISABLED_"), "a test runs or is deleted"),
    (re.compile(r"\[=\]"), "capture by name"),
]
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def tracked(*patterns):
    out = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
                         cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [line for line in out.splitlines() if (ROOT / line).exists()]


def read(path):
    return (ROOT / path).read_text(encoding="utf-8", errors="replace").splitlines()


def check_top_level(files):
    for name in sorted({path.split("/")[0] for path in files} - TOP_LEVEL):
        yield f"{name}: the top level is fixed; put it into a folder"


def check_sources():
    for path in tracked("*.h", "*.cc", "*.c"):
        lines = read(path)
        if len(lines) > SOURCE_LINES_MAX:
            yield f"{path}: {len(lines)} lines; past {SOURCE_LINES_MAX} it holds more than one concept"
        # C headers that other people include keep include guards.
        if path.endswith(".h") and not any(
                "#pragma once" in line or line.startswith("#ifndef") for line in lines[:60]):
            yield f"{path}: no #pragma once"
        if path.endswith(".h") and not lines[0].startswith(("//", "/*")):
            yield f"{path}:1: a header begins with what it is"
        for number, line in enumerate(lines, 1):
            if len(line) > 100 and "http" not in line and 'R"' not in line:
                yield f"{path}:{number}: {len(line)} columns"
            for pattern, why in BANNED:
                if pattern.search(line):
                    yield f"{path}:{number}: {pattern.search(line).group(0)}: {why}"


def check_documents():
    for path, limit in DOCUMENT_LINES_MAX.items():
        if not (ROOT / path).exists():
            yield f"{path}: missing"
        elif len(read(path)) > limit:
            yield f"{path}: {len(read(path))} lines, at most {limit}"
    for path in tracked("*.md"):
        for number, line in enumerate(read(path), 1):
            for target in LINK.findall(line):
                if not ((ROOT / path).parent / target).exists():
                    yield f"{path}:{number}: link to {target}, which is not there"


def main():
    files = tracked()
    found = [*check_top_level(files), *check_sources(), *check_documents()]
    print("\n".join(found) if found else f"house: {len(files)} files keep the rules")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
