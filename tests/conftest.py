"""Sealed environment and a builder of real repositories."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import hypothesis
import pygit2
import pytest

from tests.scripted_server import ScriptedServer

# what a change is judged by is the same each time; `HYPOTHESIS_PROFILE=default` looks further
hypothesis.settings.register_profile("fixed", derandomize=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))

SEALED = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Ada Author",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_AUTHOR_DATE": "2026-01-02T03:04:05+00:00",
    "GIT_COMMITTER_NAME": "Ada Author",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
    "GIT_COMMITTER_DATE": "2026-01-02T03:04:05+00:00",
    "GIT_EDITOR": "false",
    "EDITOR": "false",
    "NO_COLOR": "1",
    "LC_ALL": "C.UTF-8",
}

# of the project of `tests/project.py`: tells the right fix from the others by its exit code
CHECK = "python3 -c 'from calc import add; assert add(2, 3) == 5'"


@pytest.fixture(autouse=True)
def sealed(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give every test its own empty home and drop what the outer environment says about git, keys and models."""
    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name.startswith(("GIT_", "MIMO_")) or name.endswith(("_API_KEY", "_API_BASE")):
            monkeypatch.delenv(name)
    for name, value in SEALED.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOME", str(home))
    # `python` is this one, with pytest, not a version manager's shim that looks for its own home
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    for name in ("CONFIG", "STATE", "DATA", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(home / name.lower()))
    # libgit2 fixes its search path at import and doesn't see a later HOME
    for level in (pygit2.enums.ConfigLevel.GLOBAL, pygit2.enums.ConfigLevel.XDG, pygit2.enums.ConfigLevel.SYSTEM):
        pygit2.settings.search_path[level] = str(home)
    return home


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What has a time limit of its own takes longest and begins first, so that the processes end together."""
    items.sort(key=lambda item: item.get_closest_marker("timeout") is None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Half of the time is spent in waiting for other processes, so few cores serve twice as many workers."""
    cores = os.cpu_count() or 1
    return max(cores, min(2 * cores, 8))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """A process that has done its part takes from another's, also without `--dist worksteal`."""
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log) if config.getvalue("dist") == "load" else None


class GitBuilder:
    """A real repository that tests write history into with the git binary."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        self("init", "--quiet", "--initial-branch=main")

    def __call__(self, *args: str, stdin: bytes | None = None, check: bool = True) -> str:
        """Run git here and return its stdout without the last newline."""
        done = subprocess.run(["git", "-C", str(self.path), *args], input=stdin, capture_output=True, check=False)
        if check and done.returncode:
            raise AssertionError(f"git {' '.join(args)} failed: {done.stderr.decode()}")
        return done.stdout.decode(errors="surrogateescape").rstrip("\n")

    def write(self, files: Mapping[str, str | bytes | None]) -> None:
        """Write files into the checkout; None deletes."""
        for name, content in files.items():
            path = self.path / name
            if content is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, files: Mapping[str, str | bytes | None], message: str = "change") -> str:
        """Write, stage everything, commit; return the commit's id."""
        self.write(files)
        self("add", "--all")
        self("commit", "--quiet", "--allow-empty", "-m", message)
        return self("rev-parse", "HEAD")


@pytest.fixture
def git(tmp_path: Path) -> GitBuilder:
    """An empty repository in `tmp_path/repo`."""
    return GitBuilder(tmp_path / "repo")


@pytest.fixture
def quick_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions on the project of `tests/project.py` take little time: an exit code decides, and settles."""
    monkeypatch.setenv("GIT_MIMO_TEST", CHECK)
    monkeypatch.setenv("GIT_MIMO_TRUST_TESTS", "true")


@pytest.fixture
def scripted_model(llm_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> ScriptedServer:
    """The scripted server as the one that sessions ask, without a critic, a dream and a limit that matters."""
    monkeypatch.setenv("OPENAI_API_BASE", llm_server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")
    for name, value in {"MAX_TOKENS": "1000000", "CRITIC": "none", "DREAM": "off"}.items():
        monkeypatch.setenv(f"GIT_MIMO_{name}", value)
    return llm_server


@pytest.fixture
def llm_server() -> Iterator[ScriptedServer]:
    """A scripted OpenAI-compatible server without scripts yet: set `llm_server.scripts["model"] = [...]`."""
    with ScriptedServer() as server:
        yield server
