"""JavaScript projects: which runner their `package.json` means, and which `node_modules` its tests need."""

import json
import os
import re
from pathlib import Path
from typing import Any

from gitmimo.evaluator.python_env import Read
from gitmimo.evaluator.testcommand import ReportFormat, TestCommand

_NO_TEST = "no test specified"
_TEST_FILE = re.compile(r"(?:^|/)(?:tests?/.*|[^/]*[.-]test)\.[cm]?[jt]s$")
_DEPTH = 4  # directories below the top in which a workspace's packages are looked for
_RUNNERS = (
    ("vitest", "vitest run", ReportFormat.VITEST_JSON),
    ("jest", "jest", ReportFormat.JEST_JSON),
)


def find_node_command(known: frozenset[str], read: Read) -> TestCommand | None:
    """The test script of `package.json`, else a runner that it depends on, else node's own; None without tests."""
    if "package.json" in known and (script := _test_script(read)) and _NO_TEST not in script:
        manager = "pnpm" if "pnpm-lock.yaml" in known else "yarn" if "yarn.lock" in known else "npm"
        return npm_script(f"{manager} test", read)
    tests = [path for path in known if _TEST_FILE.search(path) and "node_modules/" not in path]
    parts = [_package(read).get(kind) for kind in ("dependencies", "devDependencies")]
    dependencies = {name for part in parts if isinstance(part, dict) for name in part}
    for name, command, form in _RUNNERS:
        if name in dependencies and tests:
            return TestCommand(command=f"npx {command}", report=form, reason=f"`{name}` in package.json")
    if not any(path.endswith("js") for path in tests):
        return None
    reason = "test files of node's own runner"
    return TestCommand(command="node --test", report=ReportFormat.NODE_JUNIT, reason=reason)


def npm_script(command: str, read: Read) -> TestCommand:
    """A package manager's test command, with a report where the script is one known runner and nothing else."""
    script = _test_script(read)
    form = ReportFormat.NONE
    manager = command.split()[0]
    if re.fullmatch(r"node (?:\S+ )*--test(?: [^;&|]*)?", script):
        command, form = script, ReportFormat.NODE_JUNIT
    elif re.fullmatch(r"(?:npx )?vitest(?: [^;&|]*)?", script):
        command, form = _with_options(manager, "--run"), ReportFormat.VITEST_JSON
    elif re.fullmatch(r"(?:\S+=\S+ )*(?:npx )?(?:react-scripts test|jest)(?: [^;&|]*)?", script):
        command, form = _with_options(manager, ""), ReportFormat.JEST_JSON
    reason = f"script `test` of package.json: `{script}`"
    return TestCommand(command=command, report=form, reason=reason)


def linked_modules(checkout: Path) -> tuple[str, ...]:
    """Every `node_modules` of the checkout's packages, relative to it: the top's and those of workspaces."""
    found = []
    for directory, names, _ in os.walk(checkout):
        depth = len(Path(directory).relative_to(checkout).parts)
        if "node_modules" in names:
            found.append(str((Path(directory) / "node_modules").relative_to(checkout)))
        names[:] = [n for n in names if n != "node_modules" and not n.startswith(".") and depth < _DEPTH]
    return tuple(sorted(found))


def _with_options(manager: str, options: str) -> str:
    """npm passes on the arguments after `--`; pnpm and yarn pass on everything, `--` included."""
    return f"{manager} test{' --' if manager == 'npm' else ''} {options}".rstrip()


def _test_script(read: Read) -> str:
    package = _package(read)
    scripts = package.get("scripts")
    return str(scripts.get("test", "")).strip() if isinstance(scripts, dict) else ""


def _package(read: Read) -> dict[str, Any]:
    try:
        package = json.loads(read("package.json") or b"{}")
    except ValueError:
        return {}
    return package if isinstance(package, dict) else {}
