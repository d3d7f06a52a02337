"""Forty small chores in one session of the real local model: how many steps, how large a prompt, how many done.

    python -m benchmarks.chores --gguf PATH/qwen2.5-coder-1.5b.gguf [--chores 40] [--window 8192] [--steps 130]

Each chore takes three steps: have it told, do it, have it checked. The history is many times the window, so the context
has to be cut again and again; a prompt that the server refuses as too long would show as an overflow.
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
TASK = """\
Work through the {count} chores of this project, one after the other, with one command in each reply:
1. `python3 chores.py next` tells the next chore and its number.
2. Do that chore with one shell command.
3. `python3 chores.py check NUMBER` says whether it is done.
Then go on with 1. Never edit chores.py. Finish when `next` says that all are done.
"""
SCRIPT = '''\
"""Chores, one at a time: `next` tells the first open one, `check N` whether one is done, `all` fails while any is."""

import pathlib
import sys

COUNT = {count}


def chore(n):
    """The words of a chore, and whether it is done."""
    if n % 4 == 1:
        path = pathlib.Path(f"settings/{n:02}.ini")
        return f"in {path}, change `limit = 0` to `limit = {17 * n}`", f"limit = {17 * n}\\n" in path.read_text()
    if n % 4 == 2:
        path = pathlib.Path(f"src/part{n:02}.py")
        text = path.read_text()
        return f"in {path}, rename the function `total` to `total_{n}`", f"def total_{n}(" in text
    if n % 4 == 3:
        line = f"- part {n:02} was checked"
        return f"append the line `{line}` to CHANGES.md", line in pathlib.Path("CHANGES.md").read_text().splitlines()
    path = pathlib.Path(f"old/{n:02}.txt")
    return f"delete the file {path}", not path.exists()


def main(verb, *rest):
    open_ones = [n for n in range(1, COUNT + 1) if not chore(n)[1]]
    if verb == "next":
        print(f"chore {open_ones[0]}: {chore(open_ones[0])[0]}" if open_ones else f"all {COUNT} chores are done")
    elif verb == "check":
        n = int(rest[0])
        words, done = chore(n)
        print(f"chore {n}: done, {len(open_ones)} are left" if done else f"chore {n}: not done yet: {words}")
        return not done
    elif verb == "all":
        print(f"{COUNT - len(open_ones)} of {COUNT} done")
        return bool(open_ones)
    return 0


sys.exit(main(*sys.argv[1:]))
'''


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
            sys.executable, "-m", "gitmimo", "start", "--task", TASK.format(count=chores), "--model", "local/chores",
            "-n", "1", "--strategy", "shell", "--max-steps", str(steps), "--critic", "none", "--no-skills",
            "--test", "python3 chores.py all", "--max-tokens", "100000000", "--json",
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
    files = {"chores.py": SCRIPT.replace("{count}", str(chores)), "CHANGES.md": "# Changes\n\n"}
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
    said = subprocess.run(
        [sys.executable, "chores.py", "all"], cwd=place, stdout=subprocess.PIPE, text=True, check=False
    )
    return int(said.stdout.split()[0])


def main() -> None:
    """Run it and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gguf", type=Path, required=True, help="the local model's file")
    parser.add_argument("--chores", type=int, default=40)
    parser.add_argument("--window", type=int, default=8192)
    parser.add_argument("--steps", type=int, default=130, help="at most so many")
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
