"""The files that tidy looks at: a mapping from path to text, read from disk or given by a test."""

import os
import re

SKIPPED_FOLDERS = set(".git .cache build data node_modules __pycache__ dist corpus".split())
TEXT_SUFFIXES = (
    ".h .cc .py .sh .mjs .ts .svelte .css .html .mustache .md .txt .sql .cmake .json .toml .yml "
    ".mutant .drill"
).split()
TEXT_NAMES = {"dev", "run", ".clang-format", ".clang-tidy", ".gitignore"}


class Tree:
    """`files` maps every path of the repository to its text ('' for what isn't text)."""

    def __init__(self, files):
        self.files = dict(sorted(files.items()))

    @staticmethod
    def read(root):
        files = {}
        for folder, folders, names in os.walk(root):
            folders[:] = sorted(set(folders) - SKIPPED_FOLDERS)
            for name in names:
                path = os.path.join(folder, name)
                text = ""
                if name in TEXT_NAMES or name.endswith(tuple(TEXT_SUFFIXES)):
                    with open(path, encoding="utf-8", errors="replace") as file:
                        text = file.read()
                files[os.path.relpath(path, root)] = text
        return Tree(files)

    def texts(self, *patterns):
        """Pairs (path, text) whose path matches one of the regular expressions."""
        for path, text in self.files.items():
            if any(re.search(pattern, path) for pattern in patterns):
                yield path, text

    def exists(self, path):
        path = os.path.normpath(path)
        return path in self.files or any(name.startswith(path + "/") for name in self.files)


def lines(text):
    """Pairs (line number, line)."""
    return enumerate(text.splitlines(), start=1)


_TOKEN = re.compile(
    r"""
    (?P<comment> //[^\n]* | /\*.*?\*/ )
  | (?P<raw> R"(?P<tag>[^()\s\\]{0,16})\(.*?\)(?P=tag)" )
  | (?P<string> "(?:[^"\\\n]|\\.)*" )
  | (?P<char> (?<![0-9a-fA-F])'(?:[^'\\\n]|\\.)+' )
    """,
    re.X | re.S,
)


def _blank(text):
    """Same number of lines, nothing else left."""
    return "\n" * text.count("\n")


def code_only(text):
    """C++ with comments removed and literals emptied; line numbers stay."""

    def replace(match):
        empty = "" if match["comment"] else "''" if match["char"] else '""'
        return empty + _blank(match[0])

    return _TOKEN.sub(replace, text)


def string_literals(text):
    """Pairs (line number, contents) of C++ string literals; adjacent ones are joined."""
    joined = []
    end = -1
    for match in _TOKEN.finditer(text):
        if match["comment"] or match["char"]:
            continue
        if match["raw"]:
            tag = len(match["tag"])
            value = match[0][3 + tag : -2 - tag]
        else:
            value = match[0][1:-1]
        if joined and not text[end : match.start()].strip():
            joined[-1] = (joined[-1][0], joined[-1][1] + value)
        else:
            joined.append((text.count("\n", 0, match.start()) + 1, value))
        end = match.end()
    return joined
