"""Where a task comes from, and what a person's own pager and editor do."""

import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from gitmimo.cli.start import read_task
from gitmimo.errors import MimoError, NeedsPerson, UsageError
from gitmimo.git.repository import Repository
from tests.conftest import GitBuilder
from tests.made_session import Attempt, make_session, write_journal
from tests.project import BUGGY, PROJECT, RIGHT, fingerprint, mimo, writes
from tests.scripted_server import Answer, ScriptedServer


@pytest.fixture
def repository(git: GitBuilder, monkeypatch: pytest.MonkeyPatch) -> Repository:
    git.commit(PROJECT)
    monkeypatch.chdir(git.path)
    return Repository.discover(git.path)


def program(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_words_are_the_task(repository: Repository) -> None:
    assert read_task(repository, ["fix", "the", "parser"], None, edit=False) == "fix the parser"
    assert read_task(repository, [], "fix it", edit=False) == "fix it"


def test_a_file_is_read(repository: Repository, git: GitBuilder, capsys: pytest.CaptureFixture[str]) -> None:
    git.write({"issue.md": "Fix it.\n\nIt is broken.\n"})
    for words in (["@issue.md"], ["issue.md"]):
        assert read_task(repository, words, None, edit=False) == "Fix it.\n\nIt is broken.\n"
    assert "the task is what `issue.md` says" in capsys.readouterr().err


@pytest.mark.parametrize(("words", "option"), [([], None), ([" "], None), (["a"], "b"), (["@no.md"], None)])
def test_no_task_or_two_are_refused(repository: Repository, words: list[str], option: str | None) -> None:
    with pytest.raises(UsageError):
        read_task(repository, words, option, edit=False)


@pytest.mark.parametrize("typed", ["42", "#42"])
def test_a_number_is_an_issue(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    program(tmp_path / "bin", "gh", """[ "$3" = 42 ] || exit 1; echo '{"title": "It fails", "body": "On Mondays."}'""")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    assert read_task(repository, [typed], None, edit=False) == "It fails\n\nOn Mondays.\n\nThis is issue #42.\n"
    with pytest.raises(MimoError, match="could not read issue 7"):
        read_task(repository, ["7"], None, edit=False)
    # `--task` is for scripts: there a number is text
    assert read_task(repository, [], "42", edit=False) == "42"


def test_without_gh_the_hint_says_what_to_do(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NeedsPerson, match="gh") as caught:
        read_task(repository, ["42"], None, edit=False)
    assert caught.value.hint.startswith("git mimo start -e")


def test_the_editor_is_the_one_that_git_would_use(
    repository: Repository, git: GitBuilder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GIT_EDITOR", raising=False)
    script = program(tmp_path / "bin", "editor", 'sed -i "1s/.*/fix the parser/" "$1"')
    git("config", "core.editor", str(script))
    assert read_task(repository, [], None, edit=True) == "fix the parser\n"
    git("config", "core.editor", "true")
    with pytest.raises(UsageError, match="there is no task"):
        read_task(repository, [], None, edit=True)
    assert read_task(repository, ["#", "is", "kept"], None, edit=False) == "# is kept"


def on_a_terminal(words: list[str], cwd: Path, env: Mapping[str, str], typed: str = "") -> str:
    """What a command writes to a terminal on which this is typed."""
    parent, child = pty.openpty()
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-m", "gitmimo", *words],
        cwd=cwd, env={**os.environ, "PYTHONPATH": str(root), **env}, stdin=child, stdout=child, stderr=child,
    )  # fmt: skip
    os.close(child)
    os.write(parent, typed.encode())
    seen = b""
    while True:
        try:
            piece = os.read(parent, 4096)
        except OSError:
            break
        if not piece:
            break
        seen += piece
    process.wait()
    os.close(parent)
    return seen.decode()


@pytest.mark.parametrize("how", ["core.pager", "GIT_PAGER"])
def test_long_texts_go_through_the_pager_that_git_would_use(
    git: GitBuilder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    git.commit(PROJECT)
    write_journal(git, make_session(git, [Attempt(steps=[{"calc.py": RIGHT}])]))
    monkeypatch.delenv("GIT_PAGER", raising=False)
    pager = program(tmp_path / "bin", "my-pager", 'echo "paged: $(grep -c .) lines"')
    env = {"GIT_PAGER": str(pager)} if how == "GIT_PAGER" else {}
    if how == "core.pager":
        git("config", "core.pager", str(pager))
    assert "paged: " in on_a_terminal(["review"], git.path, env)
    assert "paged: " in on_a_terminal(["diff"], git.path, env)


@pytest.fixture
def served(git: GitBuilder, llm_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> GitBuilder:
    monkeypatch.setenv("OPENAI_API_BASE", llm_server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")
    for name, value in {"MAX_TOKENS": "1000000", "CRITIC": "none", "DREAM": "off", "MODEL": "openai/m"}.items():
        monkeypatch.setenv(f"GIT_MIMO_{name}", value)
    git.commit(PROJECT)
    return git


@pytest.mark.usefixtures("quick_tests")
def test_a_session_starts_from_what_is_not_committed(served: GitBuilder, llm_server: ScriptedServer) -> None:
    served.write({"calc.py": BUGGY + "# mine\n", "helper.py": "X = 1\n", "staged.txt": "s\n"})
    served("add", "staged.txt")
    llm_server.scripts["m"] = lambda _: writes({"calc.py": RIGHT + "# mine\n"})
    before = fingerprint(served)()
    said = mimo("start", "fix add", "--with-changes", "--json", cwd=served.path)
    assert said.code == 0, said.err
    assert "left out" not in said.err
    assert fingerprint(served)() == before
    base = said.json["base"]
    assert served("rev-parse", f"{base}^") == served("rev-parse", "HEAD")
    assert served("show", f"{base}:helper.py") == "X = 1"
    assert served("show", f"{base}:staged.txt") == "s"
    applied = mimo("apply", cwd=served.path)
    assert applied.code == 0, applied.err
    assert (served.path / "calc.py").read_text() == RIGHT + "# mine\n"


@pytest.mark.usefixtures("quick_tests")
def test_a_wrong_key_is_found_once_and_the_hint_says_what_to_do(served: GitBuilder, llm_server: ScriptedServer) -> None:
    llm_server.scripts["m"] = [Answer(status=401, text="Incorrect API key provided", repeat=True)]
    said = mimo("start", "fix add", "-n", "3", cwd=served.path)
    assert said.code == 128, said.out + said.err
    assert len(llm_server.requests) == 1
    assert "git mimo config set --provider openai" in said.out + said.err
