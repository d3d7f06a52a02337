"""Whether a fresh clone of any kind of project works with one command: twelve shapes, made by their own templates.

    python -m benchmarks.projects [--only uv,cargo] [--keep DIRECTORY]

Each shape is made by its tool (uv, poetry, hatch, npm, pnpm, cargo, go, …), gets a function with a bug and a test that
fails, is committed and cloned. In the clone `git mimo start` runs twice: with a scripted model that changes the
function wrongly, and with one that repairs it. Printed are both verdicts, which tests passed, and the seconds of the
first. A tool that is not installed is named and skipped. Installing dependencies needs the package registries
(`npm install`), as a user's own first step would.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.scripted_server import Answer, Request, ScriptedServer

ROOT = Path(__file__).parent.parent
PY_BUG = 'def half(number):\n    """Half of a number."""\n    return number * 2\n'
PY_TEST = (
    "from {package} import half\n\n\ndef test_half():\n    assert [half(10), half(8), half(3), half(-4), half(1)] == [5, 4, 1.5, -2, 0.5]\n\n\n"  # noqa: E501
    "def test_zero():\n    assert half(0) == 0\n"
)
JS_BUG = "export function half(number) {\n  return number * 2;\n}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One kind of project: the tools it needs, how it is made, and which file contains the function.

    `prepare` is what a user types once in a clone; `start_in` is where `start` runs.
    """

    name: str
    tools: tuple[str, ...]
    make: Callable[[Path], None]
    source: str
    prepare: str = ""
    start_in: str = "."
    by_id: bool = True


def main() -> int:
    """Run the shapes and print the table; 1 when one of them fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="names, separated by commas")
    parser.add_argument("--keep", type=Path, help="work here and leave everything")
    options = parser.parse_args()
    wanted = options.only.split(",") if options.only else [shape.name for shape in SHAPES]
    failed = 0
    print("| project | tests of the repair | repair | wrong change | seconds | said |\n|---|---|---|---|---:|---|")
    with tempfile.TemporaryDirectory(prefix="mimo-projects-") as scratch:
        for shape in (shape for shape in SHAPES if shape.name in wanted):
            missing = [tool for tool in shape.tools if shutil.which(tool) is None]
            if missing:
                print(f"| {shape.name} | - | not installed: {', '.join(missing)} | - | - | |", flush=True)
                continue
            row, is_right = _try(shape, (options.keep or Path(scratch)) / shape.name)
            failed += not is_right
            print(row, flush=True)
    return 1 if failed else 0


def _try(shape: Shape, directory: Path) -> tuple[str, bool]:
    origin, clone = directory / "origin", directory / "clone"
    origin.mkdir(parents=True)
    shape.make(origin)
    _git(origin, "init", "-q", "-b", "main")
    _git(origin, "add", "-A")
    _git(origin, "commit", "-qm", "base")
    _git(directory, "clone", "-q", str(origin), str(clone))
    if shape.prepare:
        _shell(shape.prepare, clone)
    began = time.monotonic()
    wrong, _ = _start(shape, clone, "s/number \\* 2/number * 3/")
    seconds = time.monotonic() - began
    right, said = _start(shape, clone, "s/number \\* 2/number \\/ 2/")
    candidates = right.get("candidates") or [{}]
    evidence = candidates[0].get("evidence") or {}
    by_id = bool(evidence.get("tests_run"))
    is_right = (wrong.get("status"), right.get("status"), by_id) == ("failed", "passed", shape.by_id)
    passed = f"{evidence['tests_passed']}/{evidence['tests_run']}" if by_id else "exit code only"
    columns = (shape.name, passed, right.get("status", "none"), wrong.get("status", "none"), f"{seconds:.1f}")
    return f"| {' | '.join(columns)} | {'' if is_right else said} |", is_right


def _start(shape: Shape, clone: Path, substitution: str) -> tuple[dict[str, Any], str]:
    """What `start` prints as JSON, and its last line on stderr, for candidates that all make one substitution."""

    def answer(request: Request) -> Answer:
        is_begun = any(message["role"] == "assistant" for message in request.messages)
        finish = ("finish", json.dumps({"title": "halve the number", "summary": "divide by two"}))
        edit = ("shell", json.dumps({"command": f"sed -i '{substitution}' {shape.source}"}))
        return Answer(tool_calls=(finish if is_begun else edit,))

    with ScriptedServer({"*": answer}) as server:
        environment = {
            **os.environ,
            "OPENAI_API_KEY": "sk-benchmark-0123456789",
            "XDG_STATE_HOME": str(clone.parent / "state"),
            "PYTHONPATH": str(ROOT),
            "GIT_MIMO_BASE_URL": server.base_url,
        }
        done = subprocess.run(
            [sys.executable, "-m", "gitmimo", "start", "-m", "openai/scripted", "--critic", "none", "--max-tokens", "1000000", "--json",  # noqa: E501
             "half(10) must be 5"],
            cwd=clone / shape.start_in, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout) if done.stdout.startswith("{") else {}
    return found, (done.stderr.strip().splitlines() or [""])[-1]


def _git(directory: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=Benchmark", "-c", "user.email=benchmark@example.org")
    subprocess.run(["git", *identity, *arguments], cwd=directory, check=True, capture_output=True)
    if arguments[0] == "init":
        for name, value in (("user.name", "Benchmark"), ("user.email", "benchmark@example.org")):
            subprocess.run(["git", "config", name, value], cwd=directory, check=True)


def _shell(command: str, directory: Path) -> None:
    done = subprocess.run(["bash", "-c", command], cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"cannot make the project: `{command}`: {(done.stdout + done.stderr)[-800:]}")


def _files(directory: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _uv(directory: Path) -> None:
    _shell("uv init -q --lib --name acme --vcs none . && uv add -q iniconfig && uv add -q --dev pytest", directory)
    code = f"import iniconfig  # a dependency that only the project's environment has\n\nMADE = iniconfig\n\n\n{PY_BUG}"
    _files(directory, {"src/acme/__init__.py": code, "tests/test_half.py": PY_TEST.format(package="acme")})
    _files(directory, {".gitignore": ".venv\n"})


def _poetry(directory: Path) -> None:
    _shell("poetry new -q --name acme made && cp -r made/. . && rm -rf made", directory)
    _files(directory, {"src/acme/half.py": PY_BUG, "tests/test_half.py": PY_TEST.format(package="acme.half")})


def _hatch(directory: Path) -> None:
    _shell("hatch new -q acme . || hatch new acme made && cp -r made/. . && rm -rf made", directory)
    _files(directory, {"src/acme/half.py": PY_BUG, "tests/test_half.py": PY_TEST.format(package="acme.half")})


def _generated_version(directory: Path) -> None:
    _files(
        directory,
        {
            "pyproject.toml": '[build-system]\nrequires = ["hatchling", "hatch-vcs"]\nbuild-backend = "hatchling.build"\n\n'  # noqa: E501
            '[project]\nname = "acme"\ndynamic = ["version"]\n\n[tool.hatch.version]\nsource = "vcs"\n\n'
            '[tool.hatch.build.hooks.vcs]\nversion-file = "src/acme/_version.py"\n',
            ".gitignore": "_version.py\n",
            "src/acme/__init__.py": "from acme._version import version\n\n__version__ = version\n",
            "src/acme/half.py": PY_BUG,
            "tests/test_half.py": PY_TEST.format(package="acme.half"),
        },
    )


def _npm(directory: Path) -> None:
    _shell("npm init -y >/dev/null && npm pkg set type=module scripts.test='node --test'", directory)
    test = (
        'import test from "node:test";\nimport assert from "node:assert";\nimport { half } from "../src/half.js";\n\n'
    )
    test += 'test("half of ten", () => assert.equal(half(10), 5));\ntest("zero", () => assert.equal(half(0), 0));\n'
    _files(directory, {"src/half.js": JS_BUG, "test/half.test.js": test})


def _vite(directory: Path) -> None:
    made = "npm create -s -y vite@latest made -- --template vanilla-ts --no-interactive >/dev/null"
    _shell(f"{made} && cp -r made/. . && rm -rf made && npm install -s -D vitest", directory)
    _shell("npm pkg set scripts.test=vitest", directory)
    test = 'import { expect, test } from "vitest";\nimport { half } from "./half";\n\n'
    test += 'test("half of ten", () => expect(half(10)).toBe(5));\ntest("zero", () => expect(half(0)).toBe(0));\n'
    code = JS_BUG.replace("number)", "number: number): number")
    _files(directory, {"src/half.ts": code, "src/half.test.ts": test})


def _pnpm(directory: Path) -> None:
    _shell("pnpm init >/dev/null && mkdir -p packages/half packages/app", directory)
    for package in ("half", "app"):
        _shell("pnpm init >/dev/null", directory / "packages" / package)
    _shell("pnpm pkg set scripts.test='pnpm -r test'", directory)
    _shell("pnpm pkg set dependencies.half=workspace:* scripts.test='node --test'", directory / "packages/app")
    _shell("pnpm pkg delete scripts.test", directory / "packages/half")
    test = 'import test from "node:test";\nimport assert from "node:assert";\nimport { twice } from "../index.js";\n\n'
    test += 'test("half of ten", () => assert.equal(twice(20), 5));\ntest("zero", () => assert.equal(twice(0), 0));\n'
    _files(
        directory,
        {
            ".gitignore": "node_modules\n",
            "pnpm-workspace.yaml": "packages:\n  - packages/*\n",
            "packages/half/index.js": JS_BUG,
            "packages/app/index.js": 'import { half } from "half";\nexport const twice = (n) => half(half(n));\n',
            "packages/app/test/app.test.js": test,
        },
    )
    _shell("pnpm install -s", directory)


def _go(directory: Path) -> None:
    _shell("go mod init example.org/acme", directory)
    test = 'package acme\n\nimport "testing"\n\nfunc TestHalf(t *testing.T) {\n\tif Half(10) != 5 {\n\t\tt.Fatal(Half(10))\n\t}\n}\n'  # noqa: E501
    code = "package acme\n\n// Half of a number.\nfunc Half(number int) int {\n\treturn number * 2\n}\n"
    _files(directory, {"half.go": code, "half_test.go": test})


def _cargo(directory: Path) -> None:
    _shell("cargo init -q --lib --name acme --vcs none . && cargo generate-lockfile -q", directory)
    code = "pub fn half(number: u64) -> u64 {\n    number * 2\n}\n\n"
    test = "#[cfg(test)]\nmod tests {\n    use super::half;\n\n    #[test]\n    fn half_of_ten() {\n        assert_eq!(half(10), 5);\n    }\n}\n"  # noqa: E501
    _files(directory, {"src/lib.rs": code + test, ".gitignore": "target\n"})


def _make(directory: Path) -> None:
    _files(
        directory,
        {
            "half.c": "int half(int number) { return number * 2; }\n",
            "test.c": "int half(int);\nint main(void) { return half(10) == 5 ? 0 : 1; }\n",
            "Makefile": "test: check\n\t./check\n\ncheck: half.c test.c\n\t$(CC) -o $@ half.c test.c\n",
            ".gitignore": "check\n",
        },
    )


def _sh(directory: Path) -> None:
    _files(
        directory,
        {
            "half.sh": "number=$1\necho $((number * 2))\n",
            "tests/run.sh": 'set -e\n[ "$(sh half.sh 10)" = 5 ]\necho ok\n',
        },
    )


def _monorepo(directory: Path) -> None:
    _files(
        directory,
        {
            "README.md": "# shop\n",
            "services/api/pyproject.toml": '[project]\nname = "api"\nversion = "1"\n',
            "services/api/src/api/__init__.py": PY_BUG,
            "services/api/tests/test_half.py": PY_TEST.format(package="api"),
            "web/package.json": '{"name": "web", "type": "module", "scripts": {"test": "node --test"}}\n',
            "web/a.test.js": 'import test from "node:test";\ntest("web", () => {});\n',
        },
    )


SHAPES: Sequence[Shape] = (
    Shape(name="uv", tools=("uv",), make=_uv, source="src/acme/__init__.py", prepare="uv sync -q"),
    Shape(name="poetry", tools=("poetry",), make=_poetry, source="src/acme/half.py"),
    Shape(name="hatch", tools=("hatch",), make=_hatch, source="src/acme/half.py"),
    Shape(name="generated version", tools=(), make=_generated_version, source="src/acme/half.py"),
    Shape(name="npm", tools=("npm",), make=_npm, source="src/half.js"),
    Shape(
        name="pnpm workspace",
        tools=("pnpm",),
        make=_pnpm,
        source="packages/half/index.js",
        prepare="pnpm install -s",
        by_id=False,
    ),
    Shape(name="vite", tools=("npm",), make=_vite, source="src/half.ts", prepare="npm install -s"),
    Shape(name="go", tools=("go",), make=_go, source="half.go"),
    Shape(name="cargo", tools=("cargo",), make=_cargo, source="src/lib.rs"),
    Shape(name="make and C", tools=("make", "cc"), make=_make, source="half.c", by_id=False),
    Shape(name="shell", tools=(), make=_sh, source="half.sh", by_id=False),
    Shape(
        name="monorepo", tools=(), make=_monorepo, source="services/api/src/api/__init__.py", start_in="services/api"
    ),
)

if __name__ == "__main__":
    sys.exit(main())
