"""Forty small chores in one session of the real local model: how many steps, how large a prompt, how many done.

    python -m benchmarks.chores --gguf PATH/qwen2.5-coder-1.5b.gguf [--chores 40] [--window 8192] [--steps 320]

The task is one list, which the list strategy does item by item. A prompt that the server refuses as too long would show
as an error.
"""

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHECK = '''\
"""Says how many of the chores are done, and which are left."""

import pathlib
import sys


def is_done(n):
    if n % 4 == 1:
        return f"limit = {17 * n}\\n" in pathlib.Path(f"settings/{n:02}.ini").read_text()
    if n % 4 == 2:
        text = pathlib.Path(f"src/part{n:02}.py").read_text()
        return f"def total_{n}(items)" in text and "return sum(items)" in text
    if n % 4 == 3:
        return pathlib.Path("CHANGES.md").read_text().splitlines().count(f"- part {n:02} was checked") == 1
    return not pathlib.Path(f"old/{n:02}.txt").exists()


left = [n for n in range(1, {count} + 1) if not is_done(n)]
print({count} - len(left), "done; left:", *left)
sys.exit(bool(left))
'''


def task_of(chores: int) -> str:
    """The list of chores as a person would write it."""
    words = (
        lambda n: f"Delete the file old/{n:02}.txt",
        lambda n: f"In settings/{n:02}.ini, change `limit = 0` to `limit = {17 * n}`",
        lambda n: f"In src/part{n:02}.py, rename the function `total` to `total_{n}`",
        lambda n: f"Append the line `- part {n:02} was checked` to CHANGES.md",
    )
    listed = "\n".join(f"{n}. {words[n % 4](n)}" for n in range(1, chores + 1))
    return f"Maintenance of the project, {chores} chores:\n\n{listed}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one session came to; tokens are the server's."""

    exit_code: int
    steps: int
    calls: int
    largest: int
    prompts: int
    cached: int
    done: int
    ended: str
    seconds: float


def measure(scratch: Path, gguf: Path, *, chores: int, window: int, steps: int) -> Figures:
    """Run the session; what it left is read from its ledger and its branch."""
    models = scratch / "data" / "git-mimo" / "models"
    models.mkdir(parents=True)
    (models / "chores.gguf").symlink_to(gguf.resolve())
    repository = make_repository(scratch / "repository", chores)
    env = _environment(scratch) | {"GIT_MIMO_LOCAL_CONTEXT": str(window), "GIT_MIMO_DREAM": "off"}
    began = time.monotonic()
    done = subprocess.run(
        [
            sys.executable, "-m", "gitmimo", "start", "--task", task_of(chores), "--model", "local/chores",
            "-n", "1", "--max-steps", str(steps), "--critic", "none", "--no-skills",
            "--test", "python3 tests/check.py", "--max-tokens", "100000000", "--json",
        ],
        cwd=repository, env=env, stdout=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    seconds = time.monotonic() - began
    if not done.stdout:
        raise SystemExit(f"the session ended with {done.returncode}")
    candidate = json.loads(done.stdout)["candidates"][0]
    with sqlite3.connect(repository / ".git/mimo/ledger.sqlite3") as ledger:
        calls, largest, prompts, cached = ledger.execute(
            "SELECT count(*), max(prompt), sum(prompt), sum(cached) FROM calls WHERE candidate = 1"
        ).fetchone()
    return Figures(
        exit_code=done.returncode,
        steps=candidate["steps"],
        calls=calls,
        largest=largest,
        prompts=prompts,
        cached=cached,
        done=_done_in(repository, candidate["commit"], scratch / "look"),
        ended=f"{candidate['status']}: {candidate['summary']}",
        seconds=seconds,
    )


def make_repository(place: Path, chores: int) -> Path:
    """A repository with its chores still to be done."""
    files = {"tests/check.py": CHECK.replace("{count}", str(chores)), "CHANGES.md": "# Changes\n\n"}
    for n in range(1, chores + 1):
        if n % 4 == 1:
            files[f"settings/{n:02}.ini"] = "[part]\nlimit = 0\nname = part\n"
        elif n % 4 == 2:
            files[f"src/part{n:02}.py"] = "def total(items):\n    return sum(items)\n"
        elif n % 4 == 0:
            files[f"old/{n:02}.txt"] = "nobody reads this any more\n"
    for name, text in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    for words in (("init", "-q", "-b", "main"), ("add", "."), (*identity, "commit", "-qm", "start")):
        subprocess.run(["git", *words], cwd=place, check=True)
    return place


def _environment(scratch: Path) -> Mapping[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    homes = {f"XDG_{name}_HOME": str(scratch / name.lower()) for name in ("CONFIG", "STATE", "DATA", "CACHE")}
    who = {"NAME": "Ada", "EMAIL": "ada@example.org"}
    identity = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()}
    return kept | homes | identity | {"HOME": str(scratch), "PYTHONPATH": str(ROOT)}


def _done_in(repository: Path, commit: str, place: Path) -> int:
    subprocess.run(["git", "clone", "-q", "--no-checkout", str(repository), str(place)], check=True)
    subprocess.run(["git", "fetch", "-q", str(repository), commit], cwd=place, check=True)
    subprocess.run(["git", "checkout", "-q", commit], cwd=place, check=True)
    said = subprocess.run([sys.executable, "tests/check.py"], cwd=place, stdout=subprocess.PIPE, text=True, check=False)
    return int(said.stdout.split()[0])


def main() -> None:
    """Run it and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gguf", type=Path, required=True, help="the local model's file")
    parser.add_argument("--chores", type=int, default=40)
    parser.add_argument("--window", type=int, default=8192)
    parser.add_argument("--steps", type=int, default=320, help="at most so many")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mimo-chores-") as scratch:
        found = measure(Path(scratch), options.gguf, chores=options.chores, window=options.window, steps=options.steps)
    rows = (
        ("steps, model calls", f"{found.steps}, {found.calls}"),
        (f"largest prompt, of {options.window}", f"{found.largest:,} tokens"),
        ("all prompts", f"{found.prompts:,} tokens, {found.cached / max(1, found.prompts):.0%} known to the cache"),
        ("chores done", f"{found.done} of {options.chores}"),
        ("ended", f"{found.ended} (exit {found.exit_code})"),
        ("time", f"{found.seconds:.0f} s"),
    )
    print("| | |\n|---|---|")
    for name, value in rows:
        print(f"| {name} | {value} |")


if __name__ == "__main__":
    main()
