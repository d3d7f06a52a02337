"""What reviewing costs: the review page of a session with 8 candidates and a diff of 20,000 lines, and the pre-push hook.

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
from collections.abc import Callable
from pathlib import Path

from gitmimo.git.repository import Repository
from gitmimo.records import SessionResult
from gitmimo.report.page import review_page
from tests.conftest import GitBuilder
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
    made, text = _timed(lambda: review_page(repository, session), min(runs, 3))
    page, empty = place / "page.html", place / "empty.html"
    page.write_text(text)
    empty.write_text("<!doctype html><title>empty</title><p>x")
    profile, picture = place / "profile", place / "picture.png"
    opened, blank = [], []
    for _ in range(runs):
        for path, found in ((empty, blank), (page, opened)):
            began = time.perf_counter()
            screenshot(path, picture, profile, size=(1400, 1000))
            found.append(time.perf_counter() - began)
    changed = session.candidates[0].evidence.diff if session.candidates[0].evidence else None
    lines = f"{changed.added + changed.removed:,}" if changed else "?"
    print(f"8 candidates, {lines} changed lines in the winner\n")
    print("| size (MB) | made in (s) | opened in (s) | an empty page (s) |\n|---|---|---|---|")
    more = statistics.median(opened) - statistics.median(blank)
    size = len(text.encode()) / 1e6
    print(f"| {size:.1f} | {made:.2f} | {more:.2f} | {statistics.median(blank):.2f} |\n")


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

    def hook() -> str:
        done = subprocess.run(
            [program, "hook", "pre-push", "origin", "url"],
            cwd=git.path, input=line, env=dict(os.environ), capture_output=True, text=True, check=False,
        )  # fmt: skip
        return f"{done.returncode} {done.stderr.strip()[:100]}"

    seconds, said = _timed(hook, max(runs, 11))
    print(f"pre-push, 100 new commits: {seconds * 1000:.0f} ms in all, with the start of Python ({said})")


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


def _small_session(git: GitBuilder) -> SessionResult:
    core = (git.path / "app/core.py").read_text()
    parts = core.split("\n\n\n")
    attempts = []
    for number in range(8):
        better = "\n\n\n".join(
            part.replace("return", f"# checked {number}\n    return", 1) if i % (number + 3) == 2 else part
            for i, part in enumerate(parts[:12])
        )
        steps = [
            {"app/core.py": better},
            {},
            {"tests/test_core.py": f"from app import core\n\n\ndef test_core_{number}():\n    assert core\n"},
            {},
        ][: 2 + number % 3]
        attempts.append(
            Attempt(
                steps=steps, passed=number not in (0, 3, 6), broken=("tests/test_core.py::test_rounding[half-even-2]",) if number in (0, 3, 6) else (),
                flags=("review: asks whether it is tested: `app/core.py` line 12", "may change dependencies: `pyproject.toml`") if number in (1, 4) else (),
                model=("openai/gpt-large", "anthropic/sonnet", "local/qwen2.5-coder-1.5b")[number % 3], approach=APPROACHES[number % 4], usd=0.0021 * (number + 1),
            )
        )  # fmt: skip
    return make_session(
        git, attempts,
        task="Parsing `1_000.50` as an amount loses the fraction\n\nThe parser drops what follows the point when the number has separators.\nKeep the public names.",
        comments={"2": "Small and in the right place; the helper could be private.", "2:app/core.py": "Why a second pass over the digits?"},
        learned={".mimo/memory/aa-fact.md": b"---\nid: aa\nkind: fact\n---\nAmounts are parsed in app/core.py alone.\n"},
    )  # fmt: skip


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


def _timed(act: Callable[[], str], runs: int) -> tuple[float, str]:
    """The median of several runs after one that warms up, and what the last returned."""
    found, said = [], act()
    for _ in range(runs):
        began = time.perf_counter()
        said = act()
        found.append(time.perf_counter() - began)
    return statistics.median(found), said


if __name__ == "__main__":
    main()
