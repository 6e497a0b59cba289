"""A rule that can't fail protects nothing: here each one meets trees that break it.

CLEAN is a small tree without a finding. VIOLATIONS says, for each rule, what files to put over it;
every entry must give findings of that rule, in the file named first.
"""

from tree import Tree, code_only, string_literals

_ESSAY = "#pragma once\n\n// Money: an amount.\n// Owned by nobody.\n// It can't fail.\n\n"

CLEAN = {
    "CMakeLists.txt": "foreach(folder base core net db store api)\n",
    "README.md": "# Holdfast\n\nSee [core](src/core/README.md#money).\n\n"
    "```sh\n# not a title\n```\n",
    "docs/style.md": "# Style\n",
    "schema/0001_first.sql": "CREATE TABLE a (b int);\n",
    "schema/0001_first.down.sql": "DROP TABLE a;\n",
    "schema/0002_second.sql": "CREATE TABLE c (d int);\n",
    "src/base/CMakeLists.txt": "holdfast_library(base)\n",
    "src/base/README.md": "# base\n",
    "src/base/env.h": _ESSAY
    + "namespace holdfast {\ninline auto now() { return std::chrono::system_clock::now(); }\n}\n",
    "src/core/CMakeLists.txt": "holdfast_library(core)\n",
    "src/core/README.md": "# core\n\n## Money\n",
    "src/core/money.h": _ESSAY + "namespace holdfast::core {\nint total(); // docs/style.md\n}\n",
    "src/core/money.cc": '#include "core/money.h"\n\n#include "base/env.h"\n\n'
    "namespace holdfast::core {\n// time(nullptr) and double in a comment are no finding\n"
    'int total() { return sizeof("getenv(double)"); }\n}\n',
    "src/core/ledger.cc": '#include "core/money.h"\n\nnamespace holdfast::core {\nint x;\n}\n',
    "src/store/CMakeLists.txt": "holdfast_library(store)\n",
    "src/store/README.md": "# store\n",
    "src/store/sql.cc": "namespace holdfast::store {\nauto q = \"SELECT a FROM b\";\n}\n",
}


def _core(body):
    return {"src/core/extra.cc": f"namespace holdfast::core {{\n{body}\n}}\n"}


def _long_function(count):
    return "int f(int a) {\n" + "    a++;\n" * (count - 3) + "    return a;\n}"


VIOLATIONS = {
    "include_direction": [
        {"src/core/extra.cc": '#include "net/task.h"\nnamespace holdfast::core {}\n'},
        {"src/core/extra.cc": '#include "money.h"\nnamespace holdfast::core {}\n'},
        {"src/api/extra.cc": '#include "db/pool.h"\nnamespace holdfast::api {}\n'},
        {"src/store/extra.cc": '#include "core/detail/x.h"\nnamespace holdfast::store {}\n'},
        {"src/other/extra.cc": "namespace holdfast::other {}\n"},
    ],
    "confined_library": [
        {"src/net/http.cc": "#include <boost/beast/core.hpp>\n"},
        {"src/store/extra.cc": "#include <libpq-fe.h>\n"},
        {"src/core/extra.cc": "#include <boost/asio/awaitable.hpp>\n"},
    ],
    "sql_place": [
        _core('auto q = "SELECT id FROM payments";'),
        _core('auto q = R"(\nUPDATE payments p\n SET a = 1)";'),
        _core('auto q = "INSERT "\n    "INTO payments";'),
        {"src/db/extra.cc": 'auto q = "DELETE FROM payments";\n'},
    ],
    "banned_identifier": [
        _core("auto t = std::chrono::steady_clock::now();"),
        _core("auto t = ::time(nullptr);"),
        _core("auto t = std::time(0);"),
        _core("auto r = rand();"),
        _core("std::random_device r;"),
        _core('auto h = std::getenv("HOME");'),
        _core("auto p = ::getpid();"),
        _core("clock_gettime(CLOCK_REALTIME, &t);"),
        _core("usleep(10);"),
        _core("std::mutex m;"),
        {"src/base/env_test.cc": "namespace holdfast { auto p = ::usleep(1); }\n"},
    ],
    "money_never_floats": [_core("double rate = 0.029;")],
    "file_size": [
        {"src/core/extra.h": _ESSAY + "namespace holdfast::core {\n" + "int a;\n" * 200 + "}\n"},
        _core("int a;\n" * 500),
        {"tests/db/x.cc": "int a;\n" * 801},
    ],
    "function_size": [
        _core(_long_function(71)),
        _core("struct A {\n" + _long_function(71) + "\n};"),
        _core("template <class T>\nauto A<T>::f(T x) const -> int {\n" + "g();\n" * 70 + "}"),
    ],
    "columns": [_core("// " + "x" * 98)],
    "whitespace": [_core("\tint a;"), _core("int a; "), {"README.md": "# A\n\n"}],
    "pragma_once": [{"src/core/extra.h": "// text\n#pragma once\n"}],
    "header_essay": [{"src/core/extra.h": "#pragma once\n\n// short\n\nint a;\n"}],
    "namespace": [
        {"src/core/extra.cc": "namespace holdfast {\nint a;\n}\n"},
        {"src/core/extra.cc": "namespace holdfast::corex {\nint a;\n}\n"},
        _core("using namespace std;"),
    ],
    "leftover": [_core("// TO" "DO: later"), {"docs/style.md": "# S\n\nFIX" "ME\n"}],
    "machine_path": [
        _core('auto p = "/ho' 'me/me/x";'),
        {"docs/style.md": "# S\n\nsee /wo" "rk/x\n"},
    ],
    "dead_file": [
        {"src/core/lonely.h": _ESSAY, "src/core/lonely.cc": '#include "core/lonely.h"\n'},
        {"tests/db/forgotten.cc": "int a;\n", "tests/db/CMakeLists.txt": "holdfast_suite(db x)\n"},
        {"src/gateway/a.cc": "", "src/gateway/CMakeLists.txt": "holdfast_library(gateway)\n"},
        {"tools/unused.sh": "true\n"},
    ],
    "folder_readme": [
        {"src/net/README.md": None, "src/net/a.cc": "namespace holdfast::net {}\n"},
        {"src/core/README.md": "# core\n" + "long\n" * 60},
    ],
    "one_title": [{"docs/style.md": "# A\n\n# B\n"}, {"docs/style.md": "## A\n"}],
    "markdown_link": [
        {"README.md": "# A\n\n[x](nowhere.md)\n"},
        {"README.md": "# A\n\n[x](docs/style.md#missing)\n"},
    ],
    "named_document": [_core("// see docs/missing.md")],
    "schema_numbering": [
        {"schema/0004_gap.sql": "SELECT 1;\n"},
        {"schema/0002_taken.sql": "SELECT 1;\n"},
        {"schema/3_short.sql": "SELECT 1;\n"},
        {"schema/0009_alone.down.sql": "SELECT 1;\n"},
    ],
}


def _findings(rule, files):
    tree = Tree({path: text for path, text in {**CLEAN, **files}.items() if text is not None})
    return list(rule(tree))


def _lexer():
    """The two helpers that several rules lean on."""
    source = 'a("x//y"); // "b"\n/* "c" */ R"q(d"\n)q" \'"\' "e" "f";\n'
    if code_only(source) != 'a(""); \n ""\n \'\' "" "";\n':
        return [f"code_only: {code_only(source)!r}"]
    found = [value for _, value in string_literals(source)]
    return [] if found == ["x//y", 'd"\n', "ef"] else [f"string_literals: {found}"]


def run(rules):
    """Maps the name of each self-check to what is wrong with it (nothing, when all is well)."""
    results = {"lexer": _lexer(), "clean": []}
    for rule in rules:
        name = rule.__name__
        wrong = results[name] = []
        results["clean"] += [f"{name} on the clean tree: {found}" for found in _findings(rule, {})]
        if name not in VIOLATIONS:
            wrong.append(f"selftest.py has no violation of {name}")
        for number, files in enumerate(VIOLATIONS.get(name, []), start=1):
            expected = next(iter(files))
            if not any(path == expected for path, _, _ in _findings(rule, files)):
                wrong.append(f"{name} does not notice violation {number}, in {expected}")
    for name in VIOLATIONS.keys() - results.keys():
        results["clean"].append(f"selftest.py tests {name}, which is no rule")
    return results
