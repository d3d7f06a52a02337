"""The committed record of a session: what was asked, tried, measured and learned, in at most 10 KB."""

from collections.abc import Iterator, Mapping, Sequence

from gitmimo.errors import BadMemory
from gitmimo.memory.front_matter import Value, read_document, texts_of, write_document
from gitmimo.redact import redact
from gitmimo.results import CandidateResult, SessionResult
from gitmimo.text import escape_controls

SESSIONS_DIR = ".mimo/sessions"
MAX_BYTES = 10_000
OWN_WORDS = "## What the candidates said of themselves"
DREAMED, LABELS, TOLD = "dreamed", "labels", "told"
_TASK = 2_500
_SUMMARY = 400


def record_path(session: str) -> str:
    """Where a session's record lies in the tree."""
    return f"{SESSIONS_DIR}/{session}.md"


def write_session_record(
    result: SessionResult,
    *,
    lessons: Sequence[str] = (),
    procedure: Sequence[str] = (),
    skill: str | None = None,
    dreamed: bool = False,
    labels: Sequence[str] = (),
    told: Sequence[str] = (),
    known: Mapping[str, str] | None = None,
) -> bytes:
    """Format a session's record: the same bytes for the same session, secrets taken out, never over 10 KB.

    What a candidate said of itself is left out of the header and marked as its own words. `told` are ids of facts that
    were recalled for the task, `known` holds secret values.
    """
    task = _clean(result.task, _TASK, known)
    header: dict[str, Value] = {
        "schema": "git-mimo/session/1",
        "session": result.session,
        "status": result.status.value,
        "task": " ".join(_clean(result.task, 300, known).split()),
        "base": result.base,
        "started": result.started.isoformat() if result.started else "",
        "winner": str(result.verdict.winner) if result.verdict and result.verdict.winner is not None else "none",
        "merged": "yes" if result.merged else "no",
        "skill": skill or result.skill or "none",
        "cost-usd": f"{result.cost_usd:.4f}",
        "model-calls": str(result.llm_calls),
        "tokens": str(result.usage.total),
        "seconds": f"{result.seconds:.0f}",
    }
    if dreamed:
        header[DREAMED] = "yes"
    if labels:
        header[LABELS] = tuple(sorted(set(labels)))
    if told:
        header[TOLD] = tuple(sorted(set(told)))
    for limit in (_SUMMARY, 120, 0):
        lines = list(_body(result, task, lessons, procedure, limit, known))
        data = write_document(header, "\n".join(lines))
        if len(data) <= MAX_BYTES:
            return data
    kept = "\n".join(lines).encode()[: MAX_BYTES - (len(data) - len("\n".join(lines).encode())) - 60]
    return write_document(header, kept.decode(errors="ignore").rpartition("\n")[0] + "\n\n[cut to 10 KB]")


def without_own_words(body: str) -> str:
    """Return a record's body without what candidates said of themselves: a tool's words may have got into it."""
    before, found, after = body.partition(OWN_WORDS)
    _, heading, rest = after.partition("\n## ")
    return before + (heading.lstrip("\n") + rest if found and heading else "")


def read_labels(data: bytes) -> tuple[str, ...]:
    """Return what people said of the session, as its record holds it; nothing when the record is damaged."""
    return _texts(data, LABELS)


def read_told(data: bytes) -> tuple[str, ...]:
    """Return the ids of the facts that were recalled for the session; nothing when the record is damaged."""
    return _texts(data, TOLD)


def _texts(data: bytes, key: str) -> tuple[str, ...]:
    try:
        return texts_of(read_document(data, max_bytes=4 * MAX_BYTES), key)
    except BadMemory:
        return ()


def is_readable(data: bytes) -> bool:
    """Whether a record is of our form."""
    try:
        read_document(data, max_bytes=4 * MAX_BYTES)
    except BadMemory:
        return False
    return True


def read_skill_name(data: bytes) -> str | None:
    """Return the skill that the session used or made, as its record says."""
    try:
        found = read_document(data, max_bytes=4 * MAX_BYTES).header.get("skill")
    except BadMemory:
        return None
    return found if isinstance(found, str) and found != "none" else None


def add_label(data: bytes, label: str) -> bytes:
    """Return the record with one more label. BadMemory when the record is damaged."""
    document = read_document(data, max_bytes=4 * MAX_BYTES)
    labels = tuple(sorted({*texts_of(document, LABELS), label}))
    return write_document({**document.header, LABELS: labels}, document.body)


def _body(
    result: SessionResult,
    task: str,
    lessons: Sequence[str],
    procedure: Sequence[str],
    summary: int,
    known: Mapping[str, str] | None,
) -> Iterator[str]:
    yield from (f"# Session {result.session}", "", "## Task", "")
    yield from (f"> {line}" for line in task.splitlines() or [""])
    yield from ("", "## Candidates", "", "| n | model | approach | stopped | steps | tokens | USD | gates | tests |")
    yield "|---|---|---|---|---|---|---|---|---|"
    for candidate in result.candidates:
        yield f"| {' | '.join(_row(candidate, known))} |"
    if result.verdict is not None:
        yield from ("", "## Verdict", "", _clean(result.verdict.reason, 600, known))
        for ranked in result.verdict.ranking[:20]:
            yield f"- {ranked.number}: rank {ranked.rank}, {_clean(ranked.reason, 160, known)}"
    failures = [(c.number, gate) for c in result.candidates if c.evidence for gate in c.evidence.failed_gates]
    if failures:
        yield from ("", "## Failed gates", "")
        for number, gate in failures[:20]:
            yield f"- {number}: {gate.name} {gate.outcome.value}: {_clean(gate.detail, 200, known)}"
    dropped = [(c.number, text) for c in result.candidates for text in c.dropped]
    if dropped:
        yield from ("", "## Dropped", "")
        yield from (f"- {number}: {_clean(text, 200, known)}" for number, text in dropped[:20])
    said = [(c.number, _clean(c.summary, summary, known)) for c in result.candidates if c.summary and summary]
    if said:
        yield from ("", OWN_WORDS, "")
        yield from (f"- {number}: {text}" for number, text in said)
    if result.assumptions:
        yield from ("", "## Assumptions", "")
        yield from (f"- {_clean(text, 300, known)}" for text in result.assumptions[:10])
    if lessons:
        yield from ("", "## Lessons", "")
        yield from (f"- {_clean(lesson, 500, known)}" for lesson in lessons)
    if procedure:
        yield from ("", "## Procedure", "")
        yield from (f"- {_clean(line, 200, known)}" for line in procedure[:30])


def _row(candidate: CandidateResult, known: Mapping[str, str] | None) -> tuple[str, ...]:
    evidence = candidate.evidence
    gates = "none" if evidence is None else "passed" if evidence.passed else ", ".join(
        gate.name for gate in evidence.failed_gates
    )  # fmt: skip
    tests = f"{evidence.tests_passed}/{evidence.tests_run}" if evidence is not None else ""
    return (
        str(candidate.number),
        _cell(candidate.model, 40, known),
        _cell(candidate.approach, 120, known),
        candidate.status,
        str(candidate.steps),
        str(candidate.usage.total),
        f"{candidate.cost_usd:.4f}",
        gates,
        tests,
    )


def _cell(text: str, limit: int, known: Mapping[str, str] | None) -> str:
    return _clean(text, limit, known).replace("|", "/") or "-"


def _clean(text: str, limit: int, known: Mapping[str, str] | None) -> str:
    """One paragraph without secrets, hidden characters and header lines."""
    text = escape_controls(redact(text, known)[0]).replace("---", "- - -")
    text = text if limit == _TASK else " ".join(text.split())
    return text if len(text) <= limit else f"{text[: max(0, limit - 1)].rstrip()}…"
