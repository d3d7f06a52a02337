"""Rules of choice: each names one answer of a pool, and says whether it would merge it without a person."""

import ast
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.selection.compared import ComparedPool
from benchmarks.selection.pools import Pool
from gitmimo.evaluator.verdict import decide
from gitmimo.evidence import CandidateFacts, DiffFacts, Evidence, FileChange, Gate, Outcome
from gitmimo.ids import Oid


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The number of an answer, counted from 0; whether the rule takes it to be settled; and its reason."""

    number: int
    settled: bool = True
    reason: str = ""


Rule = Callable[[Pool, ComparedPool], Choice]


def first(pool: Pool, compared: ComparedPool) -> Choice:
    """The answer that came first."""
    return Choice(number=0)


def shortest(pool: Pool, compared: ComparedPool) -> Choice:
    """The answer with the fewest characters."""
    sizes = [sum(map(len, answer.files.values())) for answer in pool.answers]
    return Choice(number=sizes.index(min(sizes)))


def majority(pool: Pool, compared: ComparedPool) -> Choice:
    """The answer given most often, layout, comments and docstrings aside; the first of those."""
    meanings = [_meaning(answer.files) for answer in pool.answers]
    most, _ = Counter(meanings).most_common(1)[0]
    return Choice(number=meanings.index(most))


def ours(pool: Pool, compared: ComparedPool) -> Choice:
    """What git-mimo decides from the same facts, with no critic and no tests of the candidates."""
    facts = [CandidateFacts(number=number, evidence=_evidence(compared, number)) for number in range(len(pool.answers))]
    verdict = decide(facts, behaviour=compared.report)
    assert verdict.winner is not None
    return Choice(number=verdict.winner, settled=verdict.settled, reason="; ".join(verdict.doubts) or verdict.reason)


ROWS: Mapping[str, Rule] = {"first": first, "shortest": shortest, "majority of trees": majority, "git-mimo": ours}


def _evidence(compared: ComparedPool, number: int) -> Evidence:
    """Evidence of a product that passed: a pool holds no others."""
    tree = compared.trees[number]
    changes = tuple(
        FileChange(path=path, status="M", added=added, removed=removed)
        for path, (added, removed) in compared.changed_lines[number].items()
    )
    return Evidence(
        tree=tree,
        tested_tree=tree,
        base=Oid(compared.report.base),
        gates=(Gate(name="suite", outcome=Outcome.PASS),),
        diff=DiffFacts(files=changes),
        fixed_ids=compared.fixed_tests,
    )


def _meaning(files: Mapping[str, str]) -> str:
    told = []
    for path, text in sorted(files.items()):
        try:
            tree = ast.parse(text)
        except SyntaxError:
            told.append(path + text)
            continue
        for node in ast.walk(tree):
            body = getattr(node, "body", None)
            if isinstance(body, list) and body and isinstance(body[0], ast.Expr) and _is_text(body[0].value):
                node.body = body[1:] or [ast.Pass()]  # type: ignore[attr-defined]
        told.append(path + ast.unparse(tree))
    return "\n".join(told)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)
