"""One thing a later session should know, as a record and as a file of `.mimo/memory/`."""

import enum
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

from gitmimo.errors import BadMemory, SecretFound
from gitmimo.memory.front_matter import (
    Document,
    Value,
    maps_of,
    read_document,
    refuse_unknown,
    text_of,
    texts_of,
    write_document,
)
from gitmimo.records import Oid
from gitmimo.redact import find_secrets
from gitmimo.text import hidden_characters

MEMORY_DIR = ".mimo/memory"
MAX_FACT_BYTES = 65_536
_MAX_TEXT_LINES = 3
_MAX_LINE = 400
_MAX_LIST = 200
_KEYS = (
    "id", "kind", "created", "status", "origin", "sessions", "commits", "sources", "uses", "helped", "hurt",
)  # fmt: skip
_ID = re.compile(r"[0-9a-f]{12}\Z")
_OID = re.compile(r"[0-9a-f]{7,64}\Z")
_SESSION = re.compile(r"[0-9a-z-]{1,40}\Z")


class FactKind(enum.StrEnum):
    """What sort of thing is known, in the order in which it is shown."""

    RULE = "rule"
    ARCHITECTURE = "architecture"
    LESSON = "lesson"
    FACT = "fact"
    PREFERENCE = "preference"


class FactStatus(enum.StrEnum):
    """How far a fact can be relied on."""

    VERIFIED = "verified"
    UNVERIFIED = "unverified"
    STALE = "stale"


class Origin(enum.StrEnum):
    """Who says so: a person or the gates, or text that came from the repository, a tool or an issue."""

    TRUSTED = "trusted"
    UNTRUSTED = "untrusted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file that a fact rests on, as it was then."""

    path: str
    blob: Oid


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One fact. `id` follows from kind, origin and text, so the same fact learned twice is one fact."""

    id: str
    kind: FactKind
    text: str
    created: datetime
    status: FactStatus = FactStatus.UNVERIFIED
    origin: Origin = Origin.TRUSTED
    sessions: tuple[str, ...] = ()
    commits: tuple[Oid, ...] = ()
    sources: tuple[Source, ...] = ()
    uses: int = 0
    helped: int = 0
    hurt: int = 0

    @property
    def path(self) -> str:
        """Where the fact lies in the tree."""
        return f"{MEMORY_DIR}/{self.id}-{slug(self.text, limit=40)}.md"


def new_fact(
    *,
    kind: FactKind,
    text: str,
    created: datetime,
    status: FactStatus = FactStatus.UNVERIFIED,
    origin: Origin = Origin.TRUSTED,
    sessions: Iterable[str] = (),
    commits: Iterable[Oid] = (),
    sources: Iterable[Source] = (),
) -> Fact:
    """Make a fact. BadMemory when the text is empty, too long or hides characters, SecretFound when it holds a secret.

    What is not trusted cannot be verified, and is no rule.
    """
    text = check_text(text)
    found = find_secrets(text.encode())
    if found:
        raise SecretFound(f"the text holds a secret: {found[0].rule}", hint="name where it is kept instead")
    if origin is Origin.UNTRUSTED:
        status = FactStatus.UNVERIFIED
        kind = FactKind.FACT if kind is FactKind.RULE else kind
    return Fact(
        id=fact_id(kind, text, origin),
        kind=kind,
        text=text,
        created=created.astimezone(UTC).replace(microsecond=0),
        status=status,
        origin=origin,
        sessions=tuple(sorted(set(sessions))),
        commits=tuple(sorted(set(commits))),
        sources=_sorted_sources(sources),
    )


def fact_id(kind: FactKind, text: str, origin: Origin) -> str:
    """Twelve hexadecimal digits that follow from the content; white space and case of the text don't count."""
    plain = " ".join(text.lower().split())
    return hashlib.sha256(f"{kind.value}\0{origin.value}\0{plain}".encode()).hexdigest()[:12]


def check_text(text: str) -> str:
    """Return the text, trimmed. BadMemory when it can't be a fact's."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    if not lines:
        raise BadMemory("a fact needs a text")
    if len(lines) > _MAX_TEXT_LINES or max(map(len, lines)) > _MAX_LINE:
        raise BadMemory(
            f"a fact has at most {_MAX_TEXT_LINES} lines of {_MAX_LINE} characters",
            hint="write several facts, or a document that a fact points to",
        )
    text = "\n".join(lines)
    hidden = hidden_characters(text)
    if hidden:
        raise BadMemory(f"hidden characters: {', '.join(hidden[:3])}")
    if any(line == "---" for line in lines):
        raise BadMemory("a line `---` in a fact")
    return text


def slug(text: str, *, limit: int) -> str:
    """Lower-case words joined by hyphens, never empty, at most `limit` characters."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", plain)
    found = ""
    for word in words:
        longer = f"{found}-{word}" if found else word
        if len(longer) > limit:
            break
        found = longer
    return found or (words[0][:limit] if words else "fact")


def combine(ours: Fact, theirs: Fact, *, base: Fact | None = None) -> Fact:
    """Make one of two states of the same fact; the order of the two doesn't matter.

    Counters add up over a common base, else the higher counts; the earlier creation and the less certain status win,
    unless one side alone changed the status.
    """
    statuses = {ours.status, theirs.status} - ({base.status} if base else set())
    certainty = (FactStatus.STALE, FactStatus.UNVERIFIED, FactStatus.VERIFIED)
    return replace(
        ours,
        created=min(ours.created, theirs.created),
        status=min(statuses or {ours.status}, key=certainty.index),
        sessions=tuple(sorted({*ours.sessions, *theirs.sessions})),
        commits=tuple(sorted({*ours.commits, *theirs.commits})),
        sources=_sorted_sources((*ours.sources, *theirs.sources)),
        uses=_combined_count(ours.uses, theirs.uses, base.uses if base else None),
        helped=_combined_count(ours.helped, theirs.helped, base.helped if base else None),
        hurt=_combined_count(ours.hurt, theirs.hurt, base.hurt if base else None),
        text=min(ours.text, theirs.text),
    )


# --- as a file -------------------------------------------------------------------------------------------------------


def write_fact(fact: Fact) -> bytes:
    """Format a fact; equal facts give equal bytes."""
    header: dict[str, Value] = {
        "id": fact.id,
        "kind": fact.kind.value,
        "created": fact.created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "status": fact.status.value,
        "origin": fact.origin.value,
        "sessions": fact.sessions,
        "commits": fact.commits,
        "sources": tuple({"path": source.path, "blob": source.blob} for source in fact.sources),
        "uses": str(fact.uses),
        "helped": str(fact.helped),
        "hurt": str(fact.hurt),
    }
    return write_document({key: value for key, value in header.items() if value != ()}, fact.text)


def read_fact(data: bytes) -> Fact:
    """Parse a fact's file. BadMemory says what is wrong.

    A union merge of two states of one fact leaves keys twice: the two states are combined. Keys that say what the fact
    is must not differ.
    """
    document = read_document(data, max_bytes=MAX_FACT_BYTES, merged=True)
    fact = _from_document(Document(header=document.header, body=_first_text(document.body)))
    repeats: list[dict[str, Value]] = []
    for key, value in document.repeated:
        if key in ("id", "kind", "origin") and value != document.header[key]:
            raise BadMemory(f"two values of `{key}`")
        fresh = next((repeat for repeat in repeats if key not in repeat), None)
        if fresh is None:
            repeats.append(fresh := {})
        fresh[key] = value
    for repeat in repeats:
        other = _from_document(Document(header={**document.header, **repeat}, body=fact.text))
        fact = combine(fact, other)
    return fact


def _from_document(document: Document) -> Fact:
    refuse_unknown(document, _KEYS)
    text = check_text(document.body)
    kind = _member(FactKind, text_of(document, "kind"), "kind")
    origin = _member(Origin, text_of(document, "origin", "untrusted"), "origin")
    status = _member(FactStatus, text_of(document, "status", "unverified"), "status")
    identity = fact_id(kind, text, origin)
    if _matching(_ID, text_of(document, "id"), "id") != identity or origin is Origin.UNTRUSTED:
        status = FactStatus.UNVERIFIED  # what was verified is another text
    sources = maps_of(document, "sources", ("path", "blob"))
    return Fact(
        id=identity,
        kind=kind,
        text=text,
        created=_moment(text_of(document, "created")),
        status=status,
        origin=origin,
        sessions=_each(_SESSION, texts_of(document, "sessions"), "sessions"),
        commits=tuple(Oid(text) for text in _each(_OID, texts_of(document, "commits"), "commits")),
        sources=_sorted_sources(_source(item) for item in sources),
        uses=_count(text_of(document, "uses", "0"), "uses"),
        helped=_count(text_of(document, "helped", "0"), "helped"),
        hurt=_count(text_of(document, "hurt", "0"), "hurt"),
    )


def _first_text(body: str) -> str:
    """A union merge of texts that differ in white space or case leaves both: the first is kept."""
    lines = body.splitlines()
    half = len(lines) // 2
    plain = [" ".join(line.lower().split()) for line in lines]
    return "\n".join(lines[:half]) if half and len(lines) % 2 == 0 and plain[:half] == plain[half:] else body


_Member = TypeVar("_Member", bound=enum.StrEnum)


def _member(kind: type[_Member], text: str, key: str) -> _Member:
    try:
        return kind(text)
    except ValueError as exc:
        raise BadMemory(f"`{key}` must be one of {', '.join(kind)}: `{text[:40]}`") from exc


def _matching(pattern: re.Pattern[str], text: str, key: str) -> str:
    if not pattern.match(text):
        raise BadMemory(f"not a value of `{key}`: `{text[:80]}`")
    return text


def _each(pattern: re.Pattern[str], texts: Sequence[str], key: str) -> tuple[str, ...]:
    if len(texts) > _MAX_LIST:
        raise BadMemory(f"more than {_MAX_LIST} entries in `{key}`")
    return tuple(sorted({_matching(pattern, text, key) for text in texts}))


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as exc:
        raise BadMemory(f"not a time: `{text[:40]}`") from exc
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)


def _count(text: str, key: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text):
        raise BadMemory(f"`{key}` must be a number: `{text[:40]}`")
    return int(text)


def _source(item: Mapping[str, str]) -> Source:
    path = item["path"]
    if path.startswith("/") or ".." in path.split("/") or not path:
        raise BadMemory(f"a source's path leads outside: `{path[:80]}`")
    return Source(path=path, blob=Oid(_matching(_OID, item["blob"], "blob")))


def _sorted_sources(sources: Iterable[Source]) -> tuple[Source, ...]:
    return tuple(sorted(dict.fromkeys(sources), key=lambda source: (source.path, source.blob)))[:_MAX_LIST]


def _combined_count(ours: int, theirs: int, base: int | None) -> int:
    return max(ours, theirs) if base is None else max(0, ours + theirs - base)
