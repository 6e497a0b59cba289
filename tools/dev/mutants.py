"""The suite `mutants`: each tests/mutants/*.mutant breaks the code, and a named test must notice.

    why: a refund that posts nothing leaves the ledger short
    file: src/core/postings.cc
    test: unit/core                     (a CTest name, or the path of a tests/**/*.test.mjs)
    filter: Ledger.*                    (optional, for GoogleTest)
    ---
    the lines to replace, which occur once in the file
    ===
    what replaces them

The mutants are tried in a copy of the tree under build/mutants, which shares the compiler cache.
A mutant that does not apply, does not compile, or that its test does not notice has failed.
"""

import filecmp
import glob
import os
import re
import shutil
import subprocess
from dataclasses import dataclass

import suites
from suites import Count, run

COPY = "build/mutants/tree"
COPIED = "CMakeLists.txt CMakePresets.json dev src schema tests tools fuzz bench web".split()
TIMEOUT_S = 900


@dataclass
class Mutant:
    name: str
    file: str
    test: str
    filter: str
    old: str
    new: str


def parse(path):
    with open(path, encoding="utf-8") as file:
        head, _, body = file.read().partition("\n---\n")
    old, separator, new = body.partition("\n===\n")
    fields = dict(re.findall(r"(?m)^(\w+): (.*?)\s*$", head))
    if not separator or not {"why", "file", "test"} <= fields.keys():
        raise ValueError(f"{path}: expected why:, file:, test:, ---, old lines, ===, new lines")
    name = os.path.basename(path)[: -len(".mutant")]
    return Mutant(
        name, fields["file"], fields["test"], fields.get("filter", "*"), old.strip("\n"),
        new.strip("\n"),
    )


def _copy_tree():
    """Brings the copy up to date, leaving alone what is the same, so that builds stay short."""
    for top in COPIED:
        for folder, folders, files in os.walk(top):
            folders[:] = [name for name in folders if name not in ("node_modules", "__pycache__")]
            for name in files:
                _copy_file(os.path.join(folder, name))
        if os.path.isfile(top):
            _copy_file(top)
    for folder, _, files in os.walk(COPY + "/src"):
        for name in files:
            path = os.path.join(folder, name)
            if not os.path.exists(os.path.relpath(path, COPY)):
                os.remove(path)
    for modules in glob.glob("tests/**/node_modules", recursive=True):
        if not os.path.exists(f"{COPY}/{modules}"):
            os.symlink(os.path.abspath(modules), f"{COPY}/{modules}")


def _copy_file(path):
    target = os.path.join(COPY, path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if not os.path.exists(target) or not filecmp.cmp(path, target, shallow=False):
        shutil.copy(path, target)


def _build(test, log):
    """Builds what `test` needs in the copy; returns whether it does build."""
    suite, _, name = test.partition("/")
    target = "holdfast"
    if not test.endswith(".mjs"):
        target = f"{name}_test" if suite == "unit" else f"{suite}_{name}_test"
    with open(log, "a", encoding="utf-8") as output:
        done = subprocess.run(
            ["./dev", "build", "test", target], cwd=COPY, stdout=output, stderr=output, check=False,
            env={**os.environ, "CI": "1"},
        )
    return done.returncode == 0


def _passes(test, pattern, log):
    env = suites.environment()
    env["TEST_BUILD"] = os.path.abspath(f"{COPY}/build/test")
    env["TEST_BINARY"] = env["TEST_BUILD"] + "/holdfast"
    env["GTEST_FILTER"] = pattern
    if test.endswith(".mjs"):
        command = [env["NODE_PROGRAM"], "--test", f"{COPY}/{test}"]
    else:
        command = ["ctest", "--test-dir", f"{COPY}/build/test", "-R", f"^{re.escape(test)}$"]
        command += ["--output-on-failure", "--no-tests=error"]
    return run(command, log, TIMEOUT_S, env) == (None, None)


def _try(mutant, log):
    """Returns what is wrong with the mutant, or None when its test noticed it."""
    path = os.path.join(COPY, mutant.file)
    with open(path, encoding="utf-8") as file:
        original = file.read()
    if original.count(mutant.old) != 1:
        return f"its old lines occur {original.count(mutant.old)} times in {mutant.file}"
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(original.replace(mutant.old, mutant.new))
        if not _build(mutant.test, log):
            return "does not compile"
        unnoticed = _passes(mutant.test, mutant.filter, log)
        return f"{mutant.test} does not notice" if unnoticed else None
    finally:
        with open(path, "w", encoding="utf-8") as file:
            file.write(original)


def run_all():
    """A Count with one entry a mutant; None where there are none."""
    paths = sorted(glob.glob("tests/mutants/*.mutant"))
    if not paths:
        return None
    count = Count(log="build/log/mutants.log")
    os.makedirs(COPY, exist_ok=True)
    _copy_tree()
    healthy = {}
    for path in paths:
        mutant = parse(path)
        log = f"build/log/mutant-{mutant.name}.log"
        unmutated = mutant.test, mutant.filter
        if unmutated not in healthy:
            healthy[unmutated] = _build(mutant.test, log) and _passes(*unmutated, log)
        problem = _try(mutant, log) if healthy[unmutated] else f"{mutant.test} fails without it"
        if problem:
            count.failed.append(f"mutant {mutant.name}: {problem}")
            count.log = log
        else:
            count.passed += 1
    return count
