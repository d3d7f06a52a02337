"""Branches that both learned: facts of both are kept, opposites are named, and the index follows the merge."""

from pathlib import Path

import pytest

from gitmimo.git.repository import Repository
from gitmimo.memory.facts import FactKind, FactStatus, new_fact
from gitmimo.memory.index import INDEX_PATH, write_index
from gitmimo.memory.store import add_facts, read_facts
from gitmimo.records import SessionId
from tests.conftest import GitBuilder
from tests.made_session import STARTED, Attempt, make_session, write_journal
from tests.project import mimo

NEVER = "never call the network in tests"
ALWAYS = "always call the network in tests"


def index_of(git: GitBuilder) -> tuple[str, str]:
    """The committed index, and the one that the committed facts make."""
    facts = read_facts(Repository.discover(git.path), "HEAD")
    return git("show", f"HEAD:{INDEX_PATH}") + "\n", write_index(facts).decode()


def test_two_clones_that_learn_opposite_facts_keep_both_and_say_so(git: GitBuilder, tmp_path: Path) -> None:
    git.commit({"a.py": "x = 1\n"})
    assert mimo("memory", "add", "releases happen on Fridays", "--kind", "fact", cwd=git.path).code == 0
    git("clone", "-q", str(git.path), str(tmp_path / "other"))
    other = GitBuilder(tmp_path / "other")
    assert mimo("memory", "add", NEVER, cwd=git.path).code == 0
    assert mimo("memory", "add", ALWAYS, cwd=other.path).code == 0
    assert mimo("init", "--hooks", cwd=other.path).code == 0
    other("pull", "-q", "--no-rebase", "--no-edit")
    committed, generated = index_of(other)
    assert committed == generated
    assert committed.count("contradicts") == 2
    assert other("log", "-1", "--format=%s") == "mimo: index what both branches remember"
    assert other("status", "--porcelain") == ""
    listed = mimo("memory", "list", "--json", cwd=other.path)
    assert {fact["text"] for fact in listed.json["facts"]} == {NEVER, ALWAYS, "releases happen on Fridays"}
    assert len(listed.json["contradictions"]) == 1
    assert "say opposite things" in mimo("memory", "list", cwd=other.path).err

    # who only takes over the merge adds nothing to it
    assert mimo("init", "--hooks", cwd=git.path).code == 0
    git("pull", "-q", "--ff-only", str(other.path), "main")
    assert git("rev-parse", "HEAD") == other("rev-parse", "HEAD")


@pytest.mark.parametrize("checked_out", [True, False])
def test_a_merged_session_brings_its_facts_into_the_index_and_is_undone_whole(
    git: GitBuilder, checked_out: bool
) -> None:
    git.commit({"app.py": "def f(x):\n    return None\n"})
    repository = Repository.discover(git.path)
    learned = new_fact(kind=FactKind.LESSON, text="f takes one argument", created=STARTED, status=FactStatus.VERIFIED)
    result = make_session(
        git,
        [Attempt(steps=[{"app.py": "def f(x):\n    return x\n"}])],
        session=SessionId("0a1b2c3d4e"),
        learned={path: data for path, data in add_facts(repository, "HEAD", [learned]).items() if data is not None},
    )
    write_journal(git, result)
    assert mimo("memory", "add", "use tabs", cwd=git.path).code == 0
    before = git("rev-parse", "main")
    if not checked_out:
        git("switch", "-qc", "elsewhere")
    said = mimo("merge", result.session, cwd=git.path, env={"GIT_MIMO_TEST": "true"})
    assert said.code == 0, said.err
    git("switch", "-q", "main")
    committed, generated = index_of(git)
    assert committed == generated
    assert "use tabs" in committed
    assert "f takes one argument" in committed
    assert mimo("undo", "--checkout", cwd=git.path).code == 0
    assert git("rev-parse", "main") == before
