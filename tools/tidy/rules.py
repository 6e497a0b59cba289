"""The rules of docs/style.md that a program can check.

A rule is a generator function that takes a Tree and yields (path, line, message). Its name is its
identifier in messages and in exceptions.txt. Every rule has a violating example in selftest.py.
"""

import os
import re

from tree import code_only, lines, string_literals

RULES = []


def rule(function):
    RULES.append(function)
    return function


CPP = r"\.(h|cc)$"
SRC = r"^src/.*\.(h|cc)$"
TEST = r"(_test\.cc$|/test_\w+\.(h|cc)$|^tests/|^fuzz/|^bench/)"


def folder_of(path):
    """The folder of src/ that `path` is in."""
    return path.split("/")[1]


# --- Architecture -----------------------------------------------------------------------------

# What the code of each folder may include. One way only: nothing here has a cycle.
MAY_INCLUDE = {
    "base": "",
    "core": "base",
    "net": "base",
    "db": "base net",
    "store": "base core net db",
    "gateway": "base core net",
    "processor": "base core net store gateway",
    "api": "base core net store gateway processor",
    "guard": "base core net db store",
    "drill": "base core net db store gateway processor api guard",
    "app": "base core net db store gateway processor api guard drill",
}

# Libraries that one folder keeps to itself: pattern of the include, who may, why.
CONFINED = (
    (r"<boost/beast", r"^$", "src/net has a stricter HTTP parser (docs/adr/0001-stack.md)"),
    (r"<libpq", r"^src/db/", "libpq is driven by src/db only"),
    (r"<boost/asio", r"^src/(?!base/|core/|api/)", "base, core and api know no event loop"),
    (r"<sodium", r"^src/base/", "cryptography goes through src/base"),
)


@rule
def include_direction(tree):
    """#include "x/..." follows the one-way dependencies of ARCHITECTURE.md."""
    for path, text in tree.texts(SRC):
        folder = folder_of(path)
        if folder not in MAY_INCLUDE:
            yield path, 1, f"src/{folder} is not in MAY_INCLUDE of tools/tidy/rules.py"
            continue
        allowed = {folder, *MAY_INCLUDE[folder].split()}
        for number, line in lines(text):
            match = re.match(r'\s*#\s*include\s+"([^"/]+)/([^"]*)"', line)
            if not match:
                if re.match(r'\s*#\s*include\s+"', line):
                    yield path, number, 'includes are written from src/: "folder/file.h"'
                continue
            if match[1] not in allowed:
                yield path, number, f"{folder} may not include {match[1]}"
            elif match[1] != folder and match[2].startswith("detail/"):
                yield path, number, "detail/ is private to its folder"


@rule
def confined_library(tree):
    """libpq, Asio and libsodium stay in the folders that wrap them."""
    for path, text in tree.texts(SRC):
        for number, line in lines(text):
            for include, allowed, why in CONFINED:
                if re.match(r"\s*#\s*include\s+" + include, line) and not re.search(allowed, path):
                    yield path, number, why


# src/db may ask the server about itself (pg_*, SHOW); rows of ours are the business of src/store.
_SQL = re.compile(
    r"\b(SELECT\s+\S.*\bFROM\b|INSERT\s+INTO\b|UPDATE\s+\w+(\s+\w+)?\s+SET\b|DELETE\s+FROM\b"
    r"|CREATE\s+(TABLE|INDEX)\b|ALTER\s+TABLE\b|TRUNCATE\s+\w)",
    re.S,
)


@rule
def sql_place(tree):
    """SQL about our tables is in src/store and src/guard only."""
    for path, text in tree.texts(SRC):
        if re.search(r"^src/(store|guard)/|_test\.cc$", path):
            continue
        for number, value in string_literals(text):
            if not _SQL.search(value):
                continue
            if folder_of(path) == "db" and re.search(r"\bpg_\w+", value):
                continue
            yield path, number, "SQL belongs in src/store or src/guard"


# --- Determinism ------------------------------------------------------------------------------

_CALL = r"(?<![\w.>:])(?:std::|::)?"  # a free function of that name, not a member
BANNED = (
    (r"std::chrono::(system|steady|high_resolution)_clock", "time comes from Env (base/env.h)"),
    (_CALL + r"time\s*\(\s*(nullptr|NULL|0|&)", "time comes from Env (base/env.h)"),
    (_CALL + r"(clock_gettime|gettimeofday|localtime|gmtime)(_r)?\s*\(", "time comes from Env"),
    (_CALL + r"(rand|srand|drand48|arc4random)\s*\(", "randomness comes from Env"),
    (r"std::random_device|\bRAND_bytes\s*\(|\brandombytes_\w+", "randomness comes from Env"),
    (_CALL + r"(secure_)?getenv\s*\(", "configuration comes from base/config.h or Env"),
    (_CALL + r"(getpid|getppid|gethostname)\s*\(", "pid and host name come from Env"),
    (r"std::(jthread|thread|async|mutex|shared_mutex|condition_variable)\b", "one thread: Offload"),
)
SLEEPS = (
    (_CALL + r"(sleep|usleep|nanosleep)\s*\(", "wait on a timer of the loop with a Deadline"),
    (r"std::this_thread::sleep", "wait on a timer of the loop with a Deadline"),
)


@rule
def banned_identifier(tree):
    """Time, randomness, environment, pid, sleeping and threads: only through src/base.

    No unit test sleeps, not even one of base."""
    for path, text in tree.texts(SRC):
        banned = BANNED + SLEEPS
        if folder_of(path) == "base":
            banned = SLEEPS if path.endswith("_test.cc") else ()
        for number, line in lines(code_only(text)):
            for pattern, instead in banned:
                match = re.search(pattern, line)
                if match:
                    yield path, number, f"{match[0].strip()}: {instead}"


@rule
def money_never_floats(tree):
    """src/core computes with integers."""
    for path, text in tree.texts(r"^src/core/.*\.(h|cc)$"):
        for number, line in lines(code_only(text)):
            if re.search(r"\b(float|double)\b", line):
                yield path, number, "no floating point in core: Money and __int128"


# --- Shape of files ---------------------------------------------------------------------------

HEADER_LINES = 200
SOURCE_LINES = 500
TEST_LINES = 800
FUNCTION_LINES = 70
COLUMNS = 100


@rule
def file_size(tree):
    """Headers have at most 200 lines, sources 500, tests 800."""
    for path, text in tree.texts(CPP):
        limit = SOURCE_LINES
        if re.search(TEST, path):
            limit = TEST_LINES
        elif path.endswith(".h"):
            limit = HEADER_LINES
        count = text.count("\n")
        if count > limit:
            yield path, limit, f"{count} lines; at most {limit}: split it by what it is about"


_CONTROL = re.compile(r"\b(if|for|while|switch|catch|else|do|try)\b[^;{}]*$")
_SCOPE = re.compile(r"\b(namespace|class|struct|union|enum|extern)\b[^;=()]*$|^\s*$")


def without_directives(code):
    """C++ without preprocessor lines and what their backslashes continue; line numbers stay."""
    return re.sub(r"(?m)^[ ]*#.*(\\\n.*)*", lambda match: "\n" * match[0].count("\n"), code)


def functions(text):
    """Triples (first line, last line, head) of function bodies, found by their braces."""
    code = without_directives(code_only(text))
    stack, start, line = [], 0, 1
    for position, char in enumerate(code):
        if char == "\n":
            line += 1
        elif char == "{":
            head = code[start:position]
            kind = "block"
            if all(entry[0] == "scope" for entry in stack):
                if ")" in head and not _CONTROL.search(head):
                    kind = "function"
                elif _SCOPE.search(head):
                    kind = "scope"
            first = line - head.lstrip().count("\n")
            stack.append((kind, first, " ".join(head.split())))
            start = position + 1
        elif char == "}":
            start = position + 1
            if stack:
                kind, first, head = stack.pop()
                if kind == "function":
                    yield first, line, head
        elif char == ";":
            start = position + 1


@rule
def function_size(tree):
    """A function has at most 70 lines (tests, often tables, are exempt)."""
    for path, text in tree.texts(SRC):
        if re.search(TEST, path):
            continue
        for first, last, head in functions(text):
            count = last - first + 1
            if count > FUNCTION_LINES:
                name = re.search(r"([\w:~]+)\s*\(", head)
                yield path, first, f"{name[1] if name else head} has {count} lines; at most 70"


@rule
def columns(tree):
    """Lines have at most 100 columns, unless an address makes them longer."""
    for path, text in tree.texts(r"\.(h|cc|py|sh|mjs)$", r"^dev$"):
        for number, line in lines(text):
            if len(line) > COLUMNS and "://" not in line:
                yield path, number, f"{len(line)} columns"


@rule
def whitespace(tree):
    """No tabs, no trailing blanks, one newline at the end."""
    for path, text in tree.texts(r"\.(h|cc|py|sh|mjs|md|sql|cmake)$", r"^dev$"):
        for number, line in lines(text):
            if "\t" in line:
                yield path, number, "a tab"
            elif line != line.rstrip():
                yield path, number, "blanks at the end of the line"
        if text and (not text.endswith("\n") or text.endswith("\n\n")):
            yield path, text.count("\n"), "a file ends with one newline"


@rule
def pragma_once(tree):
    """A header begins with #pragma once."""
    for path, text in tree.texts(r"\.h$"):
        if not text.startswith("#pragma once\n"):
            yield path, 1, "the first line of a header is #pragma once"


@rule
def header_essay(tree):
    """A header of src/ opens by saying what it is."""
    for path, text in tree.texts(r"^src/.*\.h$"):
        comment = re.match(r"#pragma once\n\n((?://.*\n)+)", text)
        if not comment or len(comment[1]) < 40:
            yield path, 1, "after #pragma once comes the essay: what, owner, limits, failure"


@rule
def namespace(tree):
    """Code of src/x is in holdfast::x, that of base in holdfast; nobody imports a namespace."""
    for path, text in tree.texts(SRC):
        code = code_only(text)
        folder = folder_of(path)
        expected = "holdfast" if folder == "base" else f"holdfast::{folder}"
        opened = re.findall(r"^namespace\s+(holdfast[\w:]*)", code, re.M)
        exempt = not without_directives(code).strip() or re.search(r"\bint main\(", code)
        if not exempt and not any((name + "::").startswith(expected + "::") for name in opened):
            yield path, 1, f"expected: namespace {expected}"
        for number, line in lines(code):
            if re.search(r"\busing\s+namespace\s+(?!detail;|.*literals)", line):
                yield path, number, "using namespace: name what is used"


# --- Nothing left over ------------------------------------------------------------------------

_MARKERS = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")


@rule
def leftover(tree):
    """No note to finish something later: it is finished, or it is an issue."""
    for path, text in tree.files.items():
        for number, line in lines(text):
            match = _MARKERS.search(line)
            if match:
                yield path, number, f"{match[0]} left over"


@rule
def machine_path(tree):
    """No path of somebody's machine."""
    for path, text in tree.files.items():
        for number, line in lines(text):
            match = re.search(r"(?<![\w.}$])/(wo" r"rk|ro" r"ot|ho" r"me|tmp/h" r"f)/\S*", line)
            if match:
                yield path, number, f"{match[0]} exists on one machine only"


def _included(tree):
    """Maps an included file, as written from src/ or from beside the includer, to its includers.

    A build file that names <folder/file.h> includes it, too (Asio's hooks, for instance)."""
    includers = {}
    for path, text in tree.texts(r"\.cmake$", r"CMakeLists\.txt$"):
        for name in re.findall(r"<([\w/]+\.h)>", text):
            includers.setdefault("src/" + name, set()).add(path)
    for path, text in tree.texts(CPP):
        for name in re.findall(r'^\s*#\s*include\s+"([^"]+)"', text, re.M):
            beside = os.path.normpath(os.path.join(os.path.dirname(path), name))
            for target in ("src/" + name, beside, name):
                includers.setdefault(target, set()).add(path)
    return includers


@rule
def dead_file(tree):
    """Every header is used by somebody else, every source is built, every script is called."""
    includers = _included(tree)
    for path, text in tree.texts(r"\.h$"):
        stem = path[: -len(".h")]
        if not includers.get(path, set()) - {path, stem + ".cc", stem + "_test.cc"}:
            yield path, 1, "nobody includes it besides its own source and test"
    root = tree.files.get("CMakeLists.txt", "")
    for path, _ in tree.texts(r"^(src|tests|fuzz|bench)/.*\.cc$"):
        folder = os.path.dirname(path)
        while folder and folder + "/CMakeLists.txt" not in tree.files:
            folder = os.path.dirname(folder)
        build = tree.files.get(folder + "/CMakeLists.txt", "") if folder else ""
        name = os.path.basename(path)
        stem = name[: -len(".cc")]
        globbed = re.search(r"holdfast_(library|program)\(|GLOB", build)
        if not globbed and not re.search(rf"\b{re.escape(stem)}\b", build):
            yield path, 1, f"no CMakeLists.txt builds it (looked in {folder or 'its folders'})"
        if path.startswith("src/") and not re.search(rf"\b{folder_of(path)}\b", root):
            yield path, 1, f"CMakeLists.txt does not add src/{folder_of(path)}"
    everything = "\n".join(tree.files.values())
    for path, _ in tree.texts(r"^(tools|tests|bench)/.*\.(py|sh|mjs)$"):
        name = os.path.basename(path)
        stem = os.path.splitext(name)[0]
        if name.endswith(".test.mjs") or path.startswith("bench/"):
            continue
        if not re.search(rf"{re.escape(name)}\b|\b(from|import) {stem}\b", everything):
            yield path, 1, "nothing mentions it"


# --- Documents --------------------------------------------------------------------------------


@rule
def folder_readme(tree):
    """Each folder of src/ has a README.md of one screen (at most 60 lines)."""
    for folder in sorted({folder_of(path) for path, _ in tree.texts(SRC)}):
        readme = f"src/{folder}/README.md"
        if readme not in tree.files:
            yield readme, 1, "missing: what the folder is for, its main types, what it may use"
        elif tree.files[readme].count("\n") > 60:
            yield readme, 60, "longer than one screen"


def _prose(text):
    """Markdown without fenced code; line numbers stay."""
    return re.sub(r"(?ms)^(```|~~~).*?^\1", lambda match: "\n" * match[0].count("\n"), text)


@rule
def one_title(tree):
    """A Markdown document has exactly one first-level heading."""
    for path, text in tree.texts(r"\.md$"):
        count = len(re.findall(r"(?m)^# \S", _prose(text)))
        if count != 1:
            yield path, 1, f"{count} first-level headings; exactly one"


def _anchor(heading):
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@rule
def markdown_link(tree):
    """Relative links of documents lead somewhere, headings included."""
    for path, text in tree.texts(r"\.md$"):
        for number, line in lines(_prose(text)):
            for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", line)):
                if re.match(r"[a-z]+:", target):
                    continue
                name, _, anchor = target.partition("#")
                file = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
                if not tree.exists(file):
                    yield path, number, f"{target} leads nowhere"
                elif anchor and file.endswith(".md"):
                    headings = re.findall(r"(?m)^#+ (.*)$", _prose(tree.files[file]))
                    if anchor not in map(_anchor, headings):
                        yield path, number, f"{target}: no such heading"


@rule
def named_document(tree):
    """A document that the code or another document names by its path exists."""
    for path, text in tree.files.items():
        if path.startswith("tools/tidy/"):  # its examples name what does not exist
            continue
        for number, line in lines(text):
            for name in re.findall(r"(?<![\w/.-])(docs/[\w./-]+\.md)\b", line):
                if not tree.exists(name):
                    yield path, number, f"{name} does not exist"


@rule
def schema_numbering(tree):
    """schema/NNNN_name.sql is numbered without gaps; an inverse belongs to a step of its name."""
    steps = {}
    for path, _ in tree.texts(r"^schema/[^/]*\.sql$"):
        match = re.fullmatch(r"schema/(\d{4})_([a-z0-9_]+)(\.down)?\.sql", path)
        if not match:
            yield path, 1, "expected schema/NNNN_name.sql or schema/NNNN_name.down.sql"
        elif not match[3]:
            if int(match[1]) in steps:
                yield path, 1, f"number {match[1]} is taken by {steps[int(match[1])]}"
            steps[int(match[1])] = path
        elif path.replace(".down.sql", ".sql") not in tree.files:
            yield path, 1, "an inverse without its step"
    for expected, number in enumerate(sorted(steps), start=1):
        if number != expected:
            yield steps[number], 1, f"number {expected:04} is missing before it"
            break
