import os
import subprocess
from pathlib import Path

import pytest

from gitmimo.errors import RepoError
from gitmimo.git.repository import Repository
from gitmimo.git.run import (
    GitFailed,
    check_git_version,
    check_outside_name,
    clean_environment,
    git_version,
    run_git,
    stream_git,
    subcommand_of,
)
from gitmimo.ids import Oid
from tests.conftest import GitBuilder


def write_program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def test_every_local_variable_of_git_is_dropped() -> None:
    listed = subprocess.run(["git", "rev-parse", "--local-env-vars"], capture_output=True, text=True, check=True)
    names = listed.stdout.split()
    assert "GIT_DIR" in names
    assert clean_environment(dict.fromkeys([*names, "GIT_TRACE", "GIT_EXTERNAL_DIFF"], "x") | {"HOME": "/h"}) == {
        "HOME": "/h"
    }


def test_identity_and_user_configuration_stay() -> None:
    kept = {"GIT_AUTHOR_NAME": "A", "GIT_COMMITTER_EMAIL": "a@b", "GIT_CONFIG_GLOBAL": "/g", "GIT_SSH_COMMAND": "ssh"}
    assert clean_environment(kept) == kept


def test_variables_of_a_hook_do_not_lead_to_another_repository(
    git: GitBuilder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    GitBuilder(tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "elsewhere"))
    assert Path(run_git(["rev-parse", "--show-toplevel"], cwd=git.path).text) == git.path


def test_hooks_and_fsmonitor_stay_silent(git: GitBuilder, repository: Repository, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    for hook in ("post-checkout", "reference-transaction", "post-index-change", "pre-commit", "commit-msg"):
        write_program(git.path / ".git/hooks" / hook, f"#!/bin/sh\ntouch '{marker}'\n")
    write_program(tmp_path / "monitor", f"#!/bin/sh\ntouch '{marker}'\n")
    git("config", "core.fsmonitor", str(tmp_path / "monitor"))
    run_git(["status"], cwd=git.path)
    run_git(["commit", "--allow-empty", "-m", "x"], cwd=git.path)
    run_git(["branch", "other"], cwd=git.path)
    run_git(["switch", "other"], cwd=git.path)
    assert not marker.exists()
    run_git(["switch", "main"], cwd=git.path, user_hooks=True)
    assert marker.exists()


def test_hooks_that_a_newer_git_has_in_its_configuration_are_turned_off(
    git: GitBuilder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git("config", "hook.my-linter.event", "pre-commit")
    git("config", "hook.my-linter.command", "false")
    real = subprocess.run(["which", "git"], capture_output=True, text=True, check=True).stdout.strip()
    write_program(
        tmp_path / "bin/git",
        f'#!/bin/sh\n[ "$1" = --version ] && echo git version 2.54.0 && exit\necho "$@" >>"{tmp_path}/said"\n'
        f'exec {real} "$@"\n',
    )
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    run_git(["status"], cwd=git.path)
    assert "-c hook.my-linter.enabled=false" in (tmp_path / "said").read_text().splitlines()[-1]


def test_replaced_objects_are_not_believed(git: GitBuilder, repository: Repository, base: Oid) -> None:
    other = git.commit({"a.py": "evil\n"})
    git("replace", base, other)
    assert repository.read_blob(base, "a.py") == b"x = 1\n"
    assert run_git(["show", f"{base}:a.py"], cwd=git.path).stdout == b"x = 1\n"


def test_a_failure_carries_gits_words(git: GitBuilder) -> None:
    with pytest.raises(GitFailed) as caught:
        run_git(["cat-file", "-t", "nothing"], cwd=git.path)
    assert caught.value.message == "git cat-file failed: Not a valid object name nothing"
    assert caught.value.git_exit_code == 128


def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(RepoError, match="no such directory"):
        run_git(["status"], cwd=tmp_path / "gone")


def test_a_missing_git_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RepoError, match="git is not installed"):
        run_git(["status"], cwd=tmp_path)
    with pytest.raises(RepoError, match="git is not installed"):
        git_version()


def test_a_git_that_is_too_old_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_program(tmp_path / "bin/git", "#!/bin/sh\necho git version 2.37.1 '(Apple Git-137)'\n")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    assert git_version() == (2, 37, 1)
    with pytest.raises(RepoError, match=r"git 2\.37\.1 is too old") as caught:
        Repository.discover(tmp_path)
    assert caught.value.hint
    with pytest.raises(RepoError):
        check_git_version()


@pytest.mark.parametrize("text", ["", "-x", "--output=/etc/passwd", "a\0b", "a\nb"])
def test_names_that_git_would_read_as_options_are_refused(text: str) -> None:
    with pytest.raises(RepoError, match="not a usable branch"):
        check_outside_name(text, what="branch")


def test_a_stream_can_be_left_early_and_fails_like_a_call(git: GitBuilder, repository: Repository) -> None:
    lines = stream_git(["log", "--format=%s"], cwd=git.path, git_dir=repository.git_dir)
    assert next(lines) == b"base\n"
    lines.close()  # type: ignore[attr-defined]
    with pytest.raises(GitFailed, match="git log failed"):
        list(stream_git(["log", "nothing"], cwd=git.path, git_dir=repository.git_dir))


@pytest.mark.parametrize(
    ("words", "subcommand"),
    [
        (("gc", "--prune=now"), "gc"),
        (("-c", "gc.auto=0", "-C", "maintenance", "log", "gc"), "log"),
        (("--no-pager", "branch", "prune"), "branch"),
        (("--git-dir", "gc", "status"), "status"),
        ((), ""),
    ],
)
def test_the_subcommand_is_found_among_options_and_arguments(words: tuple[str, ...], subcommand: str) -> None:
    assert subcommand_of(words) == subcommand
