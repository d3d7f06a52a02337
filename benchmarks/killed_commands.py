"""Whole commands that fail or die at their k-th call which changes a file, and go on: `memory add`, `dream`, `start`.

`python -m benchmarks.kill_points --command memory|dream|start` runs it. `faults.c` is preloaded into the command and
into every git that it starts; they count together, so that each k is another moment of the whole. strace would count
each process for itself, and takes twenty times as long.
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitmimo.processes import processes_in
from tests.conftest import GitBuilder
from tests.project import PROJECT, RIGHT, fingerprint
from tests.scripted_server import Answer, Request, ScriptedServer

ROOT = Path(__file__).parent.parent
TASK = "add returns the difference instead of the sum; mend it"
# quick: much runs under strace; one call settles nothing, and that is not what is tried here
TESTS = ("--test", "python3 -c 'from calc import add; assert add(2, 3) == 5'", "--trust-tests")
FACT = "money is kept in whole cents"
FAULTS = {"kill": 0, "enospc": errno.ENOSPC, "eio": errno.EIO}
CODES = (0, 1, 2, 3, 128)
_MOST_WRONG = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A repository as its user left it, and the command that is killed in it; created anew at the same path."""

    command: str
    directory: Path
    forker: "subprocess.Popen[str]"

    @property
    def git(self) -> GitBuilder:
        return GitBuilder(self.directory / "repo")

    @property
    def words(self) -> tuple[str, ...]:
        return {
            "memory": ("memory", "add", FACT),
            "dream": ("dream", "--yes", "--json"),
            "start": ("start", "--task", TASK, "--model", "openai/m", "-n", "1", "--no-skills", *TESTS, "--json"),
        }[self.command]

    def mimo(self, *words: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run the command line."""
        forker = self.forker
        assert forker.stdin is not None
        assert forker.stdout is not None
        forker.stdin.write(
            json.dumps({"words": words, "env": dict(env or {}), "cwd": str(self.directory / "repo")}) + "\n"
        )
        forker.stdin.flush()
        said = json.loads(forker.stdout.readline())
        return subprocess.CompletedProcess(words, said["code"], said["out"], said["err"])


@contextlib.contextmanager
def open_scene(command: str, directory: Path) -> Iterator[Scene]:
    """A scene with its model's server and the process that runs the command line in it."""
    directory.mkdir(parents=True, exist_ok=True)
    preload = build_faults(directory)
    place = directory / command
    home = place / "home"
    with ScriptedServer({"m": three_steps}) as server:
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        env = kept | {
            "LD_PRELOAD": str(preload),
            "HOME": str(home),
            "XDG_STATE_HOME": f"{home}/state",
            "XDG_CONFIG_HOME": f"{home}/config",
            "PYTHONPATH": str(ROOT),
            "OPENAI_API_BASE": server.base_url,
            "OPENAI_API_KEY": "sk-test-0123456789",
            "GIT_MIMO_MAX_TOKENS": "1000000",
            "GIT_MIMO_CRITIC": "none",
            "GIT_MIMO_DREAM": "off",
            "GIT_MIMO_SANDBOX": "none",
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        (place / "repo").mkdir(parents=True)
        home.mkdir()
        with subprocess.Popen(
            [sys.executable, "-m", "benchmarks.forker"],
            cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        ) as forker:  # fmt: skip
            yield Scene(command=command, directory=place, forker=forker)
            assert forker.stdin is not None
            forker.stdin.close()


def make_template(scene: Scene) -> None:
    """The repository before the command: half-done work of the user's in files, index and stash."""
    git = scene.git
    for name, value in (("user.name", "Ada"), ("user.email", "ada@example.org"), ("gc.auto", "0")):
        git("config", name, value)
    git.commit(PROJECT, "calc: sums")
    if scene.command == "dream":
        git.commit({"routes.py": "\n", "api.md": "\n"}, "begin")
        for name in ("users", "orders"):  # a chore that came back
            git.commit({f"app/{name}.py": f"# {name}\n", "routes.py": f"{name}\n", "api.md": f"{name}\n"}, name)
    git.write({"calc.py": (git.path / "calc.py").read_text() + "# mine\n"})
    git("stash")
    git.write(
        {"calc.py": (git.path / "calc.py").read_text() + "# half done\n", "notes.txt": "u\n", "staged.txt": "s\n"}
    )
    git("add", "staged.txt")


def three_steps(request: Request) -> Answer:
    """What to say follows from the conversation alone, so that a repeated step gets the same answer."""
    taken = sum(message["role"] == "assistant" for message in request.messages)
    if taken == 0:
        return Answer(tool_calls=(("shell", json.dumps({"command": "cat calc.py"})),))
    if taken == 1:
        return Answer(tool_calls=(("write", json.dumps({"path": "calc.py", "content": RIGHT})),))
    return Answer(tool_calls=(("finish", json.dumps({"summary": "the plus sign"})),))


def build_faults(directory: Path) -> Path:
    """Compile what is preloaded; RuntimeError without a C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise RuntimeError("no C compiler")
    made = directory / "faults.so"
    source = Path(__file__).parent / "faults.c"
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", made, source, "-ldl"], check=True)
    return made


def try_command(scene: Scene, template: Path, k: int, fault: str, preload: Path) -> bool:
    """Let the command meet a fault at the k-th call, go on, and check; returns whether the fault came at all."""
    shutil.rmtree(scene.directory, ignore_errors=True)
    shutil.copytree(template, scene.directory, symlinks=True)
    scene.git("update-index", "-q", "--refresh", check=False)
    measure = _user_of(scene)
    before = measure()
    counters = scene.directory / "counters"
    counters.write_bytes(bytes(24))
    env = {
        "LD_PRELOAD": str(preload),
        "FAULT_COUNT": str(counters),
        "FAULT_AT": str(k),
        "FAULT_ERRNO": str(FAULTS[fault]),
        "FAULT_STAYS": str(int(fault == "enospc")),  # a full disk stays full
    }
    done = scene.mimo(*scene.words, env=env)
    _, came, _ = struct.unpack("lll", counters.read_bytes())
    if FAULTS[fault] == 0:
        _kill_left(scene)
    state = f"{scene.command} {fault} {k}: exit {done.returncode}: {done.stderr[-300:]}{done.stdout[-300:]}: "
    try:
        assert fault == "kill" or done.returncode in CODES, "not an exit code of ours"
        assert "Traceback" not in done.stderr, "a bug"
        assert "this is a bug" not in done.stderr, "a bug"
        assert measure() == before or fault == "kill", "the user's files, index, stash or config"
        GO_ON[scene.command](scene)
        _check_all(scene, before, measure)
    except AssertionError as exc:
        raise AssertionError(f"{state}{exc}") from exc
    return bool(came)


def _kill_left(scene: Scene) -> None:
    for pid in processes_in(scene.directory):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _was_injected(log: Path, fault: str) -> bool:
    said = log.read_text(errors="replace") if log.exists() else ""
    return ("+++ killed by SIGKILL" if fault == "kill" else "(INJECTED)") in said


def _user_of(scene: Scene) -> Callable[[], Mapping[str, str]]:
    measure = fingerprint(scene.git)

    def without_debris() -> Mapping[str, str]:
        found = measure()
        return {name: value for name, value in found.items() if scene.command != "memory" or not _is_memory(name)}

    return without_debris


def _is_memory(name: str) -> bool:
    """What `memory add` may change: it commits on the user's branch."""
    return name.startswith(".mimo/") or name in ("refs", "status", ".git/index")


def _go_on_memory(scene: Scene) -> None:
    if "mimo: remember" not in scene.git("log", "--format=%s", "-1"):
        done = scene.mimo(*scene.words)
        assert done.returncode == 0, f"cannot go on: {done.stderr}"
    git = scene.git
    assert git("rev-list", "--count", "HEAD") == "2", "not one commit"
    names = git("diff", "--name-only", "HEAD~1", "HEAD").splitlines()
    assert len(names) == 2, names
    assert FACT in git("show", "HEAD:.mimo/MEMORY.md")
    assert git("status", "--porcelain") == " M calc.py\nA  staged.txt\n?? notes.txt", git("status", "--porcelain")


def _go_on_dream(scene: Scene) -> None:
    done = scene.mimo(*scene.words)
    assert done.returncode == 0, f"cannot go on: {done.stderr}"
    made = scene.git("for-each-ref", "--format=%(refname:short)", "refs/heads/mimo/dream-*").split()
    assert made, "no dream"
    contents = {scene.git("diff", "--name-only", "HEAD", branch) for branch in made}
    assert len(contents) == 1, f"dreams that differ: {contents}: {done.stdout}"
    assert "SKILL.md" in contents.pop(), "no skill"


def _go_on_start(scene: Scene) -> None:
    said: Any = None
    for _ in range(2):
        done = scene.mimo("resume", "--json")
        if done.returncode == 129 and "no session" in done.stderr:
            done = scene.mimo("show", "--json") if _has_session(scene) else scene.mimo(*scene.words)
        if done.returncode == 0:
            said = json.loads(done.stdout)
            break
    assert said is not None, f"cannot go on: {done.stderr}{done.stdout}"
    git = scene.git
    branch = said["result_branch"]
    assert said["winner"] == 1, said
    assert git("show", f"{branch}:calc.py") == RIGHT.rstrip("\n")
    assert git("diff", "--name-only", "main", branch) == "calc.py"
    assert len(git("branch", "--list", "mimo/*-*").splitlines()) == 1, "not one result"


def _has_session(scene: Scene) -> bool:
    done = scene.mimo("show", "--json")
    return done.returncode == 0 and bool(json.loads(done.stdout).get("result_branch"))


GO_ON: Mapping[str, Callable[[Scene], None]] = {
    "memory": _go_on_memory,
    "dream": _go_on_dream,
    "start": _go_on_start,
}


def _check_all(scene: Scene, before: Mapping[str, str], measure: Callable[[], Mapping[str, str]]) -> None:
    """Nothing of the user's has changed, and nothing is left: files, locks, worktrees, processes."""
    cleaned = scene.mimo("gc", "--json")
    assert cleaned.returncode == 0, f"gc: {cleaned.stderr}{cleaned.stdout}"
    git = scene.git
    now = measure()
    assert now == before, {name for name in now.keys() | before.keys() if now.get(name) != before.get(name)}
    done = subprocess.run(["git", "-C", git.path, "fsck", "--strict"], capture_output=True, text=True, check=False)
    assert (done.returncode, "missing" in done.stdout) == (0, False), done.stderr + done.stdout
    assert git("worktree", "list").count("\n") == 0, "a worktree is left"
    assert not list((git.path / ".git/worktrees").glob("*")), "an entry of a worktree is left"
    locks = [p for p in (git.path / ".git").glob("**/*.lock") if "mimo/" not in str(p)]
    assert not locks, f"a lock is left: {locks}"
    assert not list((git.path / ".git/mimo/kept").glob("*")), "a kept object is left"
    sessions = [path for path in (scene.directory / "home/state").glob("git-mimo/*/*") if path.is_dir()]
    assert not sessions, f"files of a session are left: {sessions}"
    assert not processes_in(scene.directory), "a process is left"
    digest = hashlib.sha256((git.path / ".git/config").read_bytes()).hexdigest()
    assert digest == now[".git/config"]


def run_command(command: str, directory: Path, *, faults: Sequence[str], ks: Sequence[int]) -> dict[str, int]:
    """Try the points `ks` with each fault, or from 1 on until two come to no call; returns how many faults came.

    `wrong` counts the points after which something was not as it should be; each is reported on stderr, and twenty end
    the run.
    """
    counts: dict[str, int] = {}
    with open_scene(command, directory) as scene:
        make_template(scene)
        template, preload = directory / f"{command}-template", directory / "faults.so"
        shutil.copytree(scene.directory, template, symlinks=True)
        for fault in faults:
            name = f"{command}, {fault}"
            counts[name] = missed = 0
            for k in ks:
                try:
                    came = try_command(scene, template, k, fault, preload)
                except AssertionError as exc:
                    sys.stderr.write(f"{exc}\n")
                    counts["wrong"] = counts.get("wrong", 0) + 1
                    if counts["wrong"] == _MOST_WRONG:
                        return counts
                    continue
                counts[name] += came
                missed = 0 if came else missed + 1
                sys.stderr.write(f"{name} {k}: {'as it should' if came else 'no such call'}\n")
                if missed > 1:
                    break
    return counts
