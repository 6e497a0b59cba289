"""Does the runner count honestly? A test that crashed, hung or never ran has to show as failed."""

import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

import mutants
import suites


class Run(unittest.TestCase):
    def run_python(self, code, timeout_s=20):
        with tempfile.TemporaryDirectory() as folder:
            return suites.run([sys.executable, "-c", code], folder + "/log", timeout_s, os.environ)

    def test_success_and_exit_code(self):
        self.assertEqual(self.run_python("pass"), (None, None))
        self.assertEqual(self.run_python("raise SystemExit(3)"), ("exit code 3", None))

    def test_a_program_that_hangs_is_ended(self):
        problem, left = self.run_python("import time; time.sleep(1000)", timeout_s=1)
        self.assertEqual((problem, left), ("not done after 1 s", None))

    def test_a_process_left_running_is_found_and_ended(self):
        code = "import subprocess as s; s.Popen(['sleep', '1000'], start_new_session=True)"
        self.assertEqual(self.run_python(code), (None, "left running: sleep 1000"))
        self.assertEqual(self.run_python("pass"), (None, None))

    def test_an_orphan_that_ends_meanwhile_is_reaped(self):
        code = """if 1:
            import os, subprocess, time
            shell = ['sh', '-c', 'sleep 0.05 >/dev/null & echo $!']
            pid = int(subprocess.run(shell, capture_output=True).stdout)
            end = time.monotonic() + 10
            while time.monotonic() < end:
                try: os.kill(pid, 0)
                except ProcessLookupError: raise SystemExit(0)
                time.sleep(0.01)
            raise SystemExit(1)
        """
        self.assertEqual(self.run_python(code), (None, None))


    def test_an_interrupt_ends_what_runs(self):
        code = """if 1:
            import os, signal, sys, threading
            sys.path.insert(0, 'tools/dev')
            import suites
            suites.become_reaper()
            threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()
            command = ['sh', '-c', 'sleep 1000 & sleep 1000']
            suites.run(command, sys.argv[1] + '/log', 60, os.environ)
        """
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-B", "-c", code, folder]
            result = suites.run(command, folder + "/outer", 30, os.environ)
        self.assertEqual(result, ("exit code 143", None))


class GoogleTest(unittest.TestCase):
    def count(self, cases, ctest_passed):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            if cases is not None:
                json.dump({"testsuites": [{"testsuite": cases}]}, file)
                file.flush()
            count = suites.count_googletest("unit/x", file.name, ctest_passed)
        return count.passed, count.failed, count.skipped

    def case(self, name, result="COMPLETED", **more):
        return {"classname": "A", "name": name, "result": result, **more}

    def test_cases_are_counted_one_by_one(self):
        cases = [self.case("a"), self.case("b", "SKIPPED"), self.case("c", failures=[{}])]
        self.assertEqual(self.count(cases, False), (1, ["unit/x A.c"], 1))
        cases = [self.case("a"), self.case("b", "SUPPRESSED")]  # filtered out, or disabled
        self.assertEqual(self.count(cases, True), (1, [], 0))

    def test_a_crash_leaves_no_report_and_has_failed(self):
        self.assertEqual(self.count(None, False), (0, ["unit/x"], 0))

    def test_a_leak_after_the_last_case_has_failed(self):
        counted = self.count([self.case("a")], False)
        self.assertEqual(counted, (1, ["unit/x (after its last case)"], 0))

    def test_no_case_at_all_has_failed(self):
        self.assertEqual(self.count([], True), (0, ["unit/x ran no test"], 0))


class Tap(unittest.TestCase):
    def test_counts_and_names(self):
        text = (
            "ok 1 - fine\n    not ok 1 - inner\nnot ok 2 - outer\nok 3 - later # SKIP\n"
            "# tests 4\n# pass 1\n# fail 2\n# cancelled 0\n# skipped 1\n# todo 0\n"
        )
        count = suites.count_tap("api", text)
        self.assertEqual((count.passed, count.failed, count.skipped), (1, ["inner", "outer"], 1))

    def test_a_failure_without_a_name_counts(self):
        self.assertEqual(suites.count_tap("api", "# pass 1\n# fail 1\n").failed, ["api: unnamed"])


class Headers(unittest.TestCase):
    def test_only_the_first_include_proves_a_header(self):
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            os.makedirs("src/a")
            sources = {"first.cc": '// c\n#include "a/first.h"\n#include <b>\n',
                       "late.cc": '#include <b>\n#include "a/late.h"\n',
                       "test_test.cc": '#include "a/test.h"\n'}
            for name, text in sources.items():
                pathlib.Path("src/a", name).write_text(text, "utf-8")
            names = ("first", "late", "test", "alone")
            proven = [suites.proven_by_its_source(f"src/a/{name}.h") for name in names]
        self.assertEqual(proven, [True, False, True, False])


class Mutants(unittest.TestCase):
    head = "why: w\nfile: src/a.cc\ntest: unit/a\nfilter: A.b:A.c\n---\n"

    def parse(self, text):
        with tempfile.TemporaryDirectory() as folder:
            path = folder + "/early.mutant"
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            return mutants.parse(path)

    def test_parse(self):
        mutant = self.parse(self.head + "    old();\n===\n    new();\n    more();\n")
        self.assertEqual((mutant.name, mutant.file, mutant.test), ("early", "src/a.cc", "unit/a"))
        self.assertEqual(mutant.changes, [("    old();", "    new();\n    more();")])
        self.assertEqual(mutant.patterns, ["A.b", "A.c"])
        text = self.head.replace("unit/a", "tests/a.test.mjs").replace("A.b:A.c", "a: b")
        mutant = self.parse(text + "old\n===\n\n---\na\n===\nb\n")
        self.assertEqual(mutant.patterns, ["a: b"])
        self.assertEqual(mutant.changes, [("old", ""), ("a", "b")])

    def test_what_is_no_mutant_is_refused(self):
        for line in ("why: w\n", "file: src/a.cc\n", "test: unit/a\n", "filter: A.b:A.c\n"):
            with self.assertRaises(ValueError):
                self.parse(self.head.replace(line, "") + "old\n===\nnew\n")
        with self.assertRaises(ValueError):
            self.parse(self.head + "old\n")

    def test_only_what_the_test_needs_is_built(self):
        targets = [mutants.targets_of(test) for test in ("unit/a", "db/a", "tests/api/a.test.mjs")]
        self.assertEqual(targets, [["a_test"], ["db_a_test"], ["holdfast", "test_clock"]])

    def test_the_copy_follows_the_tree(self):
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            for path in ("src/a.cc", "src/b/c.cc", "tests/a.mjs", "tests/node_modules/x/index.js"):
                os.makedirs(os.path.dirname(path), exist_ok=True)
                pathlib.Path(path).write_text(path, "utf-8")
            mutants._copy_tree()
            unchanged, changed = pathlib.Path(mutants.COPY, "src/a.cc"), "src/b/c.cc"
            os.utime(unchanged, (1, 1))
            pathlib.Path(mutants.COPY, changed).write_text("mutated", "utf-8")
            pathlib.Path(mutants.COPY, "src/gone.cc").write_text("", "utf-8")
            mutants._copy_tree()
            self.assertEqual(unchanged.stat().st_mtime, 1)
            self.assertEqual(pathlib.Path(mutants.COPY, changed).read_text("utf-8"), changed)
            self.assertFalse(os.path.exists(mutants.COPY + "/src/gone.cc"))
            self.assertTrue(os.path.exists(mutants.COPY + "/tests/node_modules/x/index.js"))
            self.assertTrue(os.path.exists("tests/node_modules/x/index.js"))

    def attempt(self, passes, failure="exit code 8"):
        """Tries `old` -> `new` in src/a.cc with runs that pass where passes(text, pattern)."""
        runs = []

        def problem(_, pattern, __, timeout_s):
            text = pathlib.Path(mutants.COPY, "src/a.cc").read_text("utf-8")
            runs.append((text, pattern, timeout_s))
            return None if passes(text, pattern) else failure

        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            os.makedirs(mutants.COPY + "/src")
            path = pathlib.Path(mutants.COPY, "src/a.cc")
            path.write_text("old", "utf-8")
            with mock.patch.object(mutants, "_problem", problem), \
                 mock.patch.object(mutants, "_build", lambda *_: True):
                mutant = self.parse(self.head + "old\n===\nnew\n")
                noticed = []
                result = mutants._try(mutant, mutants.Healthy(), "log", noticed)
            self.assertEqual(path.read_text("utf-8"), "old")
        return result, runs, noticed

    def test_each_pattern_must_notice_and_a_hang_is_cut_short(self):
        result, runs, noticed = self.attempt(lambda text, pattern: text == "old", "not done")
        self.assertIsNone(result)
        self.assertEqual(noticed, ["A.b (not done)", "A.c (not done)"])
        self.assertEqual([run[:2] for run in runs],
                         [("old", "A.b"), ("old", "A.c"), ("new", "A.b"), ("new", "A.c")])
        self.assertEqual([run[2] for run in runs],
                         [mutants.TIMEOUT_S] * 2 + [mutants.PATIENCE_S] * 2)

    def test_a_pattern_that_does_not_notice_is_named(self):
        result, _, noticed = self.attempt(lambda text, pattern: text == "old" or pattern == "A.c")
        self.assertEqual(noticed, ["A.b"])
        self.assertEqual(result, "unit/a A.c does not notice")

    def test_a_test_that_fails_anyway_notices_nothing(self):
        result, runs, _ = self.attempt(lambda text, pattern: False)
        self.assertEqual(result, "unit/a A.b fails without it")
        self.assertEqual(len(runs), 1)

    def test_the_documentation_lists_them_all(self):
        rows = {}
        for line in pathlib.Path("docs/mutants.md").read_text("utf-8").splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if line.startswith("| `"):
                rows[cells[0].strip("`")] = re.findall("`([^`]+)`", cells[2])
        self.assertEqual(rows, {mutant.name: mutant.patterns for mutant in mutants.parse_all()})


class Script(unittest.TestCase):
    def missing(self, text):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(text)
            file.flush()
            script = f"source tools/dev/lib.sh; missing_packages {file.name}"
            output = subprocess.check_output(["bash", "-c", script], text=True)
        return output.split()

    def test_what_is_installed_is_not_missing(self):
        self.assertEqual(self.missing("# a list\nbash  # a shell\n\nno-such-package # why\n"),
                         ["no-such-package"])


if __name__ == "__main__":
    suites.become_reaper()
    unittest.main()
