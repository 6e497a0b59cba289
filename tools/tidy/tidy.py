#!/usr/bin/env python3
"""Checks the rules of docs/style.md (./dev tidy), and that each rule is able to fail.

Exceptions are in exceptions.txt beside this file: `rule path  # reason`. One that nothing needs
any more is itself a finding.
"""

import os
import re
import sys
from dataclasses import dataclass, field

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import selftest
from rules import RULES
from tree import Tree

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
EXCEPTIONS = os.path.join(HERE, "exceptions.txt")


@dataclass
class Result:
    """One check by name; it holds when there are no findings (lines to print)."""

    name: str
    findings: list = field(default_factory=list)


def read_exceptions(text):
    """Maps (rule, path) to the line number in exceptions.txt."""
    exceptions = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = re.fullmatch(r"(\w+)\s+(\S+)\s+#\s+(\S.*)", line)
        if not match:
            raise SystemExit(f"exceptions.txt:{number}: expected `rule path  # reason`")
        exceptions[match[1], match[2]] = number
    return exceptions


def check_tree(tree, exceptions):
    """One Result a rule, and one for exceptions that nothing needs."""
    results, used = [], set()
    for rule in RULES:
        result = Result(rule.__name__)
        for path, line, message in rule(tree):
            if (rule.__name__, path) in exceptions:
                used.add((rule.__name__, path))
            else:
                result.findings.append(f"{path}:{line}: {message}")
        results.append(result)
    unused = Result("exceptions")
    for key in exceptions.keys() - used:
        unused.findings.append(f"exceptions.txt:{exceptions[key]}: {' '.join(key)} is not needed")
    return results + [unused]


def check(root=ROOT):
    """Everything that tidy has to say about the tree under `root` and about itself."""
    with open(EXCEPTIONS, encoding="utf-8") as file:
        exceptions = read_exceptions(file.read())
    results = check_tree(Tree.read(root), exceptions)
    results += [Result(f"selftest.{name}", found) for name, found in selftest.run(RULES).items()]
    return results


def main():
    results = check()
    failed = [result for result in results if result.findings]
    for result in failed:
        for finding in result.findings:
            print(f"{finding}  [{result.name}]")
    print(f"tidy: {len(results) - len(failed)} of {len(results)} checks hold")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
