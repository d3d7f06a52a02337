"""A session of hundreds of steps and megabytes of output: what the dream keeps, what it takes, how `.git` grows.

python -m benchmarks.long_session [--steps 300] [--megabytes 30]
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.scripted_server import Answer, Request, ScriptedServer

ROOT = Path(__file__).resolve().parent.parent
TASK = "Add an option `--shout` to the command line that prints in capitals, with a test and a line in the README"
CLI = """\
import argparse


def parser():
    found = argparse.ArgumentParser()
    found.add_argument("--name", default="you", help="who to greet")
    return found


def main(argv=None):
    args = parser().parse_args(argv)
    print("hello", args.name)
    return 0
"""
PROJECT = {
    "app/__init__.py": "",
    "app/cli.py": CLI,
    "tests/test_cli.py": (
        "from app.cli import parser\n\n\ndef test_name():\n    assert parser().parse_args([]).name == 'you'\n"
    ),
    "README.md": "# App\n\n## Options\n\n- `--name`: who to greet\n\n## Licence\n\nMIT\n",
    "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["."]\n',
}
RIGHT = '    found.add_argument("--shout", action="store_true", help="print in capitals")\n    return found\n'
TEST = "from app.cli import parser\n\n\ndef test_shout():\n    assert parser().parse_args(['--shout']).shout\n"
DOC = "- `--shout`: print in capitals\n\n## Licence"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one session of that kind came to."""

    steps: int
    output_mb: float
    record_bytes: int
    lessons: int
    skills: int
    skill_steps: int
    git_before_kb: int
    git_session_kb: int
    git_after_kb: int
    added_kb: int  # what the change and its `.mimo/` commit hold, before compression
    session_mb: float
    dream_mb: float
    dream_s: float


def measure(scratch: Path, *, steps: int, megabytes: float) -> Figures:
    """Run the session without its dream, then the dream, merge both, collect the garbage, and look."""
    env = _environment(scratch)
    repository = _make_repository(scratch / "repository", env)
    base = _git(repository, env, "rev-parse", "HEAD")
    before = _size_kb(repository, env)
    script = list(_script(steps, int(megabytes * 1_000_000)))
    with ScriptedServer({"m": lambda request: _answer(script, request)}) as server:
        env |= {"OPENAI_API_BASE": server.base_url, "OPENAI_API_KEY": "none"}
        options = ("-m", "openai/m", "-n", "1", "--strategy", "shell", "--protocol", "tools", "--critic", "none")
        limits = ("--max-steps", str(steps + 5), "--max-tokens", "1000000000", "--merge", "--json")
        said, session_mb = _mimo(repository, env | {"GIT_MIMO_DREAM": "off"}, "start", "-t", TASK, *options, *limits)
    result = json.loads(said)
    produced = sum(_printed(command) for kind, command in script if kind == "shell")
    whole = _disk_kb(repository)
    began = time.monotonic()
    said, dream_mb = _mimo(repository, env, "dream", "--json")
    dream_s = time.monotonic() - began
    dreamed = json.loads(said)
    _git(repository, env, "merge", "--quiet", dreamed["branch"])
    _mimo(repository, env, "gc", "--expire=now")
    after = _size_kb(repository, env)
    names = _git(repository, env, "diff", "--name-only", "--diff-filter=d", base, "HEAD").splitlines()
    record = repository / ".mimo" / "sessions" / f"{result['session']}.md"
    procedures = list(repository.glob(".mimo/skills/*/assets/procedure.json"))
    return Figures(
        steps=result["candidates"][0]["steps"],
        output_mb=produced / 1e6,
        record_bytes=record.stat().st_size,
        lessons=len(dreamed["facts"]),
        skills=len(dreamed["skills"]),
        skill_steps=sum(len(json.loads(path.read_text())["steps"]) for path in procedures),
        git_before_kb=before,
        git_session_kb=whole,
        git_after_kb=after,
        added_kb=sum((repository / name).stat().st_size for name in names) // 1024,
        session_mb=session_mb,
        dream_mb=dream_mb,
        dream_s=dream_s,
    )


def _script(steps: int, output: int) -> Iterator[tuple[str, str]]:
    """What the model does: mostly it looks around, at length; now and then it tries something, seldom rightly."""
    useful = {
        steps // 5: (
            "edit",
            json.dumps({"path": "app/cli.py", "old": "    return found\n", "new": "    retrn found\n"}),
        ),
        steps // 4: (
            "edit",
            json.dumps({"path": "app/cli.py", "old": "    retrn found\n", "new": "    return found\n"}),
        ),
        steps // 3: ("edit", json.dumps({"path": "app/cli.py", "old": "    return found\n", "new": RIGHT})),
        steps // 2: ("write", json.dumps({"path": "tests/test_shout.py", "content": TEST})),
        steps - 40: ("edit", json.dumps({"path": "README.md", "old": "\n## Licence", "new": DOC})),
    }
    lines = output // max(1, steps * 4 // 5) // 9
    for number in range(1, steps):
        if number in useful:
            yield useful[number]
        elif number % 7 == 0:
            yield "shell", json.dumps({"command": f"python3 -m nothing_like_{number}"})
        elif number % 11 == 0:
            yield "shell", json.dumps({"command": f"echo {number} > scratch.txt; cat scratch.txt; rm scratch.txt"})
        else:
            first = 10_000_000 + number * 100_000
            yield "shell", json.dumps({"command": f"seq {first} {first + lines}"})
    yield "finish", json.dumps({"summary": "the option is there"})


def _answer(script: list[tuple[str, str]], request: Request) -> Answer:
    kind, arguments = script[min(request.number, len(script)) - 1]
    return Answer(text=f"Step {request.number}.", tool_calls=((kind, arguments),))


def _printed(arguments: str) -> int:
    words = str(json.loads(arguments)["command"]).split()
    return 9 * (int(words[2]) - int(words[1]) + 1) if words[0] == "seq" else 50


def _make_repository(place: Path, env: Mapping[str, str]) -> Path:
    """The project, beside some megabytes of other code that a real repository has."""
    chooser = random.Random(5)
    files = dict(PROJECT)
    for number in range(200):
        words = (f"value_{chooser.randrange(10**9):x} = {chooser.random()}" for _ in range(600))
        files[f"lib/module_{number}.py"] = "\n".join(words) + "\n"
    for name, text in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for arguments in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "start"]):
        _git(place, env, *arguments)
    return place


def _size_kb(repository: Path, env: Mapping[str, str]) -> int:
    """`.git` on disk once git has packed what is reachable and dropped the rest."""
    _git(repository, env, "reflog", "expire", "--expire=now", "--all")
    _git(repository, env, "gc", "--quiet", "--prune=now")
    return _disk_kb(repository)


def _disk_kb(repository: Path) -> int:
    return sum(path.lstat().st_size for path in (repository / ".git").rglob("*") if path.is_file()) // 1024


def _environment(scratch: Path) -> dict[str, str]:
    home = scratch / "home"
    home.mkdir(parents=True)
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    kept["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
    identity = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER")
                for key, value in (("NAME", "Ada"), ("EMAIL", "ada@example.org"))}  # fmt: skip
    return kept | identity | {"HOME": str(home), "PYTHONPATH": str(ROOT), "GIT_CONFIG_NOSYSTEM": "1"}


def _mimo(repository: Path, env: Mapping[str, str], *arguments: str) -> tuple[str, float]:
    """What a command printed, and the most memory that it, or a child of it, had at once."""
    command = [sys.executable, "-m", "gitmimo", *arguments]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = subprocess.Popen(command, cwd=repository, env=dict(env), stdout=out, stderr=err)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        for file in (out, err):
            file.seek(0)
        if child.returncode:
            raise SystemExit(f"git mimo {arguments[0]} ended with {child.returncode}: {err.read()[-2000:].decode()}")
        return out.read().decode(), usage.ru_maxrss / 1024


def _git(repository: Path, env: Mapping[str, str], *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=repository, env=dict(env), capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--megabytes", type=float, default=30)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mimo-long-") as scratch:
        found = measure(Path(scratch), steps=options.steps, megabytes=options.megabytes)
    growth = (found.git_after_kb - found.git_before_kb) / found.git_before_kb
    rows = [
        ("steps, output", f"{found.steps}, {found.output_mb:.1f} MB", ""),
        ("session record", f"{found.record_bytes:,} bytes", "10 KB"),
        ("lessons", f"{found.lessons}", "3"),
        ("skills, and steps of the procedure", f"{found.skills}, {found.skill_steps}", "1"),
        ("`.git` before, packed", f"{found.git_before_kb:,} KB", ""),
        ("`.git` with the session's steps", f"{found.git_session_kb:,} KB", ""),
        ("`.git` after `gc --expire=now`", f"{found.git_after_kb:,} KB ({growth:+.1%})", "+5 % and the change"),
        ("the change with record and skill, as files", f"{found.added_kb:,} KB", ""),
        ("peak memory of the session", f"{found.session_mb:.0f} MB", "300 MB"),
        ("peak memory of the dream", f"{found.dream_mb:.0f} MB", "300 MB"),
        ("time of the dream", f"{found.dream_s:.1f} s", ""),
    ]
    print("| | seen | at most |\n|---|---|---|")
    for row in rows:
        print(f"| {row[0]} | {row[1]} | {row[2]} |")


if __name__ == "__main__":
    main()
