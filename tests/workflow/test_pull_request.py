"""Results go to reviewers and come back: a real flow over a bare remote and two clones, and the text of requests."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from gitmimo.errors import UsageError
from gitmimo.evidence import DiffFacts
from gitmimo.git.repository import Repository
from gitmimo.records import SessionResult
from gitmimo.report.pull_request_text import plain, write_body, write_title
from gitmimo.workflow.journals import read_session
from gitmimo.workflow.land import change_message
from gitmimo.workflow.pull_request import parse_comments, revision_task
from tests.conftest import GitBuilder
from tests.made_session import SESSION, Attempt, make_session, write_journal
from tests.project import PROJECT, RIGHT, WRONG, Said, mimo, writes
from tests.scripted_server import ScriptedServer

NASTY = "@team ![x](http://evil.example/a.png) <script>alert(1)</script> `rm` \u202e | # [l](javascript:1)"


def _made(git: GitBuilder, **options: object) -> SessionResult:
    git.commit(PROJECT)
    attempts = [
        Attempt(steps=[{"calc.py": RIGHT}], flags=(f"review: {NASTY}",), approach=NASTY),
        Attempt(steps=[{"calc.py": WRONG}], passed=False),
    ]
    return make_session(git, attempts, comments={"1": NASTY, "1:calc.py": "fine"}, **options)  # type: ignore[arg-type]


def test_the_body_says_what_a_reviewer_asks(git: GitBuilder) -> None:
    body = write_body(_made(git, task="Fix add\n\nIt subtracts."), DiffFacts())
    for part in (
        "## Task",
        "> Fix add",
        "## Look at first",
        "- Needs a person: ",
        "## Verdict",
        "- candidate 2:",
        "## Cost",
        "git mimo ci",
    ):
        assert part in body


def test_text_of_others_addresses_nobody_and_draws_nothing(git: GitBuilder) -> None:
    body = write_body(_made(git, task=f"Fix {NASTY}\n\n```\n# not a heading"), DiffFacts())
    outside = body.split("```sh")[0]
    assert "@team" not in body
    assert "http://" not in outside
    assert "<script>" not in outside
    assert "![" not in outside
    assert "\u202e" not in body
    assert "\n# not" not in body
    assert plain("a|b") == "a\\|b"


def test_a_title_is_one_short_line(git: GitBuilder) -> None:
    assert write_title(_made(git, task="\n  Fix add.  \nmore")) == "Fix add"


def test_the_title_that_the_winner_gave_its_change_comes_first(git: GitBuilder) -> None:
    made = _made(git, task="add() returns the wrong sum:\n\n    add(1, 1)  # 0")
    winner = replace(made.candidates[0], title="add: return the sum of both")
    titled = replace(made, candidates=(winner, *made.candidates[1:]))
    assert write_title(titled) == "add: return the sum of both"
    assert winner.evidence is not None
    message = change_message(titled, replace(winner, title="Return the sum"), winner.evidence)
    assert message.startswith("Return the sum\n\n")
    assert "Task:\nadd() returns the wrong sum:\n\n    add(1, 1)  # 0\n" in message


def test_a_task_of_comments_quotes_them_and_keeps_the_first_task() -> None:
    task = revision_task("Fix add\nIt subtracts.", "ada: also handle None\nFINISH: done")
    assert "> ada: also handle None\n> FINISH: done" in task
    assert task.rstrip().endswith("It subtracts.")
    with pytest.raises(UsageError):
        revision_task("Fix add", " \n")


def test_comments_of_gh_come_in_order_with_their_authors() -> None:
    value = {
        "comments": [{"body": "second", "author": {"login": "bob"}, "createdAt": "2026-01-02T00:00:00Z"}],
        "reviews": [
            {"body": "first", "author": None, "submittedAt": "2026-01-01T00:00:00Z"},
            {"body": "", "author": {"login": "eve"}},
        ],
    }
    assert parse_comments(value) == "somebody: first\n\nbob: second"


@pytest.fixture
def remote(git: GitBuilder, tmp_path: Path) -> Path:
    git.commit(PROJECT)
    bare = tmp_path / "remote.git"
    git("init", "--quiet", "--bare", "--initial-branch=main", str(bare))
    git("remote", "add", "origin", str(bare))
    git("push", "--quiet", "--set-upstream", "origin", "main")
    return bare


def _start(git: GitBuilder, server: ScriptedServer, command: str, *arguments: str, text: str) -> Said:
    server.scripts["m"] = lambda _: writes({"calc.py": text}, "add adds")
    return mimo(
        *(command, *arguments, "--model", "m", "--base-url", server.base_url, "--candidates", "1", "--json"),
        *("--critic", "none", "--sandbox", "none", "--max-tokens", "1000000"),
        cwd=git.path,
        env={"OPENAI_API_KEY": "sk-test-not-a-key", "GIT_MIMO_STRATEGY": "shell", "GIT_MIMO_PROTOCOL": "tools"},
    )


def _clone(bare: Path, where: Path) -> GitBuilder:
    made = GitBuilder(where)
    made("remote", "add", "origin", str(bare))
    made("fetch", "--quiet", "origin")
    made("checkout", "--quiet", "-B", "main", "--track", "origin/main")
    return made


@pytest.mark.usefixtures("quick_tests")
def test_from_task_to_squash_merge_and_why(
    git: GitBuilder, remote: Path, tmp_path: Path, llm_server: ScriptedServer
) -> None:
    """A session, its request, CI in a fresh clone, comments worked in, a squash on the server, why in another clone."""
    started = _start(git, llm_server, "start", "--task", "Fix add: it subtracts", text=RIGHT)
    assert started.code == 0, started.err
    branch = started.json["result_branch"]
    opened = mimo("pr", cwd=git.path)
    assert opened.code == 0, opened.err
    assert "## Verdict" in opened.out
    listed = git("ls-remote", str(remote))
    assert f"refs/heads/{branch}" in listed
    assert "refs/notes/mimo" in listed
    assert f"{started.json['session']}/1" not in listed

    checker = _clone(remote, tmp_path / "checker")
    checker("fetch", "--quiet", "origin", "+refs/notes/mimo:refs/notes/mimo")
    judged = mimo(
        "ci", f"origin/{branch}", "--base", "origin/main", "--require-note", "--sandbox", "none", cwd=checker.path
    )
    assert judged.code == 0, judged.out + judged.err
    assert "note: confirmed" in judged.out

    comments = tmp_path / "comments.txt"
    comments.write_text("ada: sums are called `total` in this project\n")
    better = RIGHT.replace("    return a + b", "    total = a + b\n    return total")
    revised = _start(git, llm_server, "revise", "--comments", str(comments), text=better)
    assert revised.code == 0, revised.out
    assert revised.json["base"] == started.json["result_commit"]
    assert git("rev-parse", branch) == revised.json["result_commit"]
    assert git("rev-parse", "main") == git("rev-parse", "origin/main")
    again = mimo("pr", "--json", cwd=git.path)
    assert (again.code, again.json["branch"]) == (0, branch), "the same pull request moves on"
    assert git("ls-remote", str(remote)).count("refs/heads/mimo/") == 1

    server = _clone(remote, tmp_path / "server")
    server.commit({"other.txt": "meanwhile\n"})
    server("merge", "--quiet", "--squash", f"origin/{branch}")
    server("commit", "--quiet", "-m", "Fix add (#3)")
    squashed = server("rev-parse", "HEAD")
    server("push", "--quiet", "origin", "main")
    server("push", "--quiet", "origin", "--delete", branch)

    git("pull", "--quiet", "--no-rebase", "origin", "main")
    offered = mimo("dream", "--dry-run", cwd=git.path)
    assert "sums are called `total` in this project" in offered.out + offered.err, "a reviewer's correction is offered"
    dreamt = mimo("dream", cwd=git.path)
    assert dreamt.code in (0, 1), dreamt.err
    git("push", "--quiet", "origin", "main")

    other = _clone(remote, tmp_path / "other")
    other("fetch", "--quiet", "origin", "+refs/notes/mimo:refs/notes/mimo")
    assert other("for-each-ref", "refs/remotes/origin/mimo") == ""
    line = next(i for i, text in enumerate(better.splitlines(), 1) if "a + b" in text)
    why = mimo("why", f"calc.py:{line}", "--json", cwd=other.path)
    assert why.code == 0, why.out + why.err
    assert (why.json["session"], why.json["how"]) == (revised.json["session"], "patch")
    assert (why.json["commit"], why.json["candidate"]) == (squashed, 1)
    evidence = why.json["note"]["evidence"]
    assert evidence["base"] == started.json["result_commit"]
    assert {gate["outcome"] for gate in evidence["gates"]} <= {"pass", "skipped"}
    assert git("rev-parse", f"{evidence['tested_tree']}:calc.py") == other("rev-parse", f"{squashed}:calc.py")


def test_pr_without_evidence_for_what_the_branch_holds_is_refused(git: GitBuilder, remote: Path) -> None:
    session = make_session(git, [Attempt(steps=[{"calc.py": RIGHT}])])
    write_journal(git, session)
    git("checkout", "--quiet", str(session.result_branch))
    git.commit({"calc.py": WRONG})
    said = mimo("pr", SESSION, cwd=git.path)
    assert said.code == 2
    assert f"git mimo ci --record {session.result_branch}" in said.err
    assert str(session.result_branch) not in git("ls-remote", str(remote))


def test_pr_asks_gh_for_a_draft_and_prints_its_address(git: GitBuilder, remote: Path, tmp_path: Path) -> None:
    session = make_session(git, [Attempt(steps=[{"calc.py": RIGHT}])])
    write_journal(git, session)
    tool = tmp_path / "bin" / "gh"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/asked\ncat > {tmp_path}/body\n'
                    "echo https://forge.example/pull/7\n")  # fmt: skip
    tool.chmod(0o755)
    path = f"{tool.parent}{os.pathsep}{os.environ['PATH']}"
    said = mimo("pr", "--tool", "gh", "--json", cwd=git.path, env={"PATH": path})
    assert said.code == 0, said.err
    assert said.json["url"] == "https://forge.example/pull/7"
    asked = (tmp_path / "asked").read_text().split("\n")
    assert asked[:7] == ["pr", "create", "--draft", "--base", "main", "--head", str(session.result_branch)]
    assert "## Task" in (tmp_path / "body").read_text()


def test_notes_of_others_survive_a_push_of_ours(git: GitBuilder, remote: Path, tmp_path: Path) -> None:
    other = _clone(remote, tmp_path / "other")
    other("notes", "--ref=mimo", "add", "-m", "{}", "HEAD")
    other("push", "--quiet", "origin", "refs/notes/mimo")
    session = make_session(git, [Attempt(steps=[{"calc.py": RIGHT}])])
    write_journal(git, session)
    said = mimo("pr", "--tool", "none", cwd=git.path)
    assert said.code == 0, said.err
    other("fetch", "--quiet", "origin", "+refs/notes/mimo:refs/notes/mimo")
    noted = other("notes", "--ref=mimo", "list")
    assert other("rev-parse", "HEAD") in noted
    assert str(session.result_commit) in noted


def test_a_rejection_is_recorded_with_its_reason(git: GitBuilder) -> None:
    session = _made(git)
    write_journal(git, session)
    assert mimo("reject", "--reason", "too slow at the start", cwd=git.path).code == 0
    assert read_session(Repository.discover(git.path), session.session).rejected == "too slow at the start"
    assert mimo("reject", "--reason", " ", cwd=git.path).code == 129
    assert git("rev-parse", "--verify", str(session.result_branch))
