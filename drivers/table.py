"""The matrix as a table: what each driver's program said, on the terminal and in docs/drivers.md."""

import platform
import re
import subprocess

# What each program has to say one line about, in this order.
CHECKS = ("login", "typed parameters", "100,000 rows", "error", "cancel", "transaction", "copy", "TLS modes", "wrong password")
# What each tool's program is asked instead: whether current_database() is what it was given, on two connections to one database,
# and whether it finds tables and columns there.
TOOL_CHECKS = ("names", "metadata")
# What some are asked besides.
EXTRA = ("1 GB result", "result sizes", "models", "url", "console")

BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"


class Said:
    """A program's lines, sorted: its version, the checks' results, and what is wrong with it."""

    def __init__(self, lines, wanted):
        self.version, self.skipped, self.passed, self.faults = None, {}, set(), []
        for line in lines:
            self._take(line, wanted)
        for check in wanted:
            if check not in self.passed and check not in self.skipped and not self._failed(check):
                self.faults.append(f"{check}: no word of it")
        if not self.version:
            self.faults.append("no version")

    def _take(self, line, wanted):
        word, _, rest = line.partition(" ")
        if word == "version" and rest and not self.version:
            self.version = rest
            return
        check = next((check for check in wanted if rest == check or rest.startswith(check + " ")), None)
        why = rest[len(check) + 1:] if check else ""
        if check is None or word not in ("ok", "skip", "fail") or check in self.passed or check in self.skipped:
            self.faults.append(f"unknown line: {line}")
        elif word == "ok" and not why:
            self.passed.add(check)
        elif word == "skip" and why:
            self.skipped[check] = why
        else:
            self.faults.append(f"{check}: {why or line}")

    def _failed(self, check):
        return any(fault.startswith(f"{check}: ") for fault in self.faults)


def machine():
    """What the distribution decides: named in the docs, not compared."""
    psql = subprocess.run(["psql", "--version"], capture_output=True, text=True, check=True).stdout
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    return f"{system}, psql {re.search(r'[0-9][0-9.]*', psql)[0]}"


def markdown(results):
    """A table of the drivers' (row, Said), and behind it one of the tools'."""
    drivers = [(row, said) for row, said in results if not row.is_tool]
    tools = [(row, said) for row, said in results if row.is_tool]
    tables = [one_table("driver", (*CHECKS, *EXTRA), drivers), one_table("tool", TOOL_CHECKS, tools)]
    return "\n\n".join(text for text, some in zip(tables, (drivers, tools)) if some)


def one_table(kind, checks, results):
    """With a footnote for each check that a program has no way to do."""
    columns = [check for check in checks if any(check in row.wanted for row, _ in results)]
    notes, lines = [], []
    for row, said in results:
        cells = [f"{row.name}", said.version or "?"]
        for check in columns:
            if check not in row.wanted:
                cells.append("")
            elif check in said.passed:
                cells.append("ok")
            elif check in said.skipped:
                if (note := said.skipped[check]) not in notes:
                    notes.append(note)
                cells.append(f"– ({notes.index(note) + 1})")
            else:
                cells.append("**failed**")
        lines.append(f"| {' | '.join(cells)} |")
    head = [f"| {kind} | version | {' | '.join(columns)} |", "| --- " * (len(columns) + 2) + "|"]
    foot = ["", *(f"{number}. {note}" for number, note in enumerate(notes, 1))] if notes else []
    return "\n".join([*head, *lines, *foot])


def comparable(table, unpinned):
    """The table without the versions that are the machine's."""
    kept = []
    for line in table.strip().splitlines():
        cells = line.split(" | ")
        if cells[0].removeprefix("| ") in unpinned and len(cells) > 2:
            cells[1] = "*"
        kept.append(" | ".join(cells))
    return kept


def split(page):
    """The page before the table, the table with what was said of the machine, and the page after it."""
    before, begin, rest = page.partition(f"{BEGIN}\n")
    block, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"no {BEGIN} … {END}")
    return before + begin, block, end + after


def write(path, results):
    """Puts the table into the page."""
    before, _, after = split(path.read_text(encoding="utf-8"))
    made = f"Made by `make drivers DOCS=1` on {machine()}.\n\n{markdown(results)}\n"
    path.write_text(before + made + after, encoding="utf-8")


def differences(path, results):
    """Lines of the page's table that are not this run's, and the other way round."""
    _, block, _ = split(path.read_text(encoding="utf-8"))
    unpinned = {row.name for row, _ in results if not row.pinned}
    # Without the line about the machine.
    there = comparable(block.partition("\n\n")[2], unpinned)
    here = comparable(markdown(results), unpinned)
    return [f"- {line}" for line in there if line not in here] + [f"+ {line}" for line in here if line not in there]
