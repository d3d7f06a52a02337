"""Whole commands under strace: `memory add`, `dream` and `start` fail or die at their k-th call, and go on.

`python -m benchmarks.kill_points --command memory|dream|start` runs it. Every process of the command counts its own
calls; the first that reaches k gets the fault, and with `kill` all the others die with it, as in a power cut.
"""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitmimo.workflow.cleaning import processes_in
from tests.conftest import GitBuilder
from tests.project import PROJECT, RIGHT, fingerprint
from tests.scripted_server import Answer, Request, ScriptedServer

ROOT = Path(__file__).parent.parent
TASK = "add returns the difference instead of the sum; mend it"
TESTS = ("--test", "python3 -c 'from calc import add; assert add(2, 3) == 5'")  # quick: much runs under strace
FACT = "money is kept in whole cents"
_CHANGING = (
    "write,pwrite64,rename,renameat,renameat2,unlink,unlinkat,link,linkat,mkdir,mkdirat,rmdir,symlink,symlinkat,"
    "fsync,fdatasync,ftruncate"
)
_WRITING = "write,pwrite64,rename,renameat2,link,linkat,mkdir,mkdirat,symlink,fsync,fdatasync,ftruncate"
FAULTS = {"kill": "signal=KILL", "enospc": "error=ENOSPC", "eio": "error=EIO"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A repository in its user's hands, and the command that is to die in it. Lies at one path, made anew each time."""

    command: str
    directory: Path
    base_url: str

    @property
    def git(self) -> GitBuilder:
        return GitBuilder(self.directory / "repo")

    @property
    def environment(self) -> dict[str, str]:
        home = str(self.directory / "home")
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        return kept | {
            "HOME": home,
            "XDG_STATE_HOME": f"{home}/state",
            "XDG_CONFIG_HOME": f"{home}/config",
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "OPENAI_API_BASE": self.base_url,
            "OPENAI_API_KEY": "sk-test-0123456789",
            "GIT_MIMO_MAX_TOKENS": "1000000",
            "GIT_MIMO_CRITIC": "none",
            "GIT_MIMO_DREAM": "off",
            "GIT_MIMO_SANDBOX": "none",
            "GIT_CONFIG_NOSYSTEM": "1",
        }

    @property
    def words(self) -> tuple[str, ...]:
        return {
            "memory": ("memory", "add", FACT, "--json"),
            "dream": ("dream", "--no-llm", "--json"),
            "start": ("start", "--task", TASK, "--model", "openai/m", "-n", "1", "--no-skills", *TESTS, "--json"),
        }[self.command]

    def mimo(self, *words: str, under: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """Run the command line, under a tracer where one is given; what it leaves behind is killed."""
        process = subprocess.Popen(
            [*under, sys.executable, "-m", "gitmimo", *words],
            cwd=self.directory / "repo",
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        out, err = process.communicate(timeout=300)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def make_template(scene: Scene) -> None:
    """The repository before the command: half-done work of the user's in files, index and stash."""
    git = scene.git
    for name, value in (("user.name", "Ada"), ("user.email", "ada@example.org"), ("gc.auto", "0")):
        git("config", name, value)
    git.commit(PROJECT, "calc: sums")
    (scene.directory / "home").mkdir(exist_ok=True)
    if scene.command == "dream":
        done = scene.mimo("start", "--task", TASK, "--model", "openai/m", "-n", "1", "--merge", *TESTS, "--json")
        assert done.returncode == 0, done.stderr
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


def try_command(scene: Scene, template: Path, k: int, fault: str) -> bool:
    """Let the command meet a fault at the k-th call, go on, and check; returns whether the fault came at all."""
    shutil.rmtree(scene.directory, ignore_errors=True)
    shutil.copytree(template, scene.directory, symlinks=True)
    scene.git("update-index", "-q", "--refresh", check=False)
    measure = _user_of(scene)
    before = measure()
    log = scene.directory / "strace.log"
    calls = _CHANGING if fault == "kill" else _WRITING
    tracer = ["strace", "-f", "-q", "-o", str(log), "-e", f"trace={calls}",
              "-e", f"inject={calls}:{FAULTS[fault]}:when={k}"]  # fmt: skip
    done = _with_all(scene, tracer, is_deadly=fault == "kill")
    came = _was_injected(log, fault)
    state = f"{scene.command} {fault} {k}: exit {done.returncode}: {done.stderr[-300:]}: "
    try:
        assert measure() == before or scene.command == "memory", state + "the user's files, index, stash or config"
        GO_ON[scene.command](scene)
        _check_all(scene, before, measure)
    except AssertionError as exc:
        raise AssertionError(f"{state}{exc}") from exc
    return came


def _with_all(scene: Scene, tracer: Sequence[str], *, is_deadly: bool) -> subprocess.CompletedProcess[str]:
    """Run the command; where one process is killed all die: the tracer's group holds them."""
    command = [*tracer, sys.executable, "-m", "gitmimo", *scene.words]
    log = Path(tracer[tracer.index("-o") + 1])
    process = subprocess.Popen(
        command, cwd=scene.directory / "repo", env=scene.environment, stdin=subprocess.DEVNULL, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    while is_deadly and process.poll() is None:
        if log.exists() and "+++ killed by SIGKILL" in log.read_text(errors="replace"):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            _kill_left(scene)
        time.sleep(0.002)
    out, err = process.communicate(timeout=300)
    if is_deadly:
        _kill_left(scene)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


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
    assert len(names) == 3, names
    assert FACT in git("show", "HEAD:.mimo/MEMORY.md")
    assert git("status", "--porcelain") == " M calc.py\nA  staged.txt\n?? notes.txt", git("status", "--porcelain")


def _go_on_dream(scene: Scene) -> None:
    done = scene.mimo(*scene.words)
    assert done.returncode == 0, f"cannot go on: {done.stderr}"
    made = scene.git("for-each-ref", "--format=%(refname:short)", "refs/heads/mimo/dream-*").split()
    assert made, "no dream"
    contents = {scene.git("diff", "--name-only", "HEAD", branch) for branch in made}
    assert len(contents) == 1, "dreams that differ"
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
    assert git("diff", "--name-only", "main", f"{branch}~1") == "calc.py"
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
    assert not [p for p in (git.path / ".git").glob("**/*.lock") if "mimo/" not in str(p)], "a lock is left"
    assert not list((git.path / ".git/mimo/held").glob("*")), "a hold is left"
    sessions = [path for path in (scene.directory / "home/state").glob("git-mimo/*/*") if path.is_dir()]
    assert not sessions, f"files of a session are left: {sessions}"
    assert not processes_in(scene.directory), "a process is left"
    digest = hashlib.sha256((git.path / ".git/config").read_bytes()).hexdigest()
    assert digest == now[".git/config"]


def run_command(command: str, directory: Path, *, faults: Sequence[str], ks: Sequence[int]) -> dict[str, int]:
    """Try the points `ks` with each fault, or from 1 on until two come to no call; returns how many faults came."""
    counts: dict[str, int] = {}
    with ScriptedServer({"m": three_steps}) as server:
        scene = Scene(command=command, directory=directory / command, base_url=server.base_url)
        make_template(scene)
        template = directory / f"{command}-template"
        shutil.copytree(scene.directory, template, symlinks=True)
        for fault in faults:
            name = f"{command}, {fault}"
            counts[name] = vain = 0
            for k in ks:
                came = try_command(scene, template, k, fault)
                counts[name] += came
                vain = 0 if came else vain + 1
                sys.stderr.write(f"{name} {k}: {'as it should' if came else 'no such call'}\n")
                if vain > 1:
                    break
    return counts
