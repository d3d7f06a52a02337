"""What people do with results is learned from: a pick, a merge, a revert, a rejection."""

from pathlib import Path

import pytest

from gitmimo.git.repository import Repository
from gitmimo.memory.facts import FactKind, FactStatus, new_fact
from gitmimo.memory.front_matter import write_document
from gitmimo.memory.judgements import judge_session
from gitmimo.memory.outcomes import Label
from gitmimo.memory.session_record import read_labels, read_told, record_path
from gitmimo.memory.store import add_facts, read_facts
from gitmimo.records import Oid
from gitmimo.results import SessionResult
from gitmimo.workflow.dreaming import remember
from gitmimo.workflow.evidence_notes import outcomes_by_session
from tests.conftest import GitBuilder
from tests.made_session import STARTED, Attempt, make_session, write_journal
from tests.project import mimo

TASK = "Make greet say hello to everybody"
HI, HELLO, LOUD = ("def greet():\n    return '" + word + "'\n" for word in ("hi", "hello", "HELLO"))


@pytest.fixture
def project(git: GitBuilder) -> GitBuilder:
    git.commit({"app.py": HI}, "first")
    return git


def session(git: GitBuilder, *texts: str, learned: str = "") -> SessionResult:
    fact = [new_fact(kind=FactKind.LESSON, text=learned, created=STARTED, status=FactStatus.VERIFIED,
                     sessions=["0a1b2c3d4e"])] if learned else []  # fmt: skip
    files = add_facts(Repository.discover(git.path), "HEAD", fact)
    files[record_path("0a1b2c3d4e")] = write_document({"session": "0a1b2c3d4e", "skill": "none"}, "# Session")
    attempts = [Attempt(steps=[{"app.py": text}], approach=f"write {text[-8:-2]}") for text in texts]
    made = make_session(
        git, attempts, task=TASK, learned={path: data for path, data in files.items() if data is not None}
    )
    write_journal(git, made)
    return made


def labels(git: GitBuilder, made: SessionResult) -> tuple[str, ...]:
    return read_labels(git("show", f"HEAD:{record_path(made.session)}").encode())


def outcomes(git: GitBuilder, made: SessionResult) -> set[str]:
    found = outcomes_by_session(Repository.discover(git.path))
    return {outcome.label for outcome in found.get(made.session, ())}


def dream_and_merge(git: GitBuilder) -> list[str]:
    said = mimo("dream", "--json", cwd=git.path)
    assert said.code == 0, said.err
    assert said.json["branch"], said.json
    git("merge", "-q", "--no-edit", said.json["branch"])
    return list(said.json["skills"])


def test_a_candidate_that_a_person_picked_is_what_is_learned(project: GitBuilder) -> None:
    made = session(project, HELLO, LOUD)
    assert mimo("merge", made.session, "2", cwd=project.path).code == 0
    assert (project.path / "app.py").read_text() == LOUD
    assert outcomes(project, made) == {"passed_over"}
    (skill,) = dream_and_merge(project)
    assert labels(project, made) == ("passed_over",)
    procedure = (project.path / ".mimo/skills" / skill / "assets/procedure.json").read_text()
    assert "HELLO" in procedure
    assert "return 'hello'" not in procedure


def test_a_merged_result_makes_a_skill_and_its_revert_takes_it_out_of_use(project: GitBuilder) -> None:
    made = session(project, HELLO)
    assert mimo("merge", made.session, cwd=project.path).code == 0
    (skill,) = dream_and_merge(project)
    assert labels(project, made) == ("merged",)
    project("revert", "--no-edit", project("log", "--format=%H", "--grep=Mimo-Verdict", "-1"))
    assert (project.path / "app.py").read_text() == HI
    # at once: no session tries it again
    again = mimo("start", "-t", TASK, "--test", "true", cwd=project.path)
    assert again.code == 128
    assert "the result it was made from was reverted" in again.err
    # and with the next dream for good
    assert dream_and_merge(project) == []
    assert labels(project, made) == ("merged", "reverted")
    (listed,) = mimo("skill", "list", "--json", cwd=project.path).json["skills"]
    assert (listed["name"], listed["outcomes"]["standing"]) == (skill, "quarantined")
    assert "reverted" in listed["outcomes"]["reason"]
    assert "nothing to learn" in mimo("dream", cwd=project.path).err


def test_a_rejected_result_takes_back_what_it_taught(project: GitBuilder, tmp_path: Path) -> None:
    made = session(project, HELLO, learned="greet is called by every page")
    assert mimo("merge", made.session, cwd=project.path).code == 0
    assert mimo("reject", made.session, "--reason", "too short", cwd=project.path).code == 0
    assert outcomes(project, made) == {"rejected"}
    (fact,) = mimo("memory", "list", "--json", cwd=project.path).json["facts"]
    assert (fact["status"], fact["hurt"]) == ("unverified", 1)
    said = mimo("dream", cwd=project.path)
    assert "no skill" in said.err


def test_of_a_session_that_failed_nothing_is_verified(project: GitBuilder) -> None:
    failed = [Attempt(steps=[{"app.py": text}], passed=False, approach=text[-8:-2]) for text in (HELLO, LOUD)]
    made = make_session(project, failed, task=TASK)
    write_journal(project, made)
    assert "nothing to learn" in mimo("dream", cwd=project.path).err  # by itself it only looks at what passed
    said = mimo("dream", made.session, "--json", cwd=project.path)
    assert said.code == 0, said.err
    assert said.json["skills"] == []
    project("merge", "-q", said.json["branch"])
    facts = mimo("memory", "list", "--json", cwd=project.path).json["facts"]
    assert [fact["status"] for fact in facts] == ["unverified"]
    assert "none is known to work" in facts[0]["text"]


def test_a_recalled_fact_counts_its_use_and_shares_the_judgement(project: GitBuilder) -> None:
    repository = Repository.discover(project.path)
    text = "greet says hello to everybody on every page"
    fact = new_fact(kind=FactKind.FACT, text=text, created=STARTED, status=FactStatus.VERIFIED)
    project.commit(dict(add_facts(repository, "HEAD", [fact])), "a fact")
    made = session(project, HELLO)
    found = remember(None, repository, made, made.candidates[0], known_secrets={})
    assert read_told(found.files[record_path(made.session)] or b"") == (fact.id,)
    head = Oid(project.commit(dict(found.files), "record"))
    (known,) = read_facts(repository, head)
    assert (known.id, known.uses, known.hurt) == (fact.id, 1, 0)
    judged = judge_session(repository, head, made.session, Label.REJECTED, now=STARTED)
    (known,) = read_facts(repository, project.commit(dict(judged), "judged"))
    assert (known.hurt, known.status) == (1, FactStatus.VERIFIED)  # it was told, not learned here
