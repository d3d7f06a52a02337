"""Sessions written into a real repository as `start` leaves them, without a model and without running tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from gitmimo import ids
from gitmimo.codec import dump_json
from gitmimo.evidence import CriticOpinion, Evidence, Gate, Outcome, RankedCandidate, Verdict
from gitmimo.git import commit, refs, trees
from gitmimo.git.diff import diff_facts
from gitmimo.git.repository import Repository
from gitmimo.git.trees import with_mimo_from, without_mimo
from gitmimo.ids import Oid, SessionId, SessionStatus
from gitmimo.journal import Journal
from gitmimo.records import Action, ActionKind, CandidateResult, Observation, Reply, SessionResult, Step, Usage
from gitmimo.workflow.directories import sessions_directory
from gitmimo.workflow.evidence_notes import EvidenceNote, write_evidence
from tests.conftest import GitBuilder

STARTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
GATES = ("product", "setup", "base_suite", "accept", "new_tests", "import_origin")
SESSION = SessionId("0a1b2c3d4e")

Files = Mapping[str, str | bytes | None]


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What one candidate does: one dict of files per step."""

    steps: Sequence[Files]
    passed: bool = True
    said: str = "I looked at the code and changed it."
    seen: str = "ok"
    fixed: tuple[str, ...] = ("tests/test_app.py::test_it",)
    broken: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    model: str = "openai/some-model"
    approach: str = "Mend the function itself."
    usd: float = 0.0021


def make_session(
    git: GitBuilder,
    attempts: Sequence[Attempt],
    *,
    task: str = "Make f return its argument\n\nAnd nothing else.",
    comments: Mapping[str, str] | None = None,
    session: SessionId = SESSION,
    prefix: str = "mimo",
) -> SessionResult:
    """Write candidates with step commits, evidence notes and a result branch; the first that passed wins."""
    repository = Repository.discover(git.path)
    base = repository.resolve("HEAD")
    refs.update_ref(repository, ids.base_ref(session), base, expected=None, reason="test")
    results = [
        _candidate(repository, base, session, number, attempt, prefix) for number, attempt in enumerate(attempts, 1)
    ]
    winner = next((c for c in results if c.evidence and c.evidence.passed), None)
    ranking = tuple(
        RankedCandidate(number=c.number, rank=place, passed=bool(c.evidence and c.evidence.passed), votes=1, reason=why)
        for place, c in enumerate(sorted(results, key=lambda c: c is not winner), 1)
        for why in ["passed every gate" if c.evidence and c.evidence.passed else "failed base_suite"]
    )
    verdict = Verdict(
        winner=winner.number if winner else None,
        ranking=ranking,
        reason=f"candidate {winner.number} passed every gate" if winner else "no candidate passed",
        critic=CriticOpinion(comments=dict(comments), rubric="Small and right.", model="critic/model")
        if comments
        else None,
    )
    result = SessionResult(
        session=session,
        status=SessionStatus.PASSED if winner else SessionStatus.FAILED,
        task=task,
        base=base,
        target_branch=repository.head_branch(),
        candidates=tuple(results),
        verdict=verdict,
        usage=sum((c.usage for c in results), Usage()),
        cost_usd=sum(c.cost_usd for c in results),
        seconds=92.0,
        llm_calls=sum(c.steps for c in results),
        started=STARTED,
    )
    if winner is None:
        return result
    return _land(repository, result, winner, prefix)


def write_journal(git: GitBuilder, session: SessionResult) -> None:
    """Write the journal that `start` would have left."""
    directory = sessions_directory(Repository.discover(git.path)) / session.session
    directory.mkdir(parents=True)
    journal = Journal(directory / "journal.jsonl")
    journal.intend("session", task=session.task, base=session.base, target_branch=session.target_branch)
    journal.done("session", result=session)
    journal.close()


def _candidate(
    repository: Repository, base: Oid, session: SessionId, number: int, attempt: Attempt, prefix: str
) -> CandidateResult:
    branch = ids.candidate_branch(session, number, prefix=prefix)
    tip, moment = base, STARTED
    usage, cost = Usage(), 0.0
    for index, files in enumerate(attempt.steps, 1):
        step = Step(
            number=index,
            reply=Reply(
                text=attempt.said,
                usage=Usage(prompt=1000 * index, cached=500, completion=200),
                cost_usd=attempt.usd,
                model=attempt.model,
                seconds=2.5,
            ),
            actions=tuple(
                Action(kind=ActionKind.WRITE, path=path, text=content if isinstance(content, str) else "")
                for path, content in files.items()
            )
            or (Action(kind=ActionKind.SHELL, text="python -m pytest -q"),),
            observations=tuple(Observation(text=attempt.seen, exit_code=0, seconds=1.5) for _ in files)
            or (Observation(text=attempt.seen, exit_code=1, seconds=3.0),),
            started=moment,
            changed_paths=tuple(files),
        )
        moment += timedelta(seconds=6 + number)
        usage, cost = usage + step.reply.usage, cost + attempt.usd
        content = {path: data.encode() if isinstance(data, str) else data for path, data in files.items()}
        record = {f".mimo/trajectory/{session}/{number}/{index:04d}.json": dump_json(step).encode()}
        whole = trees.write_files(repository, repository.tree_of(tip), content | record)
        tip = commit.write_commit(repository, tree=whole, parents=(tip,), message=f"mimo: step {index}: write\n")
    for name in (f"refs/heads/{branch}", ids.candidate_ref(session, number)):
        refs.update_ref(repository, name, tip, expected=None, reason="test")
    product = without_mimo(repository, repository.tree_of(tip))
    base_product = without_mimo(repository, repository.tree_of(base))
    outcome = Outcome.PASS if attempt.passed else Outcome.FAIL
    evidence = Evidence(
        tree=product,
        tested_tree=product,
        base=base,
        gates=tuple(
            Gate(name=name, outcome=outcome if name == "base_suite" else Outcome.PASS, detail="3 of 3 tests pass")
            for name in GATES
        ),
        commands=("python -m pytest -q",),
        diff=diff_facts(repository, base_product, product),
        tests_passed=3 if attempt.passed else 2,
        tests_run=3,
        fixed_ids=attempt.fixed if attempt.passed else (),
        broken_ids=attempt.broken,
        flags=attempt.flags,
    )
    return CandidateResult(
        number=number,
        branch=branch,
        approach=attempt.approach,
        model=attempt.model,
        strategy="shell",
        status="finished",
        commit=tip,
        tree=product,
        steps=len(attempt.steps),
        usage=usage,
        cost_usd=cost,
        seconds=20.0 + number,
        llm_calls=len(attempt.steps),
        summary="It returns its argument now.",
        evidence=evidence,
    )


def _land(repository: Repository, result: SessionResult, winner: CandidateResult, prefix: str) -> SessionResult:
    evidence = winner.evidence
    assert evidence is not None
    changed = with_mimo_from(repository, evidence.tested_tree, repository.tree_of(result.base))
    message = commit.add_trailers(
        result.task.partition("\n")[0] + "\n",
        {
            "Mimo-Session": result.session,
            "Mimo-Candidate": f"{winner.number}/{len(result.candidates)}",
            "Mimo-Verdict": f"pass {evidence.tests_passed}/{evidence.tests_run} {evidence.tree[:12]}",
            "Assisted-by": f"git-mimo:{winner.model}",
        },
    )
    tip = commit.write_commit(repository, tree=changed, parents=(result.base,), message=message)
    branch = ids.result_branch(result.session, result.task, prefix=prefix)
    note = EvidenceNote(session=result.session, candidate=winner.number, evidence=evidence, verdict=result.verdict)
    write_evidence(repository, [evidence.tree], note, commits=[tip])
    refs.update_ref(repository, f"refs/heads/{branch}", tip, expected=None, reason="test")
    return replace(result, result_branch=branch, result_commit=tip)
