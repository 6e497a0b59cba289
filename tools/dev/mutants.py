"""The suite `mutants`: each tests/mutants/*.mutant breaks the code, and a named test must notice.

    why: a refund that posts nothing leaves the ledger short
    file: src/core/postings.cc
    test: unit/core                     (a CTest name, or the path of a tests/**/*.test.mjs)
    filter: Refunds.Post:Ledger.*       (GoogleTest patterns, or the name of a test of Node)
    ---
    the lines to replace, which occur once in the file
    ===
    what replaces them
    ---                                 (and again, where one place is not enough)

The mutants are tried in a copy of the tree under build/mutants, which shares the compiler cache.
Each pattern is run alone: it has to pass on the code as it is, and to fail, crash or hang on the
mutant. A mutant that does not apply, does not compile, or that a pattern does not notice has
failed. docs/mutants.md lists them all, which the suite `tools` checks.
"""

import filecmp
import glob
import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass

import suites
from suites import Count, run

COPY = "build/mutants/tree"
COPIED = "CMakeLists.txt CMakePresets.json dev src schema deploy tests tools fuzz bench web".split()
LEFT_OUT = ("node_modules", "__pycache__", "build")

# What the code as it is may take, and how much longer a mutant may before it counts as hanging.
TIMEOUT_S = 900
PATIENCE_S, PATIENCE_FACTOR = 20, 3


@dataclass
class Mutant:
    name: str
    file: str
    test: str
    patterns: list
    changes: list  # of (old, new)


def parse(path):
    with open(path, encoding="utf-8") as file:
        head, *parts = file.read().split("\n---\n")
    fields = dict(re.findall(r"(?m)^(\w+): (.*?)\s*$", head))
    changes = [tuple(text.strip("\n") for text in f"{part}\n".split("\n===\n")) for part in parts]
    whole = changes and all(len(change) == 2 for change in changes)
    if not whole or not {"why", "file", "test", "filter"} <= fields.keys():
        raise ValueError(
            f"{path}: expected why:, file:, test:, filter:, ---, old lines, ===, new lines"
        )
    name = os.path.basename(path)[: -len(".mutant")]
    node = fields["test"].endswith(".mjs")
    patterns = [fields["filter"]] if node else fields["filter"].split(":")
    return Mutant(name, fields["file"], fields["test"], patterns, changes)


def parse_all():
    return [parse(path) for path in sorted(glob.glob("tests/mutants/*.mutant"))]


# --- The copy of the tree -------------------------------------------------------------------------


def _files_under(top):
    for folder, folders, files in os.walk(top):
        folders[:] = [name for name in folders if name not in LEFT_OUT]
        yield from (os.path.join(folder, name) for name in files)


def _copy_tree():
    """Brings the copy up to date, leaving alone what is the same, so that builds stay short."""
    os.makedirs(COPY, exist_ok=True)
    for top in COPIED:
        for path in [top] if os.path.isfile(top) else _files_under(top):
            _copy_file(path)
        for path in _files_under(os.path.join(COPY, top)):
            if not os.path.exists(os.path.relpath(path, COPY)):
                os.remove(path)
    for modules in glob.glob("t*/**/node_modules", recursive=True):
        if not os.path.lexists(f"{COPY}/{modules}"):
            os.symlink(os.path.abspath(modules), f"{COPY}/{modules}")


def _copy_file(path):
    target = os.path.join(COPY, path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if not os.path.exists(target) or not filecmp.cmp(path, target, shallow=False):
        shutil.copy(path, target)


def _write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


# --- Building and running one test ----------------------------------------------------------------


def targets_of(test):
    """What has to be built for a test, and no more: the rest is restored from mutant to mutant."""
    suite, _, name = test.partition("/")
    if test.endswith(".mjs"):
        return ["holdfast", "test_clock"]
    return [f"{name}_test" if suite == "unit" else f"{suite}_{name}_test"]


def _build(test, log):
    with open(log, "a", encoding="utf-8") as output:
        done = subprocess.run(
            ["./dev", "build", "test", *targets_of(test)], cwd=COPY, stdout=output, stderr=output,
            check=False, env={**os.environ, "CI": "1"},
        )
    return done.returncode == 0


def _problem(test, pattern, log, timeout_s):
    """Runs one test on what is built; how it failed, or None when it passed."""
    env = suites.environment()
    env["TEST_BUILD"] = os.path.abspath(f"{COPY}/build/test")
    env["TEST_BINARY"] = env["TEST_BUILD"] + "/holdfast"
    if test.endswith(".mjs"):
        command = [env["NODE_PROGRAM"], "--test", "--test-name-pattern", pattern]
        command += [f"{COPY}/{test}"]
    else:
        env["GTEST_FILTER"] = pattern
        command = ["ctest", "--test-dir", f"{COPY}/build/test", "-R", f"^{re.escape(test)}$"]
        command += ["--output-on-failure", "--no-tests=error"]
    problem, left = run(command, log, timeout_s, env)
    return problem or left


class Healthy:
    """How long each test takes on the code as it is; None when it fails there."""

    def __init__(self):
        self.seconds = {}

    def time_of(self, test, pattern, log):
        if (test, pattern) not in self.seconds:
            begun = time.monotonic()
            built = _build(test, log)
            if built:
                begun = time.monotonic()
            passed = built and _problem(test, pattern, log, TIMEOUT_S) is None
            self.seconds[test, pattern] = time.monotonic() - begun if passed else None
        return self.seconds[test, pattern]


def _try(mutant, healthy, log, noticed):
    """Returns what is wrong with the mutant, or None when each pattern noticed it.

    Adds to `noticed` each pattern that did, and how unless it simply failed."""
    limits_s = {}
    for pattern in mutant.patterns:
        seconds = healthy.time_of(mutant.test, pattern, log)
        if seconds is None:
            return f"{mutant.test} {pattern} fails without it"
        limits_s[pattern] = int(PATIENCE_S + PATIENCE_FACTOR * seconds)
    path = os.path.join(COPY, mutant.file)
    with open(path, encoding="utf-8") as file:
        original = file.read()
    mutated = original
    for old, new in mutant.changes:
        if original.count(old) != 1:
            return f"its old lines occur {original.count(old)} times in {mutant.file}"
        mutated = mutated.replace(old, new)
    try:
        _write(path, mutated)
        if not _build(mutant.test, log):
            return "does not compile"
        for pattern, limit_s in limits_s.items():
            problem = _problem(mutant.test, pattern, log, limit_s)
            if problem is None:
                return f"{mutant.test} {pattern} does not notice"
            failed = problem.startswith("exit code")
            noticed.append(pattern if failed else f"{pattern} ({problem})")
    finally:
        _write(path, original)
    return None


def run_all():
    """A Count with one entry a mutant; None where there are none. Says how each went."""
    mutants = parse_all()
    if not mutants:
        return None
    count = Count(log="build/log/mutants.log")
    _copy_tree()
    healthy = Healthy()
    for mutant in mutants:
        log = f"build/log/mutant-{mutant.name}.log"
        begun, noticed = time.monotonic(), []
        problem = _try(mutant, healthy, log, noticed)
        said = problem or f"noticed by {', '.join(noticed)}"
        print(f"    {mutant.name}: {said}, {time.monotonic() - begun:.0f} s", flush=True)
        if problem:
            count.failed.append(f"mutant {mutant.name}: {problem}")
            count.log = log
        else:
            count.passed += 1
    return count
