"""Hooks stand beside the user's own, and leave no trace."""

import stat
from collections.abc import Sequence
from pathlib import Path

import pytest

from gitmimo.git.repository import Repository
from gitmimo.hooks import EVENTS, install_hooks, remove_hooks
from tests.conftest import GitBuilder


@pytest.fixture
def command(tmp_path: Path) -> tuple[str, ...]:
    """A program in git-mimo's place that says what it was called with and what it read."""
    program = tmp_path / "bin" / "git-mimo"
    program.parent.mkdir()
    program.write_text(
        '#!/bin/sh\n{ echo "mimo $*"; case "$2" in pre-push|post-rewrite) cat;; esac; } >> "$LOG"\n'
        'exit "${MIMO_SAYS:-0}"\n'
    )
    program.chmod(0o755)
    return (str(program),)


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "log"
    path.write_text("")
    monkeypatch.setenv("LOG", str(path))
    return path


@pytest.fixture
def remote(git: GitBuilder, tmp_path: Path) -> Path:
    bare = tmp_path / "remote.git"
    git("init", "--quiet", "--bare", str(bare))
    git("remote", "add", "origin", str(bare))
    return bare


def _hooks(git: GitBuilder) -> Path:
    path = git.path / ".git" / "hooks"
    path.mkdir(exist_ok=True)
    return path


def _hook(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def _state(root: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(root)): (stat.S_IMODE(path.lstat().st_mode), path.read_bytes())
        for path in sorted(root.rglob("*"))
        if path.is_file() or path.is_symlink()
    }


def _install(git: GitBuilder, command: Sequence[str]) -> dict[str, str]:
    changes = install_hooks(Repository.discover(git.path), command=command)
    return {change.event: change.state for change in changes}


def test_all_events_are_installed_once(git: GitBuilder, command: tuple[str, ...]) -> None:
    git.commit({"a": "1\n"})
    assert _install(git, command) == dict.fromkeys(EVENTS, "installed")
    assert _install(git, command) == dict.fromkeys(EVENTS, "kept")


def test_our_hook_gets_gits_input_and_its_refusal_stops_the_push(
    git: GitBuilder, command: tuple[str, ...], log: Path, remote: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = git.commit({"a": "1\n"})
    _install(git, command)
    monkeypatch.setenv("MIMO_SAYS", "1")
    git("push", "--quiet", "origin", "main", check=False)
    assert git("ls-remote", "origin") == ""
    line = f"refs/heads/main {commit} refs/heads/main {'0' * 40}"
    assert log.read_text().splitlines() == [f"mimo hook pre-push origin {remote}", line]


def test_a_hook_of_anothers_stays_as_it_is(git: GitBuilder, command: tuple[str, ...]) -> None:
    git.commit({"a": "1\n"})
    _hook(_hooks(git) / "pre-push", "#!/bin/sh\nexit 0\n")
    (_hooks(git) / "post-merge").symlink_to("/bin/true")
    before = _state(git.path)
    states = _install(git, command)
    assert states == {"pre-push": "by-hand", "commit-msg": "installed", "post-merge": "by-hand",
                      "post-rewrite": "installed"}  # fmt: skip
    assert _state(git.path).items() > before.items()
    assert {change.state for change in remove_hooks(Repository.discover(git.path))} == {"removed", "absent"}
    assert _state(git.path) == before


def test_hooks_that_are_files_of_the_project_are_left_alone(git: GitBuilder, command: tuple[str, ...]) -> None:
    git.commit({".githooks/pre-push": "#!/bin/sh\n"})
    git("config", "core.hooksPath", ".githooks")
    changes = install_hooks(Repository.discover(git.path), command=command)
    assert {change.state for change in changes} == {"by-hand"}
    assert 'git mimo hook pre-push "$@"' in changes[0].hint
    assert git("status", "--porcelain") == ""


def test_a_hooks_path_outside_the_repository_is_left_alone(
    git: GitBuilder, command: tuple[str, ...], tmp_path: Path
) -> None:
    shared = tmp_path / "shared-hooks"
    shared.mkdir()
    git.commit({"a": "1\n"})
    git("config", "--global", "core.hooksPath", str(shared))
    changes = install_hooks(Repository.discover(git.path), command=command)
    assert {change.state for change in changes} == {"by-hand"}
    assert list(shared.iterdir()) == []


def test_pre_commit_installed_later_runs_ours_and_takes_it_with_it(
    git: GitBuilder, command: tuple[str, ...], log: Path, remote: Path
) -> None:
    """pre-commit moves a foreign hook to `.legacy` and runs it from there."""
    git.commit({"a": "1\n"})
    hooks = _hooks(git)
    before = _state(git.path / ".git")
    _install(git, command)
    (hooks / "pre-push").rename(hooks / "pre-push.legacy")
    _hook(
        hooks / "pre-push",
        '#!/usr/bin/env bash\nHERE="$(cd "$(dirname "$0")" && pwd)"\ninput=$(cat)\necho pre-commit >> "$LOG"\n'
        'printf "%s\\n" "$input" | "$HERE/pre-push.legacy" "$@"\n',
    )
    git("push", "--quiet", "origin", "main")
    assert [line.split()[0] for line in log.read_text().splitlines()][:2] == ["pre-commit", "mimo"]
    remove_hooks(Repository.discover(git.path))
    (hooks / "pre-push").unlink()
    after = _state(git.path / ".git")
    assert {name: after.get(name) for name in before} == before
    assert [name for name in after if "mimo" in name] == []


def test_without_git_mimo_a_push_goes_on_and_says_so(git: GitBuilder, remote: Path, log: Path) -> None:
    git.commit({"a": "1\n"})
    _install(git, ("/nowhere/git-mimo",))
    git("push", "--quiet", "origin", "main")
    assert "refs/heads/main" in git("ls-remote", "origin")


def test_a_linked_worktree_shares_the_hooks(
    git: GitBuilder, command: tuple[str, ...], log: Path, remote: Path, tmp_path: Path
) -> None:
    git.commit({"a": "1\n"})
    git("worktree", "add", "--quiet", "-b", "other", str(tmp_path / "linked"))
    install_hooks(Repository.discover(tmp_path / "linked"), command=command)
    assert _install(git, command) == dict.fromkeys(EVENTS, "kept")
