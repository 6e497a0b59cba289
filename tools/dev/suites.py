"""How the suites of ./dev test are run and counted; which there are is in test.py.

Every runner answers with a Count made from reports of the test programs themselves: GoogleTest's
JSON, CTest's JUnit file, Node's TAP. A program that crashes, hangs or runs no test has failed.
"""

import ctypes
import glob
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import unittest
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

BUILD = "build/test"
CORES = os.cpu_count() or 1


@dataclass
class Count:
    """What a suite counted. `failed` are names; `log` is what to read when there are any."""

    passed: int = 0
    skipped: int = 0
    failed: list = field(default_factory=list)
    log: str = ""

    def add(self, other):
        self.passed += other.passed
        self.skipped += other.skipped
        self.failed += other.failed
        self.log = self.log or other.log
        return self


def environment(slow=False):
    """What a test program may rely on, besides what it was started with."""
    variables = dict(os.environ)
    variables.update(
        TEST_BUILD=os.path.abspath(BUILD),
        TEST_BINARY=os.path.abspath(BUILD + "/holdfast"),
        TEST_SLOW="1" if slow else "0",
        ASAN_OPTIONS="detect_stack_use_after_return=1:strict_string_checks=1",
        UBSAN_OPTIONS="print_stacktrace=1",
        ASAN_SYMBOLIZER_PATH="/usr/bin/llvm-symbolizer-19",
    )
    return variables


# --- Running a program and everything that it starts --------------------------------------------

_PR_SET_CHILD_SUBREAPER = 36
COMMAND_SHOWN = 200  # characters


def become_reaper():
    """Orphans of our tests become our children, so that none stays behind unseen.

    That includes the end of the run by ctrl-C or SIGTERM."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def interrupted(number, _):
        _end_leftovers()
        print(f"dev: interrupted by {signal.Signals(number).name}", file=sys.stderr, flush=True)
        os._exit(128 + number)

    signal.signal(signal.SIGINT, interrupted)
    signal.signal(signal.SIGTERM, interrupted)


def _children():
    """Pairs (pid, command line, shortened) of our living children."""
    found = []
    for status in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(status, encoding="utf-8", errors="replace") as file:
                pid, name, rest = re.match(r"(\d+) \((.*)\) (.*)", file.read(), re.S).groups()
            with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
                command = file.read(COMMAND_SHOWN).replace("\0", " ").strip() or name
        except OSError:
            continue
        state, parent = rest.split()[:2]
        if int(parent) == os.getpid() and state != "Z":
            found.append((int(pid), command))
    return found


def _end_leftovers():
    """Kills what a test left running; returns the names."""
    names = []
    while _children():  # the orphans of what is killed become ours in turn
        for pid, name in _children():
            names.append(name)
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            except (ProcessLookupError, ChildProcessError):
                pass  # ended by itself, or reaped by the thread that waits for it
    return names


def run(command, log, timeout_s, env):
    """Runs `command` with its output in `log`; returns its problem and what it left running.

    Both are None when all is well.

    Orphans are reaped while it runs: a test may look whether the process it killed is gone.
    """
    os.makedirs(os.path.dirname(log), exist_ok=True)
    with open(log, "wb") as output:
        program = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=env,
            start_new_session=True,
        )

    def out_of_time(*_):
        raise TimeoutError

    signal.signal(signal.SIGALRM, out_of_time)
    signal.alarm(timeout_s)
    try:
        pid = status = None
        while pid != program.pid:
            pid, status = os.waitpid(-1, 0)
        program.returncode = os.waitstatus_to_exitcode(status)
        problem = f"exit code {program.returncode}" if program.returncode else None
    except TimeoutError:
        os.killpg(program.pid, signal.SIGKILL)
        program.wait()
        problem = f"not done after {timeout_s} s"
    finally:
        signal.alarm(0)
    left = _end_leftovers()
    return problem, f"left running: {', '.join(sorted(set(left)))}" if left else None


def _with_problems(count, suite, problem, left):
    """Adds what no test accounts for: a runner that failed all the same, processes left over."""
    if problem and not count.failed:
        count.failed.append(f"{suite}: {problem}")
    if left:
        count.failed.append(f"{suite}: {left}")
    return count


# --- CTest and GoogleTest -----------------------------------------------------------------------


def _ctest_tests():
    """Maps the name of each registered test to its labels."""
    if not os.path.exists(BUILD + "/CTestTestfile.cmake"):
        return {}
    listing = subprocess.run(
        ["ctest", "--test-dir", BUILD, "--show-only=json-v1"], capture_output=True, check=False
    )
    tests = {}
    for test in json.loads(listing.stdout or "{}").get("tests", []):
        properties = {entry["name"]: entry["value"] for entry in test.get("properties", [])}
        tests[test["name"]] = properties.get("LABELS", [])
    return tests


def count_googletest(name, report, ctest_passed):
    """Counts the cases of one binary; one that ended badly without saying where has failed."""
    try:
        with open(report, encoding="utf-8") as file:
            suites = json.load(file)["testsuites"]
    except (OSError, ValueError):
        return Count(passed=1) if ctest_passed else Count(failed=[name])
    count = Count()
    for case in (case for suite in suites for case in suite["testsuite"]):
        if case.get("failures"):
            count.failed.append(f"{name} {case['classname']}.{case['name']}")
        elif case["result"] == "COMPLETED":
            count.passed += 1
        elif case["result"] == "SKIPPED":
            count.skipped += 1
    if not count.failed and not ctest_passed:
        count.failed.append(f"{name} (after its last case)")
    if not (count.passed or count.skipped or count.failed):
        count.failed.append(f"{name} ran no test")
    return count


def run_ctest(suite, slow, jobs, timeout_s):
    """Runs the tests that CTest knows under the label of the suite."""
    tests = [
        name
        for name, labels in _ctest_tests().items()
        if suite in labels and (slow or "slow" not in labels)
    ]
    if not tests:
        return None
    reports = f"{BUILD}/reports/{suite}"
    shutil.rmtree(reports, ignore_errors=True)
    os.makedirs(reports)
    log, junit = f"build/log/test-{suite}.log", os.path.abspath(f"{reports}/ctest.xml")
    command = ["ctest", "--test-dir", BUILD, "-L", f"^{suite}$", "-j", str(jobs)]
    command += ["--output-on-failure", "--no-tests=error", "--output-junit", junit]
    command += [] if slow else ["-LE", "^slow$"]
    problem, left = run(command, log, timeout_s, environment(slow))
    count = Count(log=log)
    outcomes = {}
    if os.path.exists(junit):
        for case in ElementTree.parse(junit).getroot().iter("testcase"):
            outcomes[case.get("name")] = case.get("status") == "run"
    for name in tests:
        report = f"{BUILD}/reports/{name}.json"
        count.add(count_googletest(name, report, outcomes.get(name, False)))
    return _with_problems(count, suite, problem, left)


# --- Node ---------------------------------------------------------------------------------------


def run_node(suite, slow, timeout_s):
    """Runs tests/SUITE/*.test.mjs, those with -slow in the name only when asked to."""
    files = [
        file
        for file in sorted(glob.glob(f"tests/{suite}/*.test.mjs"))
        if slow or "-slow" not in file
    ]
    if not files:
        return None
    log, tap = f"build/log/test-{suite}-node.log", f"build/log/test-{suite}.tap"
    command = [os.environ["NODE_PROGRAM"], "--test", "--test-concurrency=1"]
    command += ["--test-reporter=spec", "--test-reporter-destination=stdout"]
    command += ["--test-reporter=tap", f"--test-reporter-destination={tap}"]
    if os.path.exists(tap):
        os.remove(tap)
    problem, left = run(command + files, log, timeout_s, environment(slow))
    count = Count(log=log)
    if os.path.exists(tap):
        with open(tap, encoding="utf-8") as file:
            count.add(count_tap(suite, file.read()))
    if not (count.passed or count.skipped):
        problem = problem or "ran no test"
    return _with_problems(count, suite, problem, left)


def count_tap(suite, text):
    """Counts the tests of a TAP report of Node's test runner."""
    count = Count()
    totals = {key: int(value) for key, value in re.findall(r"(?m)^# (\w+) (\d+)$", text)}
    count.passed = totals.get("pass", 0)
    count.skipped = totals.get("skipped", 0) + totals.get("todo", 0)
    wanted = totals.get("fail", 0) + totals.get("cancelled", 0)
    names = re.findall(r"(?m)^\s*not ok \d+ - ((?:(?!# (?:SKIP|TO" r"DO)).)*)$", text)
    count.failed = names[:wanted] + [f"{suite}: unnamed"] * (wanted - len(names))
    return count


def run_tests(suite, slow, jobs=1, timeout_s=900):
    """A suite of its own name: CTest's label and tests/NAME/*.test.mjs, whichever there is."""
    counts = [run_ctest(suite, slow, jobs, timeout_s), run_node(suite, slow, timeout_s)]
    counts = [count for count in counts if count]
    return sum_of(counts) if counts else None


def sum_of(counts):
    total = Count()
    for count in counts:
        # The log worth reading is that of the part which failed.
        if count.failed and not total.failed:
            total.log = count.log
        total.add(count)
    return total


# --- Checks of the sources ----------------------------------------------------------------------


def run_tidy():
    sys.path.insert(0, "tools/tidy")
    import tidy

    count = Count(log="build/log/tidy.log")
    os.makedirs("build/log", exist_ok=True)
    with open(count.log, "w", encoding="utf-8") as log:
        for result in tidy.check():
            if result.findings:
                count.failed.append(f"tidy.{result.name}")
                log.writelines(f"{finding}  [{result.name}]\n" for finding in result.findings)
            else:
                count.passed += 1
    return count


def run_tools():
    """The tests of this file and of mutants.py, beside them."""
    import suites_test

    count = Count(log="build/log/test-tools.log")
    with open(count.log, "w", encoding="utf-8") as log:
        tests = unittest.defaultTestLoader.loadTestsFromModule(suites_test)
        result = unittest.TextTestRunner(log, verbosity=2).run(tests)
    count.failed = [test.id() for test, _ in result.failures + result.errors]
    count.passed = result.testsRun - len(count.failed)
    return count


def _in_parallel(commands, log):
    """Runs (name, command) pairs on all cores; a command that says something bad has failed."""

    def one(entry):
        done = subprocess.run(
            entry[1], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        return entry[0], done

    count = Count(log=log)
    with open(log, "w", encoding="utf-8") as file, ThreadPoolExecutor(CORES) as pool:
        for name, done in pool.map(one, commands):
            if done.returncode:
                count.failed.append(name)
                file.write(f"--- {name}\n{done.stdout}{done.stderr}\n")
            else:
                count.passed += 1
    return count


def _compile_commands():
    with open(BUILD + "/compile_commands.json", encoding="utf-8") as file:
        entries = json.load(file)
    return [(os.path.relpath(entry["file"]), shlex.split(entry["command"])) for entry in entries]


def proven_by_its_source(header):
    """Whether a unit beside the header includes it first: then the build has compiled it alone."""
    for source in (header[:-2] + ".cc", header[:-2] + "_test.cc"):
        if os.path.exists(source):
            with open(source, encoding="utf-8") as file:
                first = re.search(r"(?m)^ *#include ([^\n]*)", file.read())
            if first and first.group(1) == f'"{header.removeprefix("src/")}"':
                return True
    return False


def run_headers():
    """Each header of src/ compiles alone, with the flags of its folder."""
    flags = {}
    for file, command in _compile_commands():
        start = next(index for index, word in enumerate(command) if "clang++" in word)
        flags.setdefault(os.path.dirname(file), command[start : command.index("-o")])

    def flags_for(header):
        folder = os.path.dirname(header)
        while folder not in flags and os.path.dirname(folder):  # a folder of headers only
            folder = os.path.dirname(folder)
        return flags[folder]

    headers = sorted(glob.glob("src/**/*.h", recursive=True))
    commands = [
        (header, flags_for(header) + ["-Wno-pragma-once-outside-header"]
         + ["-fsyntax-only", "-x", "c++", header])
        for header in headers
        if not proven_by_its_source(header)
    ]
    count = _in_parallel(commands, "build/log/headers.log")
    count.passed += len(headers) - len(commands)
    return count if headers else None


def run_lint():
    """clang-tidy with the checks of .clang-tidy on every unit of src/."""
    commands = [
        (file, ["clang-tidy-19", "--quiet", "-p", BUILD, file])
        for file, _ in _compile_commands()
        if file.startswith("src/")
    ]
    return _in_parallel(commands, "build/log/lint.log") if commands else None


# --- Fuzzers ------------------------------------------------------------------------------------


def run_fuzzers(seconds):
    """Each fuzzer from its corpus for `seconds`; what it finds is in build/fuzz/findings/."""
    names = [os.path.basename(file)[:-3] for file in sorted(glob.glob("fuzz/*.cc"))]
    if not names:
        return None
    os.makedirs("build/fuzz/findings", exist_ok=True)
    commands = []
    for name in names:
        found = f"build/fuzz/corpus/{name}"
        os.makedirs(found, exist_ok=True)
        command = [f"build/fuzz/fuzz_{name}", f"-max_total_time={seconds}", "-timeout=10"]
        command += ["-rss_limit_mb=2048", f"-artifact_prefix=build/fuzz/findings/{name}-", found]
        command += [path for path in [f"fuzz/corpus/{name}"] if os.path.isdir(path)]
        if os.path.exists(f"fuzz/{name}.dict"):
            command.append(f"-dict=fuzz/{name}.dict")
        commands.append((f"fuzz/{name}", command))
    return _in_parallel(commands, "build/log/fuzz.log")
