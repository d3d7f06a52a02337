"""A task solved by a real model, dreamed of, and given again in a fresh clone: both times, calls and gates.

python -m benchmarks.replay --gguf PATH/qwen2.5-coder-1.5b.gguf
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitmimo.workflow.demo import TASK, make_demo_repository

_LATER = {
    "README.md": "# Shelf\n\nKeeps track of a stock, and of who ordered what.\n",
    "shelf/orders.py": '"""Who ordered what."""\n\n\ndef total(orders):\n    return sum(orders.values())\n',
    "tests/test_orders.py": (
        "from shelf.orders import total\n\n\ndef test_total():\n    assert total({'nails': 2, 'screws': 3}) == 5\n"
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One `git mimo start`: what it printed, and how long it took."""

    result: Mapping[str, Any]
    wall_s: float

    @property
    def gates(self) -> str:
        winner = next(c for c in self.result["candidates"] if c["n"] == self.result["winner"])
        return ", ".join(
            f"{g['name']} {g['outcome']}" for g in winner["evidence"]["gates"] if g["outcome"] != "skipped"
        )


def replay(scratch: Path, gguf: Path) -> tuple[Run, Run, Run]:
    """Solve the demo task with the model; then twice in a clone whose history went on, by somebody without a model."""
    models = scratch / "with-model" / "data" / "git-mimo" / "models"
    models.mkdir(parents=True)
    (models / "qwen2.5-coder-1.5b.gguf").symlink_to(gguf.resolve())
    here, there = _home(scratch / "with-model"), _home(scratch / "without-model")
    repository = make_demo_repository(scratch / "repository")
    base = _git(repository, "rev-parse", "HEAD")
    options = ("-m", "local", "-n", "8", "--critic", "none", "--merge")
    first = _start(repository, here, *options)

    clone = scratch / "clone"
    _git(scratch, "clone", "--quiet", str(repository), str(clone))
    _git(clone, "checkout", "--quiet", base, "--", "shelf")
    for name, text in _LATER.items():
        (clone / name).write_text(text)
    _git(clone, "add", "--all")
    _git(
        clone,
        "-c",
        "user.name=Bo",
        "-c",
        "user.email=bo@example.org",
        "commit",
        "-qm",
        "shelf: orders; an old bug again",
    )
    _mimo(clone, there, "trust", "--yes")
    return first, _start(clone, there), _start(clone, there)


def _start(repository: Path, env: Mapping[str, str], *options: str) -> Run:
    began = time.monotonic()
    said = _mimo(repository, env, "start", "--task", TASK, "--json", *options)
    return Run(result=json.loads(said), wall_s=time.monotonic() - began)


def _home(place: Path) -> dict[str, str]:
    place.mkdir(exist_ok=True)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "MIMO_"))}
    env |= {f"XDG_{name}_HOME": str(place / name.lower()) for name in ("CONFIG", "STATE", "DATA", "CACHE")}
    env |= {"HOME": str(place), "PYTHONPATH": str(Path(__file__).parent.parent)}
    identity = {"NAME": "Ada", "EMAIL": "ada@example.org"}
    return env | {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in identity.items()}


def _mimo(cwd: Path, env: Mapping[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "gitmimo", *arguments], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"git mimo {arguments[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout


def _git(cwd: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=cwd, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gguf", type=Path, required=True, help="the local model's file")
    with tempfile.TemporaryDirectory(prefix="mimo-replay-") as scratch:
        runs = replay(Path(scratch), parser.parse_args().gguf)
    print("| run | seconds | of the first | model calls | tokens | winner | gates |\n|---|---|---|---|---|---|---|")
    for name, run in zip(("local model", "skill, fresh clone", "skill, once more"), runs, strict=True):
        result = run.result
        tokens = sum(sum(c["tokens"].values()) - c["tokens"]["cached"] for c in result["candidates"])
        share = f"{run.wall_s / runs[0].wall_s:.1%}"
        cells = (name, f"{run.wall_s:.1f}", share, result["llm_calls"], tokens, result["winner"], run.gates)
        print(f"| {' | '.join(map(str, cells))} |")


if __name__ == "__main__":
    main()
