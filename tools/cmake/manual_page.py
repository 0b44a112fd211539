#!/usr/bin/python3
"""Makes a manual page, compressed, of what a program says about itself, or of a commented default file.

  manual_page.py program OUT.gz PATH SECTION "SYNOPSIS LINE" HAND_WRITTEN VERSION
  manual_page.py config  OUT.gz FILE NAME "SYNOPSIS LINE" HAND_WRITTEN VERSION

Options and verbs come from --help, so that a page cannot fall behind; HAND_WRITTEN holds the sections
that no --help has, as roff. The date is $SOURCE_DATE_EPOCH's.
"""

import dataclasses
import gzip
import os
import pathlib
import re
import subprocess
import sys
import time


@dataclasses.dataclass
class Help:
    about: list     # lines before the usage
    usage: str
    sections: list  # (title, [(term, text)])
    footer: list


def roff(text):
    """Octets that roff would take for its own."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text.startswith((".", "'")) else text


def read_entry(line):
    """A term and its text; CLI11 puts a long term on a line of its own."""
    found = re.match(r"  (\S.*?)(?:\s{2,}(\S.*))?$", line)
    return [found.group(1), found.group(2) or ""]


def parse_help(text):
    """CLI11's form: about, Usage, sections of two-space entries, footer."""
    lines = text.rstrip().split("\n")
    at = next(number for number, line in enumerate(lines) if line.startswith("Usage: "))
    parsed = Help([line for line in lines[:at]], lines[at].removeprefix("Usage: "), [], [])
    entries = None
    for line in lines[at + 1:]:
        if re.fullmatch(r"[A-Z][\w -]*:", line):
            entries = []
            parsed.sections.append((line[:-1], entries))
        elif not line.strip():
            entries = None
            parsed.footer.append("")
        elif entries is not None and re.match(r"  \S", line):
            entries.append(read_entry(line))
        elif entries and line.startswith(" " * 8):
            entries[-1][1] = (entries[-1][1] + " " + line.strip()).strip()
        else:
            parsed.footer.append(line)
    return parsed


def ask(program, words):
    done = subprocess.run([program, *words, "--help"], capture_output=True, text=True, check=True,
                          env={**os.environ, "LC_ALL": "C"})
    return parse_help(done.stdout)


def verbatim(lines):
    text = "\n".join(lines).strip("\n")
    return [".nf", *(roff(line) for line in re.sub(r"\n{2,}", "\n\n", text).split("\n")), ".fi"] if text else []


def entries_of(parsed):
    for title, entries in parsed.sections:
        if title in ("Subcommands", "Positionals", "Options") or not entries:
            own = []
        else:
            own = [".PP", roff(title) + ":"]
        yield from own
        if title == "Subcommands":
            continue
        for term, text in entries:
            if term.startswith("-h,"):
                continue
            words = re.match(r"(-\S+(?: -\S+)*|\S+)(.*)$", term)
            yield from (".TP", f"\\fB{roff(words.group(1))}\\fR{roff(words.group(2))}", roff(text) or "\\&")


def verbs_of(parsed):
    return [term.split()[0] for title, entries in parsed.sections if title == "Subcommands"
            for term, _ in entries]


def commands(program, name, words):
    for verb in verbs_of(ask(program, words)):
        path = [*words, verb]
        parsed = ask(program, path)
        deeper = verbs_of(parsed)
        operands = re.sub(r"^.*?\[OPTIONS\] ?", "", parsed.usage)
        if not deeper:
            yield f'.SS "{roff(" ".join([name, *path, operands]).strip())}"'
            yield from verbatim(parsed.about)
            yield from entries_of(parsed)
            if any(parsed.footer):
                yield ".PP"
                yield from verbatim(parsed.footer)
        yield from commands(program, name, path)


def head(name, section, synopsis, version):
    date = time.strftime("%Y-%m-%d", time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))))
    return [f'.TH "{name}" "{section}" "{date}" "LinkPilot {version}" "LinkPilot"', ".SH NAME",
            f"{name} \\- {roff(synopsis)}"]


def program_page(program, section, synopsis, version):
    name = pathlib.Path(program).name
    parsed = ask(program, [])
    usage = parsed.usage.split(" ", 1)[1]
    yield from head(name, section, synopsis, version)
    yield from (".SH SYNOPSIS", f"\\fB{name}\\fR {roff(usage)}", ".SH DESCRIPTION")
    yield from verbatim(parsed.about)
    yield ".SH OPTIONS"
    yield from entries_of(parsed)
    if verbs_of(parsed):
        yield ".SH COMMANDS"
        yield from commands(program, name, [])


def config_page(path, name, synopsis, version):
    yield from head(name, "5", synopsis, version)
    yield ".SH DESCRIPTION"
    yield from verbatim(pathlib.Path(path).read_text(encoding="utf-8").split("\n"))


def main():
    kind, out, source, which, synopsis, more, version = sys.argv[1:]
    page = program_page if kind == "program" else config_page
    text = "\n".join(page(source, which, synopsis, version)) + "\n"
    text += pathlib.Path(more).read_text(encoding="utf-8")
    with open(out, "wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        packed.write(text.encode())


if __name__ == "__main__":
    main()
