"""Bad input: a clear message, git's exit code, and nothing changed."""

import subprocess
from pathlib import Path

import pytest

from tests.conftest import GitBuilder
from tests.project import PROJECT, RIGHT, fingerprint, mimo, writes
from tests.scripted_server import Answer, ScriptedServer

START = ("start", "--task", "mend add", "-m", "openai/m", "--max-tokens", "100000", "--critic", "none", "--json")


@pytest.fixture
def served(git: GitBuilder, llm_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> GitBuilder:
    monkeypatch.setenv("OPENAI_API_BASE", llm_server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")
    monkeypatch.setenv("GIT_MIMO_DREAM", "off")
    llm_server.scripts["m"] = [writes({"calc.py": RIGHT})] * 2
    return git


def refused(said, code: int, *texts: str) -> None:
    assert said.code == code, said.err
    assert said.out == ""
    for text in texts:
        assert text in said.err
    assert "Traceback" not in said.err


def test_not_a_repository(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    refused(mimo(*START, cwd=tmp_path / "plain"), 128, "not a git repository")


def test_bare_repository(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path / "bare.git")], check=True)
    refused(mimo(*START, cwd=tmp_path / "bare.git"), 128, "bare")


def test_no_commit_yet(served: GitBuilder) -> None:
    refused(mimo(*START, cwd=served.path), 128, "no commit")


def test_odd_places_work_all_at_once(served: GitBuilder, tmp_path: Path) -> None:
    """A path of other alphabets, a shallow clone, a submodule, no branch, a subdirectory, a test that failed before,
    and a branch in the way of ours."""
    inner = GitBuilder(tmp_path / "inner")
    inner.commit({"lib.txt": "x\n"})
    served.commit({"README": "one\n"})
    old = "def test_long_broken():\n    assert False\n"
    served.commit(PROJECT | {"deep/er/x.txt": "x\n", "tests/test_old.py": old})
    served("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner.path), "vendor")
    served("commit", "-qm", "vendor")
    place = tmp_path / "Mein Projekt ä 工程"
    served("clone", "-q", "--depth", "1", f"file://{served.path}", str(place))
    odd = GitBuilder(place)
    odd("-c", "protocol.file.allow=always", "submodule", "update", "-q", "--init")
    odd("checkout", "-q", "--detach")
    odd("branch", "mimo")
    refused(mimo(*START, cwd=place / "deep/er"), 128, "mimo", "branchPrefix")
    before = fingerprint(odd)()
    said = mimo(*START, cwd=place / "deep/er", env={"GIT_MIMO_BRANCH_PREFIX": "agent"})
    assert said.code == 0, said.err
    assert "detached HEAD" in said.err
    assert odd("ls-tree", said.json["result_commit"], "vendor").startswith("160000 commit")
    evidence = said.json["candidates"][0]["evidence"]
    assert (len(evidence["fixed_ids"]), evidence["broken_ids"]) == (1, [])
    assert fingerprint(odd)() == before
    refused(mimo("merge", cwd=place), 129, "detached HEAD", "--into BRANCH")


def test_no_test_command_found(served: GitBuilder) -> None:
    served.commit({"notes.txt": "nothing to run\n"})
    refused(mimo(*START, cwd=served.path), 128, "no test command", "--test", "--accept")


def test_tests_that_hang_are_stopped_and_said(served: GitBuilder) -> None:
    served.commit({"tests/test_hang.py": "import time\n\n\ndef test_hang():\n    time.sleep(600)\n"})
    before = fingerprint(served)()
    refused(mimo(*START, cwd=served.path, env={"GIT_MIMO_TEST_TIMEOUT": "3"}), 128, "test", "3")
    assert fingerprint(served)() == before


def test_no_model_configured(served: GitBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    served.commit(PROJECT)
    monkeypatch.delenv("OPENAI_API_KEY")  # a key in the environment would name its provider's model
    refused(mimo("start", "--task", "x", cwd=served.path), 128, "no model is configured", "git mimo models pull")


def test_no_key(served: GitBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    served.commit(PROJECT)
    monkeypatch.delenv("OPENAI_API_BASE")
    monkeypatch.delenv("OPENAI_API_KEY")
    refused(mimo(*START, cwd=served.path), 128, "API key", "git mimo config set --provider openai")


@pytest.mark.usefixtures("quick_tests")
def test_server_down(served: GitBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    served.commit(PROJECT)
    monkeypatch.setenv("OPENAI_API_BASE", "http://127.0.0.1:9/v1")
    said = mimo(*START, cwd=served.path)
    assert said.code == 128, said.err
    assert said.json["status"] == "error"
    assert "127.0.0.1:9" in said.json["candidates"][0]["summary"]


@pytest.mark.usefixtures("quick_tests")
def test_unknown_model(served: GitBuilder, llm_server: ScriptedServer) -> None:
    served.commit(PROJECT)
    llm_server.scripts["m"] = [Answer(status=404, text="The model `m` does not exist", repeat=True)]
    said = mimo(*START, cwd=served.path)
    assert said.code == 128, said.err
    assert "m" in said.json["candidates"][0]["summary"]


def test_unknown_price(served: GitBuilder) -> None:
    served.commit(PROJECT)
    said = mimo("start", "--task", "x", "-m", "openai/unheard-of", "--critic", "none", cwd=served.path)
    refused(said, 128, "price", "unheard-of")
    assert not (served.path / ".git/mimo/sessions").exists(), "said before anything was made"


@pytest.mark.parametrize("task", ["", "  \n "])
def test_empty_task(served: GitBuilder, task: str) -> None:
    served.commit(PROJECT)
    refused(mimo("start", "--task", task, "-m", "openai/m", cwd=served.path), 129, "task")


def test_a_task_of_100_kilobytes(served: GitBuilder) -> None:
    served.commit(PROJECT)
    said = mimo("start", "--task", "-", "-m", "openai/m", cwd=served.path, stdin="x" * 100_000)
    refused(said, 129, "longer than 64 KiB")


def test_no_candidates(served: GitBuilder) -> None:
    served.commit(PROJECT)
    refused(mimo("start", "--task", "x", "-n", "0", cwd=served.path), 129, "-n")


def test_unknown_command_and_option() -> None:
    refused(mimo("strat", cwd=Path("/")), 129, "strat")
    refused(mimo("start", "--tsak", "x", cwd=Path("/")), 129, "--tsak")


@pytest.mark.usefixtures("quick_tests")
def test_a_state_directory_that_cannot_be_written(served: GitBuilder, tmp_path: Path) -> None:
    served.commit(PROJECT)
    (tmp_path / "file").write_text("in the way")
    before = fingerprint(served)()
    said = mimo(*START, cwd=served.path, env={"XDG_STATE_HOME": str(tmp_path / "file")})
    assert said.code == 128, said.err
    assert "file" in said.err
    assert fingerprint(served)() == before


def test_commands_of_the_repository_need_approval_first(served: GitBuilder, llm_server: ScriptedServer) -> None:
    llm_server.scripts["m"] = [Answer(status=401, text="no", repeat=True)]  # as far as that it goes
    served.commit(PROJECT | {".mimo/config.yaml": "test: python -m pytest -q\n"})
    refused(mimo(*START, cwd=served.path), 2, "git mimo trust", "python -m pytest -q")
    assert mimo(*START, "--trust-base", cwd=served.path).json["candidates"]
    refused(mimo(*START, cwd=served.path), 2, "git mimo trust")
    assert mimo("trust", "--yes", cwd=served.path).code == 0
    assert mimo(*START, cwd=served.path).json["candidates"]
    served.commit({".mimo/config.yaml": "test: python -m pytest -q -x\n"})
    refused(mimo(*START, cwd=served.path), 2, "git mimo trust")


def test_an_old_git_is_refused(served: GitBuilder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served.commit(PROJECT)
    old = tmp_path / "bin" / "git"
    old.parent.mkdir()
    old.write_text(
        '#!/bin/sh\nfor w in "$@"; do\n  case "$w" in version | --version) echo git version 2.30.2; exit ;; esac\n'
        'done\nexec /usr/bin/git "$@"\n'
    )
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{old.parent}:/usr/bin:/bin")
    refused(mimo(*START, cwd=served.path), 128, "2.30", "2.38")
