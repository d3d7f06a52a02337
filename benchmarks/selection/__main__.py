"""Choose in pools of answers that pass the same tests: `python -m benchmarks.selection ANSWERS.jsonl.gz --out FILE`.

No model runs. The pools are a file of model answers with labels, and with `--bugs` the passing small edits of the
repositories of `benchmarks.bugs`. Comparing a pool takes seconds; what was found is kept in `--out`, one JSON line a
pool, and a run goes on where the last one was cut. The table is made from that file: rules can be changed without
comparing again (`--table`). `--half` prints it for one half of the pools, for those who change rules.
"""

import argparse
import hashlib
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmarks.selection.compared import ComparedPool, compare_pool
from benchmarks.selection.edits import small_edits
from benchmarks.selection.pools import Pool, model_answers
from benchmarks.selection.rows import ROWS, Rule
from gitmimo.codec import to_json


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("answers", type=Path, nargs="?", help="a file of model answers, see pools.py")
    parser.add_argument("--bugs", action="store_true", help="pools of small edits that pass, too")
    parser.add_argument("--out", type=Path, required=True, help="what was compared: read, and added to")
    parser.add_argument("--table", action="store_true", help="compare nothing, print the table")
    parser.add_argument("--half", type=int, choices=[0, 1], help="pools of one half only")
    parser.add_argument("--sandbox", default="auto")
    options = parser.parse_args()
    known = _read(options.out)
    rows = []
    for pool in _pools(options.answers, bugs=options.bugs and not options.table):
        if options.half is not None and _half(pool.name) != options.half:
            continue
        if pool.name not in known and not options.table:
            with tempfile.TemporaryDirectory(prefix="mimo-selection-") as scratch:
                compared = compare_pool(pool, Path(scratch), sandbox=options.sandbox)
            with options.out.open("a") as log:
                log.write(json.dumps({"pool": to_json(pool), "compared": compared.to_json()}) + "\n")
            known[pool.name] = (pool, compared)
            print(f"{pool.name}: {compared.seconds:.1f} s, {_shape(pool, compared)}", file=sys.stderr, flush=True)
        if pool.name in known:
            rows.append(known.pop(pool.name))
    rows += [each for each in known.values() if options.half is None or _half(each[0].name) == options.half]
    for kind in ("model answers", "small edits"):
        of_kind = [(pool, compared) for pool, compared in rows if pool.kind == kind]
        if of_kind:
            print(f"\n{kind}: {_about(of_kind)}\n\n{table(of_kind)}")
    return 0


def table(rows: list[tuple[Pool, ComparedPool]]) -> str:
    """Markdown: one line a rule."""
    lines = [
        "| rule | right picks in mixed pools | wrong merges, of all pools | right picks called unsettled "
        "| test runs a pool | seconds a pool |",
        "|---|---|---|---|---|---|",
    ]
    for name, rule in ROWS.items():
        found = _count(rule, rows)
        compares = name == "git-mimo"
        runs = sum(c.test_runs for _, c in rows) / len(rows) if compares else 0
        seconds = sum(c.seconds for _, c in rows) / len(rows) if compares else 0
        lines.append(
            f"| {name} | {found['mixed right']} of {found['mixed']} ({_percent(found['mixed right'], found['mixed'])}) "
            f"| {found['wrong settled']} ({_percent(found['wrong settled'], len(rows))}) "
            f"| {found['right unsettled']} of {found['right']} ({_percent(found['right unsettled'], found['right'])}) "
            f"| {runs:.0f} | {seconds:.1f} |"
        )
    return "\n".join(lines)


def _count(rule: Rule, rows: Iterable[tuple[Pool, ComparedPool]]) -> Counter[str]:
    found: Counter[str] = Counter()
    for pool, compared in rows:
        choice = rule(pool, compared)
        is_right = pool.answers[choice.number].is_right
        found["right" if is_right else "wrong"] += 1
        found[f"{'right' if is_right else 'wrong'} {'settled' if choice.settled else 'unsettled'}"] += 1
        if pool.is_mixed:
            found["mixed"] += 1
            found["mixed right"] += is_right
    return found


def _pools(answers: Path | None, *, bugs: bool) -> Iterator[Pool]:
    if answers is not None:
        yield from model_answers(answers)
    if bugs:
        yield from small_edits()


def _read(path: Path) -> dict[str, tuple[Pool, ComparedPool]]:
    lines = path.read_text().splitlines() if path.exists() else []
    found = [json.loads(line) for line in lines]
    pools = [(Pool.from_json(each["pool"]), ComparedPool.from_json(each["compared"])) for each in found]
    return {pool.name: (pool, compared) for pool, compared in pools}


def _about(rows: list[tuple[Pool, ComparedPool]]) -> str:
    answers = [answer for pool, _ in rows for answer in pool.answers]
    alike = [pool for pool, compared in rows if len(compared.report.groups) == 1 and len(pool.answers) > 1]
    none_right = sum(not any(a.is_right for a in pool.answers) for pool in alike)
    right = sum(answer.is_right for answer in answers)
    return (
        f"{len(rows)} pools with {right} right and {len(answers) - right} wrong answers; {len(alike)} pools of several "
        f"answers that behave alike, {none_right} of them all wrong"
    )


def _shape(pool: Pool, compared: ComparedPool) -> str:
    report = compared.report
    labels = "".join("+" if answer.is_right else "-" for answer in pool.answers)
    return f"{labels} {len(report.groups)} behaviours on {report.valid} inputs {report.problem}"


def _half(name: str) -> int:
    return hashlib.sha256(name.encode()).digest()[0] % 2


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "-"


if __name__ == "__main__":
    sys.exit(main())
