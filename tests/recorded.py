"""Tasks with the replies that a strong model gave to them, for tests and for `python -m benchmarks.harness`.

The projects are shapes that real ones have: sources below `src/` with a version file that the build writes and git
ignores, a monorepo, node, make, a bug that hangs. The replies were written by hand while driving git-mimo through five
bugs of open-source projects of these shapes, and shortened with the projects.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Call = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A project, a task, and a model's replies as tool calls. `directory` is where in the project the person stands."""

    files: Mapping[str, str]
    task: str
    replies: tuple[tuple[Call, ...], ...]
    ignored: Mapping[str, str] = field(default_factory=dict)  # files that lie in the checkout and git does not keep
    import_roots: tuple[str, ...] = ()  # what the project's environment has as development installs; none: no `.venv`
    directory: str = ""
    test: str = ""  # its command, for programs that don't find it themselves


def make_project(recorded: Recorded, place: Path, *, environ: Mapping[str, str]) -> None:
    """Lay a project into a new repository with one commit, and its environment beside it."""
    for name, text in {**recorded.files, **recorded.ignored}.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for args in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "start"]):
        subprocess.run(["git", *args], cwd=place, env=dict(environ), check=True)
    if recorded.import_roots:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", place / ".venv"], check=True)
        library = next((place / ".venv" / "lib").glob("python*")) / "site-packages"
        roots = "".join(f"{place / root}\n" for root in recorded.import_roots)
        (library / "development-installs.pth").write_text(roots, encoding="utf-8")


def make_environment(home: Path, base_url: str, **more: str) -> dict[str, str]:
    """An environment that knows a scripted server and nothing of the person who runs it."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return kept | {
        "HOME": str(home), "OPENAI_API_KEY": "none", "OPENAI_API_BASE": base_url, "OPENAI_BASE_URL": base_url,
        "PYTHONPATH": str(Path(__file__).parent.parent), "PYTHONWARNINGS": "ignore",
        "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.org",
        **more,
    }  # fmt: skip


def _python(command: str) -> Call:
    return ("shell", {"command": command})


SRC_LAYOUT = Recorded(
    files={
        "pyproject.toml": (
            '[build-system]\nrequires = ["hatchling", "hatch-vcs"]\nbuild-backend = "hatchling.build"\n'
            '[project]\nname = "sizes"\ndynamic = ["version"]\n[tool.hatch.version]\nsource = "vcs"\n'
            '[tool.hatch.build.hooks.vcs]\nversion-file = "src/sizes/_version.py"\n'
        ),
        ".gitignore": "src/*/_version.py\n.venv/\n__pycache__/\n",
        "src/sizes/__init__.py": "from sizes._version import __version__\nfrom sizes.text import size_text\n",
        "src/sizes/text.py": (
            'UNITS = ("kB", "MB", "GB")\n\n\ndef size_text(count):\n    """A number of bytes for people: `1.5 kB`."""\n'
            '    if count < 1000:\n        return f"{count} B"\n    for power, unit in enumerate(UNITS, 2):\n'
            "        if count < 1000**power:\n            break\n"
            '    return f"{count / 1000 ** (power - 1):.1f} {unit}"\n'
        ),
        "tests/test_text.py": (
            "import pytest\n\nfrom sizes import size_text\n\n\n"
            '@pytest.mark.parametrize(("count", "text"), [(12, "12 B"), (1500, "1.5 kB"), (2_000_000, "2.0 MB")])\n'
            "def test_size(count, text):\n    assert size_text(count) == text\n"
        ),
    },
    ignored={"src/sizes/_version.py": '__version__ = "4.11.0"\n'},
    import_roots=("src",),
    test=".venv/bin/python -m pytest -q",
    task=(
        'size_text shows "1000.0 kB" instead of "1.0 MB"\n\n`size_text(999_999)` returns `1000.0 kB`: it is rounded up '
        "to the next unit, but the unit stays. It must be `1.0 MB`. At the largest unit the number may grow further."
    ),
    replies=(
        (
            ("read", {"path": "src/sizes/text.py"}),
            _python('cat tests/test_text.py; python -c "import sizes; print(sizes.__file__, sizes.size_text(999999))"'),
        ),
        (
            ("edit", {"path": "src/sizes/text.py", "edits": [{
                "old": "        if count < 1000**power:\n            break\n"
                '    return f"{count / 1000 ** (power - 1):.1f} {unit}"\n',
                "new": '        number = f"{count / 1000 ** (power - 1):.1f}"\n'
                "        if float(number) < 1000:  # what is rounded up to 1000 belongs to the next unit\n"
                '            break\n    return f"{number} {unit}"\n',
            }]}),
            _python(
                "cat >> tests/test_text.py <<'END'\n\n\n@pytest.mark.parametrize((\"count\", \"text\"), [\n"
                '    (999_949, "999.9 kB"), (999_999, "1.0 MB"), (10**12 - 1, "1000.0 GB"),\n])\n'
                "def test_rounded_up_to_the_next_unit(count, text):\n    assert size_text(count) == text\nEND\n"
                "git diff --stat"
            ),
        ),
        (("finish", {
            "title": "size_text: use the next unit when rounding reaches it",
            "summary": "The unit was chosen before rounding. Tested beside the limit and at the largest unit.",
        }),),
    ),
)  # fmt: skip

MONOREPO = Recorded(
    files={
        "pyproject.toml": '[tool.uv.workspace]\nmembers = ["packages/*"]\n',
        ".gitignore": ".venv/\n__pycache__/\n",
        "packages/names/pyproject.toml": '[project]\nname = "names"\nversion = "1"\n',
        "packages/names/src/names/__init__.py": (
            'def last_part(name):\n    """The last part of a dotted name."""\n    return name.split(".")[1]\n'
        ),
        "packages/names/tests/test_names.py": (
            'from names import last_part\n\n\ndef test_two_parts():\n    assert last_part("a.b") == "b"\n'
        ),
        "packages/sql/pyproject.toml": '[project]\nname = "sql"\nversion = "1"\ndependencies = ["names"]\n',
        "packages/sql/src/sql/__init__.py": (
            "from names import last_part\n\n\ndef column_of(identifier):\n"
            '    """The column that an identifier names."""\n    return last_part(identifier).strip(\'"\')\n'
        ),
        "packages/sql/tests/test_sql.py": (
            "from sql import column_of\n\n\ndef test_quoted():\n    assert column_of('t.\"c d\"') == \"c d\"\n"
        ),
    },
    import_roots=("packages/names/src", "packages/sql/src"),
    directory="packages/sql",
    test="cd packages/sql && ../../.venv/bin/python -m pytest -q",
    task=(
        "column_of() is wrong for fully-qualified names\n\n`column_of('a.b.c.d')` gives `b`; it must give `d`, the "
        "last part. A name without a dot is the column itself."
    ),
    replies=(
        (
            ("shell", {"command": "cat packages/*/src/*/__init__.py packages/*/tests/*.py"}),
            ("shell", {"command": "cd packages/sql && python -c \"import names, sql; print(names.__file__)\""}),
        ),
        (
            ("edit", {"path": "packages/names/src/names/__init__.py", "edits": [
                {"old": 'name.split(".")[1]', "new": 'name.rpartition(".")[2]'},
                {"old": "of a dotted name.", "new": "of a dotted name, or the whole name where it has no dot."},
            ]}),
            ("write", {"path": "packages/sql/tests/test_qualified.py", "content": (
                "import pytest\n\nfrom sql import column_of\n\n\n"
                "@pytest.mark.parametrize((\"name\", \"column\"), [(\"a.b.c.d\", \"d\"), (\"d\", \"d\"), "
                "('a.b.\"c d\"', \"c d\")])\n"
                "def test_column_of_a_qualified_name(name, column):\n    assert column_of(name) == column\n"
            )}),
            ("finish", {
                "title": "Take the last part of a qualified name as the column",
                "summary": "last_part() took the second part. Three cases, two of which fail without the change.",
            }),
        ),
    ),
)  # fmt: skip

NODE = Recorded(
    files={
        "package.json": '{"name": "span", "version": "1.0.0", "scripts": {"test": "node --test"}}\n',
        "index.js": (
            "const units = { s: 1000, m: 60000, h: 3600000 };\n\nmodule.exports = function span(text) {\n"
            "  const found = /^(-?\\d*\\.?\\d+) *(seconds?|s|minutes?|m|hours?|h)$/i.exec(text);\n"
            "  return found ? parseFloat(found[1]) * units[found[2][0].toLowerCase()] : undefined;\n};\n"
        ),
        "test/span.test.js": (
            "const test = require('node:test');\nconst assert = require('node:assert');\n"
            "const span = require('..');\n\n"
            "test('minutes', () => assert.equal(span('2 minutes'), 120000));\n"
        ),
        "readme.md": "# span\n\n    span('2 minutes') // 120000\n",
    },
    test="node --test",
    task="Support days in `span`: `span('1 day')` is 86400000, also `d` and `days`. The readme lists it.",
    replies=(
        (("read", {"path": "index.js"}), ("read", {"path": "test/span.test.js"}), ("read", {"path": "readme.md"})),
        (
            ("edit", {"path": "index.js", "edits": [
                {"old": "h: 3600000 };", "new": "h: 3600000, d: 86400000 };"},
                {"old": "hours?|h)$", "new": "hours?|h|days?|d)$"},
            ]}),
            ("edit", {"path": "readme.md", "edits": [
                {"old": "// 120000\n", "new": "// 120000\n    span('1 day')     // 86400000\n"},
            ]}),
            ("edit", {"path": "test/span.test.js", "edits": [{
                "old": "assert.equal(span('2 minutes'), 120000));\n",
                "new": (
                    "assert.equal(span('2 minutes'), 120000));\ntest('days', () => {\n"
                    "  for (const text of ['1d', '1 day', '24 hours']) assert.equal(span(text), 86400000);\n});\n"
                ),
            }]}),
            ("finish", {"title": "Support days", "summary": "d, day and days, listed in the readme and tested."}),
        ),
    ),
)  # fmt: skip

MAKE = Recorded(
    files={
        "Makefile": (
            "CFLAGS = -Wall -Wextra -Werror\n\ntest: build/test_ring\n\t./build/test_ring\n\n"
            "build/test_ring: src/ring.c src/ring.h tests/test_ring.c\n\tmkdir -p build\n"
            "\t$(CC) $(CFLAGS) -o $@ src/ring.c tests/test_ring.c\n\n.PHONY: test\n"
        ),
        ".gitignore": "build/\n",
        "src/ring.h": (
            "#include <stddef.h>\ntypedef struct { int items[2]; size_t head, count; } ring;\n"
            "int ring_push(ring *r, int value); /* 0, or -1 when full */\n"
            "int ring_pop(ring *r, int *value); /* 0, or -1 when empty */\n"
        ),
        "src/ring.c": (
            '#include "ring.h"\n\nint ring_push(ring *r, int value) {\n    if (r->count == 2) return -1;\n'
            "    r->items[r->head + r->count] = value;\n    r->count++;\n    return 0;\n}\n\n"
            "int ring_pop(ring *r, int *value) {\n    if (r->count == 0) return -1;\n    *value = r->items[r->head];\n"
            "    r->head = (r->head + 1) % 2;\n    r->count--;\n    return 0;\n}\n"
        ),
        "tests/test_ring.c": (
            '#include "../src/ring.h"\n#include <stdlib.h>\n\nstatic void check(int ok) { if (!ok) exit(1); }\n\n'
            "int main(void) {\n    ring r = {{0}, 0, 0};\n    int v = 0;\n"
            "    check(ring_push(&r, 1) == 0 && ring_push(&r, 2) == 0 && ring_push(&r, 3) == -1);\n"
            "    check(ring_pop(&r, &v) == 0 && v == 1);\n    return 0;\n}\n"
        ),
    },
    test="make test",
    task=(
        "ring_push writes past the buffer after a pop\n\nPush 1, 2, pop, push 3: `ring_push` writes at "
        "`items[head + count]`, past the end. It must wrap around."
    ),
    replies=(
        (("shell", {"command": "cat -n src/ring.c tests/test_ring.c; make test 2>&1 | tail -3"}),),
        (
            ("edit", {"path": "src/ring.c", "edits": [
                {"old": "r->items[r->head + r->count]", "new": "r->items[(r->head + r->count) % 2]"},
            ]}),
            ("edit", {"path": "tests/test_ring.c", "edits": [{
                "old": "    return 0;\n}\n",
                "new": "    check(ring_push(&r, 3) == 0 && ring_pop(&r, &v) == 0 && v == 2);\n"
                "    check(ring_pop(&r, &v) == 0 && v == 3 && ring_pop(&r, &v) == -1);\n    return 0;\n}\n",
            }]}),
            ("finish", {
                "title": "ring_push: wrap around at the end of the buffer",
                "summary": "It wrote past the end once something had been popped. The test goes around the end.",
            }),
        ),
    ),
)  # fmt: skip

HANGS = Recorded(
    files={
        "lines.py": (
            'def skip_to_next_line(file):\n    """Move to the start of the next line."""\n'
            '    begin, read = file.tell(), 0\n    piece = ""\n'
            '    while "\\n" not in piece:\n        piece = file.read(16)\n        read += 16\n'
            '    file.seek(begin + read - 16 + piece.index("\\n") + 1)\n\n\n'
            'def lines_from(file, part):\n    """The lines after a part of the file; negative from its end."""\n'
            "    if part < 0:\n        part = 1.0 - part\n    file.seek(0, 2)\n    file.seek(int(file.tell() * part))\n"
            "    skip_to_next_line(file)\n    return list(file)\n"
        ),
        "tests/test_lines.py": (
            "import io\n\nfrom lines import lines_from\n\n\ndef test_half():\n"
            '    assert lines_from(io.StringIO("a\\nb\\nc\\nd\\n"), 0.5) == ["d\\n"]\n'
        ),
        "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["."]\n',
    },
    test="python -m pytest -q",
    task=(
        "lines_from hangs\n\n`lines_from(f, 0.5)` never ends when no line end follows.\n\n"
        "- `skip_to_next_line` must stop at the end of the file: then there are no lines.\n"
        "- A negative `part` counts from the end: -0.25 is the same place as 0.75. It is mapped wrongly now.\n"
    ),
    replies=(
        (("read", {"path": "lines.py"}), ("read", {"path": "tests/test_lines.py"})),
        (
            ("edit", {"path": "lines.py", "edits": [
                {"old": "        piece = file.read(16)\n",
                 "new": "        piece = file.read(16)\n        if not piece:\n            return\n"},
                {"old": "part = 1.0 - part", "new": "part = 1.0 + part"},
            ]}),
            ("shell", {"command": (
                "cat >> tests/test_lines.py <<'END'\n\n\ndef test_no_line_end_follows():\n"
                '    assert lines_from(io.StringIO("one"), 0.5) == []\n\n\n'
                "def test_a_negative_part_counts_from_the_end():\n"
                '    text = "".join(f"{n}\\n" for n in range(8))\n'
                "    assert lines_from(io.StringIO(text), -0.25) == lines_from(io.StringIO(text), 0.75) == "
                '["7\\n"]\nEND\nfor n in 1 2; do timeout 20 python -m pytest -q tests/test_lines.py | tail -3; done'
            )}),
        ),
        (("finish", {
            "title": "lines_from: stop at the end of the file, count a negative part from it",
            "summary": "The loop never ended when no line end followed. Tests for both; the first hangs without it.",
        }),),
    ),
)  # fmt: skip

TASKS: Mapping[str, Recorded] = {
    "src layout": SRC_LAYOUT,
    "monorepo": MONOREPO,
    "node": NODE,
    "make": MAKE,
    "hangs": HANGS,
}
