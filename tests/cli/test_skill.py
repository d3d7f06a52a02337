"""`git mimo dream` and `git mimo skill` by hand."""

from pathlib import Path

import pytest

from tests.conftest import GitBuilder
from tests.project import BUGGY, PROJECT, RIGHT, fingerprint, mimo, writes
from tests.scripted_server import ScriptedServer

TASK = "add returns the difference instead of the sum; mend add in calc.py"


@pytest.fixture
def solved(git: GitBuilder, llm_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> GitBuilder:
    """A repository with one merged session and nothing dreamed yet."""
    monkeypatch.setenv("OPENAI_API_BASE", llm_server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")
    llm_server.scripts["m"] = [writes({"calc.py": RIGHT})]
    git.commit(PROJECT, "calc: sums")
    start = ("start", "-t", TASK, "-m", "openai/m", "--max-tokens", "100000", "--critic", "none", "--merge")
    said = mimo(*start, cwd=git.path, env={"GIT_MIMO_DREAM": "off"})
    assert said.code == 0, said.err
    return git


def test_a_dream_stands_on_a_branch_and_can_be_taken_back(solved: GitBuilder) -> None:
    before = fingerprint(solved)()
    refs = solved("for-each-ref", "refs/heads")
    shown = mimo("dream", "--dry-run", cwd=solved.path)
    assert shown.code == 0, shown.err
    assert "+++ b/.mimo/skills/" in shown.out
    assert "--- /dev/null" in shown.out
    assert solved("for-each-ref", "refs/heads") == refs
    said = mimo("dream", "--json", cwd=solved.path)
    assert said.code == 0, said.err
    branch = said.json["branch"]
    assert branch.startswith("mimo/dream-")
    assert all(path.startswith(".mimo/") for path in solved("diff", "--name-only", "HEAD", branch).splitlines())
    assert fingerprint(solved)() == before
    assert mimo("dream", "--undo", "--json", cwd=solved.path).json["undone"] == branch
    assert solved("for-each-ref", "refs/heads") == refs
    assert fingerprint(solved)() == before


def test_a_second_dream_over_the_same_session_changes_nothing(solved: GitBuilder) -> None:
    branch = mimo("dream", "--json", cwd=solved.path).json["branch"]
    solved("merge", "-q", branch)
    again = mimo("dream", cwd=solved.path)
    assert again.code == 0
    assert "nothing to learn" in again.err


def test_a_skill_runs_by_hand_is_verified_linked_and_retired(solved: GitBuilder) -> None:
    dreamed = mimo("dream", "--json", cwd=solved.path).json
    solved("merge", "-q", dreamed["branch"])
    name = dreamed["skills"][0]
    solved.commit({"calc.py": BUGGY}, "break it again")
    ran = mimo("skill", "run", name, "--json", cwd=solved.path)
    assert ran.code == 0, ran.err
    assert solved("show", f"{ran.json['branch']}:calc.py") == RIGHT.rstrip("\n")
    assert (solved.path / "calc.py").read_text() == BUGGY
    assert mimo("skill", "verify", name, cwd=solved.path).code == 0
    assert f"{name}: ok" in mimo("skill", "validate", cwd=solved.path).out
    assert mimo("skill", "link", cwd=solved.path).code == 0
    link = solved.path / ".claude" / "skills" / name
    assert str(link.readlink()) == f"../../.mimo/skills/{name}"
    assert mimo("skill", "link", "--check", cwd=solved.path).code == 0
    assert mimo("skill", "retire", name, cwd=solved.path).code == 0
    assert mimo("skill", "list", "--json", cwd=solved.path).json["skills"][0]["outcomes"]["standing"] == "retired"


def test_a_skill_changed_by_one_byte_is_not_run(solved: GitBuilder) -> None:
    dreamed = mimo("dream", "--json", cwd=solved.path).json
    solved("merge", "-q", dreamed["branch"])
    name = dreamed["skills"][0]
    path = Path(".mimo/skills") / name / "SKILL.md"
    solved.commit({"calc.py": BUGGY, str(path): (solved.path / path).read_text() + " "}, "one byte")
    ran = mimo("skill", "run", name, cwd=solved.path)
    assert ran.code in (2, 128)
    assert "git mimo trust" in ran.err or "SKILL" in ran.err
    assert solved("branch", "--list", "mimo/skill-*") == ""
