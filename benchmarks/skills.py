"""What skills are worth to a real model: a release the second time, and ten chores in other words with and without.

    python -m benchmarks.skills --gguf PATH/qwen2.5-coder-1.5b.gguf [--chores 10]
    python -m benchmarks.skills --model openai/NAME

Two releases and three reports are people's commits. A dream makes a skill of each kind. First the third release is done
by the skill's script and, in another clone, by the model. Then each chore (a report, worded anew) is given twice: with
the skills in `.mimo/`, and in a clone that has none. A chore counts as solved when every place of it is there on the
result branch: no test asks for a report, so these sessions end unsettled, for a person to merge.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RELEASE = "Release the version 2.6.0"
CHORES = (
    "Add a monthly report called {name}",
    "Our accountants want a report {name}",
    "Show {name} as one of the reports",
    "We need {name} among the reports",
    "Implement the {name} report",
    "Please write a new report with the name {name}",
    "{name} is missing from the reports; add it",
    "Create report {name} like the others",
    "Users ask for {name} in the list of reports",
    "Introduce a report module {name}",
)
NAMES = ("margins", "taxes", "refunds", "payroll", "stock", "debtors", "fees", "rents", "tips", "gifts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One session: whether every place of the chore is there, model calls, elapsed seconds."""

    solved: bool
    calls: int
    seconds: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gguf", type=Path, help="a local model's file")
    parser.add_argument("--model", help="a model as litellm names it")
    parser.add_argument("--chores", type=int, default=len(CHORES))
    options = parser.parse_args()
    if (options.gguf is None) == (options.model is None):
        parser.error("give --gguf or --model")
    with tempfile.TemporaryDirectory(prefix="mimo-skills-") as scratch:
        bench = Bench(Path(scratch), options.model or "local/skills", options.gguf)
        script, model = bench.release()
        say("the third release", script, model, names=("by its script", "by the model"))
        both = [bench.chore(number) for number in range(options.chores)]
        for number, (with_skill, without) in enumerate(both):
            say(CHORES[number].format(name=NAMES[number]), with_skill, without, names=("skill in view", "without"))
        for name, runs in (("with the skill in view", [a for a, _ in both]), ("without", [b for _, b in both])):
            print(f"solved {name}: {sum(run.solved for run in runs)} of {len(runs)}")
    return 0


class Bench:
    """A project with a history and skills, cloned anew for each run."""

    def __init__(self, scratch: Path, model: str, gguf: Path | None) -> None:
        self._scratch, self._model = scratch, model
        self._env = {
            **os.environ, "HOME": str(scratch), "XDG_STATE_HOME": str(scratch / "state"), "PYTHONPATH": str(ROOT),
            "XDG_DATA_HOME": str(scratch / "data"), "GIT_CONFIG_GLOBAL": str(scratch / "gitconfig"),
        }  # fmt: skip
        (scratch / "gitconfig").write_text("[user]\n\tname = Bench\n\temail = bench@example.org\n")
        if gguf is not None:
            models = scratch / "data" / "git-mimo" / "models"
            models.mkdir(parents=True)
            (models / "skills.gguf").symlink_to(gguf.resolve())
        self._project = make_project(scratch / "project", self._env)
        branch = self._mimo(self._project, "dream", "--yes", "--json")["branch"]
        git(self._project, self._env, "merge", "-q", branch)

    def release(self) -> tuple[Run, Run]:
        """The third release by its skill's script, and by the model."""
        found = []
        for name, flags in (("script", ()), ("model", ("--no-skills",))):
            clone = self._clone(name)
            self._mimo(clone, "trust", "--yes")
            found.append(self._start(clone, RELEASE, flags, lambda at: released(at, "2.6.0")))
        return found[0], found[1]

    def chore(self, number: int) -> tuple[Run, Run]:
        """One chore with the skills in view, and without any."""
        found = []
        for name, removed in ((f"with{number}", False), (f"without{number}", True)):
            clone = self._clone(name)
            if removed:
                git(clone, self._env, "rm", "-rq", ".mimo/skills")
                git(clone, self._env, "commit", "-qm", "no skills")
            task = CHORES[number].format(name=NAMES[number])
            found.append(self._start(clone, task, ("--no-skills",), lambda at: reported(at, NAMES[number])))
        return found[0], found[1]

    def _start(self, clone: Path, task: str, flags: Sequence[str], is_solved: Any) -> Run:
        began = time.monotonic()
        said = self._mimo(clone, "start", task, "-m", self._model, "-n", "2", "--json", *flags)
        seconds = time.monotonic() - began
        if said["result_branch"]:
            git(clone, self._env, "checkout", "-q", said["result_branch"])
        return Run(solved=is_solved(clone), calls=said["llm_calls"], seconds=seconds)

    def _clone(self, name: str) -> Path:
        where = self._scratch / name
        git(self._scratch, self._env, "clone", "-q", str(self._project), str(where))
        return where

    def _mimo(self, where: Path, *words: str) -> dict[str, Any]:
        done = subprocess.run(
            [sys.executable, "-m", "gitmimo", *words], cwd=where, env=self._env, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        if "--json" not in words:
            return {}
        if not done.stdout.startswith("{"):
            raise SystemExit(f"git mimo {' '.join(words)}: {done.stderr}")
        return dict(json.loads(done.stdout))


def say(task: str, one: Run, other: Run, *, names: tuple[str, str]) -> None:
    """One line for the two runs of a task."""
    both = (f"{n} {r.solved and 'solved' or 'not'}, {r.calls} calls, {r.seconds:.0f} s" for n, r in
            zip(names, (one, other), strict=True))  # fmt: skip
    print(f"{task}: {'; '.join(both)}", flush=True)


def released(at: Path, version: str) -> bool:
    """Whether every place has the new version."""
    texts = [(at / name).read_text() for name in ("ledger/__init__.py", "pyproject.toml", "CHANGELOG.md")]
    return all(version in text for text in texts)


def reported(at: Path, name: str) -> bool:
    """Whether a report is in every place that the earlier ones are in."""
    places = ("ledger/reports/__init__.py", "docs/reports.md", "ledger/index.json")
    return (at / f"ledger/reports/{name}.py").is_file() and all(name in (at / path).read_text() for path in places)


def make_project(where: Path, env: dict[str, str]) -> Path:
    """The project of the month's test with three reports and two releases by hand."""
    from tests.workflow.test_month import PROJECT

    where.mkdir()
    git(where, env, "init", "-q", "-b", "main")
    files = dict(PROJECT)
    commit(where, env, files, "ledger")
    for name, subject in (
        ("weekly", "Add a weekly report"),
        ("churn", "churn among the reports"),
        ("top", "report top"),
    ):
        listed = files["ledger/reports/__init__.py"].replace("]", f'    "{name}",\n]')
        index = json.dumps(sorted([*json.loads(files["ledger/index.json"]), name])) + "\n"
        files |= {
            f"ledger/reports/{name}.py": f"def report(rows):\n    return '{name}', rows\n",
            "ledger/reports/__init__.py": listed, "docs/reports.md": files["docs/reports.md"] + f"- {name}\n",
            "ledger/index.json": index,
        }  # fmt: skip
        commit(where, env, files, subject)
    before = "2.3.0"
    for version in ("2.4.0", "2.5.0"):
        log = files["CHANGELOG.md"].replace("# Changes\n\n", f"# Changes\n\n## {version}\n\n- see git\n\n")
        files["pyproject.toml"] = files["pyproject.toml"].replace(before, version)
        files |= {"ledger/__init__.py": f'__version__ = "{version}"\n', "CHANGELOG.md": log}
        commit(where, env, files, f"Release the version {version}")
        before = version
    return where


def commit(where: Path, env: dict[str, str], files: dict[str, str], subject: str) -> None:
    """Write the files and commit what differs."""
    for path, text in files.items():
        (where / path).parent.mkdir(parents=True, exist_ok=True)
        (where / path).write_text(text)
    git(where, env, "add", "-A")
    git(where, env, "commit", "-qm", subject)


def git(where: Path, env: dict[str, str], *words: str) -> None:
    """Run git, loudly when it fails."""
    subprocess.run(["git", *words], cwd=where, env=env, check=True)


if __name__ == "__main__":
    sys.exit(main())
