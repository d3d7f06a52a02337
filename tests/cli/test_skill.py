"""`git mimo skill` by hand: written from changes, retired."""

from pathlib import Path

import pytest

from tests.conftest import GitBuilder
from tests.project import fingerprint, mimo


@pytest.fixture
def history(git: GitBuilder) -> GitBuilder:
    """A repository in which a route was added twice."""
    git.commit({"app/routes.py": "\n", "docs/api.md": "\n", "other.py": "x\n"}, "begin")
    for name in ("users", "orders"):
        git.commit({f"app/{name}.py": f"# {name}\n", "app/routes.py": f"{name}\n", "docs/api.md": f"{name}\n"}, name)
    git.commit({"other.py": "y\n"}, "a fix")
    return git


def test_a_skill_is_written_from_named_changes_and_retired(history: GitBuilder) -> None:
    said = mimo("skill", "new", "add-a-route", "--from", "HEAD~1", "--from", "HEAD~2", cwd=history.path)
    assert said.code == 0, said.err
    text = (history.path / ".mimo/skills/add-a-route/SKILL.md").read_text()
    assert f"`git show {history('rev-parse', 'HEAD~1')[:10]}` is the newest of 2" in text
    assert "- [ ] new `app/*.py` (orders.py, users.py)" in text
    assert "- [ ] `docs/api.md`" in text
    assert mimo("skill", "new", "add-a-route", "--from", "HEAD", cwd=history.path).code == 129
    history.commit({}, "a skill")
    listed = mimo("skill", "list", "--json", cwd=history.path).json["skills"]
    assert [(skill["name"], len(skill["commits"]), skill["runs"]) for skill in listed] == [("add-a-route", 2, False)]
    assert mimo("skill", "retire", "add-a-route", cwd=history.path).code == 0
    assert mimo("skill", "list", "--json", cwd=history.path).json["skills"] == []


def test_one_change_or_a_session_that_is_not_there_is_said_so(history: GitBuilder) -> None:
    assert mimo("skill", "new", "x", "--from", "nope", cwd=history.path).code == 128
    assert mimo("skill", "new", "../x", "--from", "HEAD", cwd=history.path).code == 128
    assert not Path(history.path, ".mimo").exists()


def test_people_s_changes_alone_become_a_draft_that_nobody_commits_without_a_yes(history: GitBuilder) -> None:
    before = fingerprint(history)()
    shown = mimo("dream", "--dry-run", cwd=history.path)
    assert shown.code == 0, shown.err
    assert "+++ b/.mimo/skills/" in shown.out
    plain = mimo("dream", cwd=history.path)
    assert "1 offered" in plain.err
    assert history("branch", "--list", "mimo/*") == ""
    branch = mimo("dream", "--yes", "--json", cwd=history.path).json["branch"]
    assert all(path.startswith(".mimo/") for path in history("diff", "--name-only", "HEAD", branch).splitlines())
    assert history("rev-list", "--count", f"HEAD..{branch}") == "1"
    assert fingerprint(history)() == before
    history("merge", "-q", branch)
    assert "nothing new" in mimo("dream", "--yes", cwd=history.path).err
    assert history("branch", "--list", "mimo/*") != ""
    assert mimo("gc", cwd=history.path).code == 0
    assert history("branch", "--list", "mimo/*") == "", "it is merged"


def test_with_a_ref_as_home_a_dream_leaves_the_tree_alone_and_can_be_undone(history: GitBuilder) -> None:
    history("config", "mimo.memory.home", "ref")
    head = history("rev-parse", "HEAD")
    dreamed = mimo("dream", "--yes", "--json", cwd=history.path)
    assert dreamed.json["branch"] == "refs/mimo/memory", dreamed.err
    (name,) = dreamed.json["skills"]
    assert f".mimo/skills/{name}/SKILL.md" in history("ls-tree", "-r", "--name-only", "refs/mimo/memory")
    assert (history("rev-parse", "HEAD"), history("branch", "--list", "mimo/*")) == (head, "")
    listed = mimo("skill", "list", "--json", cwd=history.path).json["skills"]
    assert [skill["name"] for skill in listed] == [name]
    assert "nothing new" in mimo("dream", "--yes", cwd=history.path).err
    assert mimo("dream", "--undo", cwd=history.path).code == 0
    assert history("for-each-ref", "refs/mimo/memory") == ""


def test_a_dream_that_waits_to_be_merged_is_not_made_again(history: GitBuilder) -> None:
    first = mimo("dream", "--yes", "--json", cwd=history.path).json["branch"]
    assert mimo("dream", "--yes", "--json", cwd=history.path).json["branch"] == first
    assert len(history("branch", "--list", "mimo/dream-*").splitlines()) == 1
