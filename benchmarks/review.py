"""What reviewing costs: the page of a session with 8 candidates and a diff of 20,000 lines, and the pre-push hook.

    python -m benchmarks.review [--runs 5] [--pictures DIR]

The lines are Python's own library, so that the colours have real work. Opening is the time a headless Chromium takes
from its start to the loaded page's picture, less the same for an empty page, in turn. The hook is asked about 100
commits that the remote does not have, by the installed program, as git asks. With --pictures a smaller page is
photographed in light, dark, at a phone's width and printed.
"""

import argparse
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

from gitmimo.git.repository import Repository
from gitmimo.records import SessionResult
from gitmimo.report.page import review_page
from tests.conftest import SEALED, GitBuilder
from tests.made_session import Attempt, make_session, write_journal
from tests.report.browser import print_pdf, screenshot

LIBRARY = Path(sysconfig.get_path("stdlib"))
BIG = ("typing.py", "argparse.py", "tarfile.py", "inspect.py", "_pydecimal.py", "turtle.py", "doctest.py", "pydoc.py",
       "subprocess.py", "threading.py", "pickle.py", "tempfile.py", "zipfile.py", "optparse.py")  # fmt: skip
APPROACHES = (
    "Mend the parser where the bug is, with the smallest change that is right.",
    "Write a failing test first, then mend what it shows.",
    "Rewrite the function around one loop, and say why in its docstring.",
    "Look for the same fault elsewhere and mend all places at once.",
)


def main() -> None:
    """Measure, print the tables, take pictures when asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--pictures", type=Path)
    options = parser.parse_args()
    os.environ.update(SEALED)  # an identity too, which a fresh machine has not
    with tempfile.TemporaryDirectory(prefix="mimo-bench-") as name:
        place = Path(name)
        if options.pictures:
            _take_pictures(place / "small", options.pictures)
            return
        _measure_page(place, options.runs)
        _measure_hook(place / "push", options.runs)


def _measure_page(place: Path, runs: int) -> None:
    git = _repository(place / "huge")
    session = make_session(git, _attempts(_lines(20_000)))
    repository = Repository.discover(git.path)
    began = time.process_time()
    text = review_page(repository, session)
    made = time.process_time() - began
    page, empty = place / "page.html", place / "empty.html"
    page.write_text(text)
    empty.write_text("<!doctype html><title>empty</title><p>x")
    profile, picture = place / "profile", place / "picture.png"
    opened: list[tuple[float, float]] = []
    blank: list[tuple[float, float]] = []
    for _ in range(runs):
        for path, found in ((empty, blank), (page, opened)):
            began, busy = time.perf_counter(), _processor_seconds()
            screenshot(path, picture, profile, size=(1400, 1000))
            found.append((time.perf_counter() - began, _processor_seconds() - busy))
    changed = session.candidates[0].evidence.diff if session.candidates[0].evidence else None
    lines = f"{changed.added + changed.removed:,}" if changed else "?"
    print(f"8 candidates, {lines} changed lines in the winner\n")
    print("| size (MB) | made, processor (s) | opened (s) | opened, processor (s) | an empty page (s) |")
    print("|---|---|---|---|---|")
    wall, busy = (
        statistics.median(one) - statistics.median(two)
        for one, two in zip(_turned(opened), _turned(blank), strict=True)
    )
    size = len(text.encode()) / 1e6
    print(f"| {size:.1f} | {made:.2f} | {wall:.2f} | {busy:.2f} | {statistics.median(_turned(blank)[0]):.2f} |\n")


def _processor_seconds() -> float:
    """What processes that we started and that ended have used."""
    now = os.times()
    return now.children_user + now.children_system


def _turned(pairs: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [one for one, _ in pairs], [two for _, two in pairs]


def _measure_hook(place: Path, runs: int) -> None:
    git = _repository(place)
    session = make_session(git, _attempts(_lines(200))[:2])
    write_journal(git, session)
    old = git("rev-parse", "HEAD")
    git("checkout", "--quiet", str(session.result_branch))
    for number in range(100):
        text = (git.path / "app/core.py").read_text()
        git.commit({"app/core.py": f"{text}x_{number} = compute({number})\n"}, f"step {number}")
    git("checkout", "--quiet", "-b", "work")
    new = git("rev-parse", "HEAD")
    program = Path(sys.executable).with_name("git-mimo")
    line = f"refs/heads/work {new} refs/heads/work {old}\n"

    ways = {
        "pre-push": [program, "hook", "pre-push", "origin", "url"],
        "git mimo --version": [program, "--version"],
        'python -c "import click"': [sys.executable, "-c", "import click"],
    }
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for _ in range(max(runs, 11) + 1):
        for way, command in ways.items():
            began, busy = time.perf_counter(), _processor_seconds()
            subprocess.run(command, cwd=git.path, input=line.encode(), env=environment, capture_output=True, check=True)
            found[way].append((time.perf_counter() - began, _processor_seconds() - busy))
    print("100 new commits\n\n| command | in all (ms) | processor (ms) |\n|---|---|---|")
    for way, pairs in found.items():
        wall, busy = (statistics.median(values) * 1000 for values in _turned(pairs[1:]))
        print(f"| `{way}` | {wall:.0f} | {busy:.0f} |")


def _take_pictures(place: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    git = _repository(place)
    session = _small_session(git)
    page = target / "page.html"
    page.write_text(review_page(Repository.discover(git.path), session))
    profile = place / "profile"
    for dark in (False, True):
        screenshot(page, target / f"{'dark' if dark else 'light'}.png", profile, size=(1400, 2800), dark=dark)
    phone = target / "phone.html"
    phone.write_text(
        f'<!doctype html><body style="margin:0"><iframe src="{page.name}" width=390 height=3000 style="border:0">'
    )
    screenshot(phone, target / "phone.png", profile, size=(500, 3000))
    print_pdf(page, target / "page.pdf", profile)
    print(f"pictures in {target}")


TASK = """Parsing `1_000.50` as an amount loses the fraction

The parser drops what follows the point when the number has separators.
Keep the public names."""
BROKEN = ("tests/test_core.py::test_rounding[half-even-2]",)
FLAGS = (
    "review: asks whether it is tested: `app/core.py` line 12",
    "changes a test as you allow: `tests/test_core.py`",
)
MODELS = ("openai/gpt-large", "anthropic/sonnet", "local/qwen2.5-coder-1.5b")


def _small_session(git: GitBuilder) -> SessionResult:
    parts = (git.path / "app/core.py").read_text().split("\n\n\n")[:12]
    attempts = []
    for number in range(8):
        better = [
            part.replace("return", f"# checked {number}\n        return", 1) if place % (number + 3) == 2 else part
            for place, part in enumerate(parts)
        ]
        test = f"from app import core\n\n\ndef test_core_{number}():\n    assert core\n"
        steps = [{"app/core.py": "\n\n\n".join(better)}, {}, {"tests/test_core.py": test}, {}]
        is_bad = number in (0, 3, 6)
        attempts.append(
            Attempt(
                steps=steps[: 2 + number % 3],
                passed=not is_bad,
                broken=BROKEN if is_bad else (),
                flags=FLAGS if number in (1, 4) else (),
                model=MODELS[number % 3],
                approach=APPROACHES[number % 4],
                usd=0.0021 * (number + 1),
            )
        )
    comments = {
        "2": "Small and in the right place; the helper could be private.",
        "2:app/core.py": "Why a second pass over the digits?",
    }
    return make_session(git, attempts, task=TASK, comments=comments)


def _repository(path: Path) -> GitBuilder:
    git = GitBuilder(path)
    source = (LIBRARY / "textwrap.py").read_text()
    git.commit(
        {
            "app/__init__.py": "",
            "app/core.py": source,
            "tests/test_core.py": "def test_x():\n    pass\n",
            "README.md": "# app\n",
        }
    )
    return git


def _lines(count: int) -> dict[str, str]:
    files: dict[str, str] = {}
    left = count
    for name in BIG:
        lines = (LIBRARY / name).read_text().splitlines(keepends=True)[:left]
        if lines:
            files[f"app/{name}"] = "".join(lines)
        left -= len(lines)
    return files


def _attempts(files: dict[str, str]) -> list[Attempt]:
    few = dict(list(files.items())[:1])
    first = Attempt(steps=[dict(files), *[{}] * 20])
    others = [
        Attempt(steps=[{**few, "app/n.py": f"n = {n}\n"}, *[{}] * 40], approach=APPROACHES[n % 4]) for n in range(7)
    ]
    return [first, *others]


if __name__ == "__main__":
    main()
