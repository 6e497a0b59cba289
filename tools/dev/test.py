"""./dev test: builds, runs suites, prints a table and the closing line `N passed, N failed`.

A suite is a row of SUITES. What has no test in the tree is left out of the table.
"""

import os
import subprocess
import sys
import time
from dataclasses import dataclass

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import mutants
import suites
from suites import CORES, Count, run_tests


@dataclass(frozen=True)
class Suite:
    """`run(slow)` gives a Count, or None where the tree has no such test."""

    name: str
    proves: str
    run: object
    builds: str = "test"  # preset, or '' for none
    only_slow: bool = False
    budget_s: int = 0  # a warning when it takes longer than this, quick


SUITES = (
    Suite("tidy", "the rules of docs/style.md", lambda slow: suites.run_tidy(), builds=""),
    Suite("tools", "the counting of this table", lambda slow: suites.run_tools(), builds=""),
    Suite("unit", "each folder alone", lambda slow: run_tests("unit", slow, CORES), budget_s=20),
    Suite("net", "HTTP and loop on real sockets", lambda slow: run_tests("net", slow, CORES)),
    Suite("db", "against real PostgreSQL clusters", lambda slow: run_tests("db", slow, 1, 3600)),
    Suite("sim", "seeded simulations", lambda slow: run_tests("sim", slow, CORES, 10_000)),
    Suite("api", "the unmodified stripe client", lambda slow: run_tests("api", slow, 1, 3600)),
    Suite("chaos", "kill -9 under load", lambda slow: run_tests("chaos", slow, 1, 3600)),
    Suite("patroni", "three nodes of it", lambda slow: run_tests("patroni", slow, 1, 3600)),
    Suite("fuzz", "parsers", lambda slow: suites.run_fuzzers(600 if slow else 10), builds="fuzz"),
    Suite("soak", "random faults", lambda slow: run_tests("soak", slow, 1, 3600), only_slow=True),
    Suite("headers", "each compiles alone", lambda slow: suites.run_headers(), only_slow=True),
    Suite("lint", "clang-tidy", lambda slow: suites.run_lint(), only_slow=True),
    Suite("mutants", "that tests can fail", lambda slow: mutants.run_all(), "", only_slow=True),
)

LOG_LINES = 80


def chosen(words):
    """The suites that the command line means, and whether slow tests run."""
    slow = "slow" in words
    names = [word for word in words if word != "slow"]
    unknown = set(names) - {suite.name for suite in SUITES}
    if unknown:
        sys.exit(f"dev: no suite {' '.join(sorted(unknown))}; ./dev test list names them")
    picked = [suite for suite in SUITES if suite.name in names]
    return picked or [suite for suite in SUITES if slow or not suite.only_slow], slow


def build(picked):
    """Builds what the picked suites need; returns the presets that do not build."""
    broken = set()
    if any(suite.builds == "test" for suite in picked):
        if subprocess.call(["./dev", "build", "test"]):
            broken.add("test")
    if any(suite.builds == "fuzz" for suite in picked) and os.path.exists("fuzz/CMakeLists.txt"):
        if subprocess.call(["./dev", "build", "fuzz", "fuzzers"]):
            broken.add("fuzz")
    return broken


def print_row(name, count, seconds, note=""):
    result = "FAILED" if count.failed else "ok"
    print(
        f"{name:10} {count.passed:7} {len(count.failed):7} {count.skipped:8} {seconds:7.1f} s"
        f"   {result}{note}",
        flush=True,
    )


def print_failures(count):
    for name in count.failed:
        print(f"    failed: {name}")
    if count.log and os.path.exists(count.log):
        with open(count.log, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
        for line in lines[-LOG_LINES:]:
            print(f"    | {line}")
        print(f"    the whole output is in {count.log}", flush=True)


def main(words):
    if words == ["list"]:
        for suite in SUITES:
            print(f"{suite.name:10} {suite.proves}{' (slow)' if suite.only_slow else ''}")
        return 0
    picked, slow = chosen(words)
    suites.become_reaper()
    started = time.monotonic()
    broken = build(picked)
    total = Count(failed=[f"build/{preset}" for preset in broken])
    print("suite       passed  failed  skipped      time   result", flush=True)
    for suite in picked:
        begun = time.monotonic()
        count = None if suite.builds in broken else suite.run(slow)
        if count is None:
            continue
        seconds = time.monotonic() - begun
        late = suite.budget_s and not slow and seconds > suite.budget_s
        print_row(suite.name, count, seconds, f", over {suite.budget_s} s" if late else "")
        if count.failed:
            print_failures(count)
        total.add(count)
    print_row("all", total, time.monotonic() - started)
    print(f"{total.passed} passed, {len(total.failed)} failed, {total.skipped} skipped", flush=True)
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
