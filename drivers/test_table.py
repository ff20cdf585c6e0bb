"""What the runner makes of a program's lines, and of a page that says otherwise."""

import tempfile
import unittest
from dataclasses import dataclass
from pathlib import Path

import table

WANTED = ("login", "copy")


@dataclass
class Row:
    name: str
    wanted: tuple = WANTED
    pinned: bool = True
    is_tool: bool = False


def said(*lines):
    return table.Said(lines, WANTED)


class Lines(unittest.TestCase):
    def test_every_check_once_is_no_fault(self):
        told = said("version 1.2", "ok login", "skip copy has none")
        self.assertEqual((told.version, told.passed, told.skipped, told.faults), ("1.2", {"login"}, {"copy": "has none"}, []))

    def test_what_is_left_out_is_a_fault(self):
        self.assertEqual(said("version 1", "ok login").faults, ["copy: no word of it"])
        self.assertEqual(said("ok login", "ok copy").faults, ["no version"])

    def test_a_failure_is_told_once(self):
        self.assertEqual(said("version 1", "ok login", "fail copy 3 lines").faults, ["copy: 3 lines"])

    def test_what_is_not_known_is_a_fault(self):
        for line in ("ok cancel", "hello", "ok", "okay login", "ok login", "version 2", "ok logins"):
            with self.subTest(line):
                self.assertEqual(said("version 1", "ok login", "ok copy", line).faults, [f"unknown line: {line}"])

    def test_a_skip_needs_its_reason(self):
        self.assertEqual(said("version 1", "ok login", "skip copy").faults, ["copy: skip copy"])


class Page(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.page = Path(folder.name) / "drivers.md"
        self.page.write_text(f"before\n{table.BEGIN}\n{table.END}\nafter\n")

    @staticmethod
    def results(*, version="1", copy="ok copy"):
        return [
            (Row("one"), said(f"version {version}", "ok login", "ok copy")),
            (Row("two", pinned=False), said(f"version {version}", "ok login", copy)),
        ]

    def test_what_was_written_does_not_differ(self):
        results = self.results(copy="skip copy has none")
        table.write(self.page, results)
        self.assertEqual(table.differences(self.page, results), [])
        text = self.page.read_text()
        table.write(self.page, results)
        self.assertEqual(self.page.read_text(), text)
        self.assertTrue(text.startswith("before\n") and text.endswith("\nafter\n"))
        self.assertIn("| two | 1 | ok | – (1) |", text)
        self.assertIn("\n1. has none\n", text)

    def test_another_result_differs(self):
        table.write(self.page, self.results())
        found = table.differences(self.page, self.results(copy="skip copy has none"))
        self.assertEqual(found, ["- | two | * | ok | ok |", "+ | two | * | ok | – (1) |", "+ ", "+ 1. has none"])

    def test_only_pinned_versions_are_compared(self):
        table.write(self.page, self.results())
        self.assertEqual(table.differences(self.page, self.results(version="2")),
                         ["- | one | 1 | ok | ok |", "+ | one | 2 | ok | ok |"])

    def test_a_driver_more_or_less_differs(self):
        table.write(self.page, self.results())
        self.assertEqual(table.differences(self.page, self.results()[:1]), ["- | two | 1 | ok | ok |"])


if __name__ == "__main__":
    unittest.main()
