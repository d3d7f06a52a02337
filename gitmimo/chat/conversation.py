"""A conversation as records: its turns, the facts that turns are condensed to, and the file that keeps both."""

import contextlib
import json
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from gitmimo.codec import from_json, to_json
from gitmimo.errors import UsageError
from gitmimo.results import SessionResult

_SCHEMA = "git-mimo/chat/1"
_MOST_NOTES = 40
_MOST_KEPT = 20
_QUESTION, _ANSWER, _TASK = 100, 180, 90
_BYTES_A_TOKEN = 3.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One exchange. `kind` is question, task, plan or note; `paths` are the files that it was about."""

    kind: str
    said: str
    answer: str = ""
    paths: tuple[str, ...] = ()
    session: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """What was said since the last condensing, and facts about all before. Grows by copies."""

    id: str
    notes: tuple[str, ...] = ()
    turns: tuple[Turn, ...] = ()
    rules: tuple[str, ...] = ()  # what the person asked to keep: offered to memory once
    sessions: tuple[str, ...] = ()  # those that it started

    def add(self, turn: Turn) -> "Conversation":
        """The conversation with one more turn; a note of the person's is also a rule to offer to memory."""
        if turn.kind != "note":
            return replace(self, turns=(*self.turns, turn))
        return replace(self, notes=_bounded((*self.notes, f"noted: {turn.said}")), rules=(*self.rules, turn.said))

    def condensed(self, *, keep: int = 0) -> "Conversation":
        """All turns but the last `keep` turned into facts; the same turns always give the same facts."""
        cut = len(self.turns) - keep
        if cut <= 0:
            return self
        facts = (fact_of(turn) for turn in self.turns[:cut])
        return replace(self, notes=_bounded((*self.notes, *facts)), turns=self.turns[cut:])

    @property
    def text(self) -> str:
        """What a model is told of it; empty at the beginning."""
        parts = []
        if self.notes:
            parts.append("Known from before:\n" + "\n".join(f"- {note}" for note in self.notes))
        parts += [f"Asked: {t.said}\nAnswered: {t.answer}" for t in self.turns]
        return "\n\n".join(parts)

    @property
    def tokens(self) -> int:
        """About how many tokens `text` takes."""
        return round(len(self.text.encode()) / _BYTES_A_TOKEN)


def fact_of(turn: Turn) -> str:
    """One line that keeps what a later question could need of a turn: no prose, no code."""
    where = f" [{', '.join(turn.paths[:4])}]" if turn.paths else ""
    if turn.kind == "task":
        return f"session {turn.session}: {_short(turn.said, _TASK)}: {_short(turn.answer, _ANSWER)}{where}"
    return f"{turn.kind}: {_short(turn.said, _QUESTION)} -> {_first_sentence(turn.answer)}{where}"


def task_turn(result: SessionResult) -> Turn:
    """A session of this conversation as a turn: what became of it, and which files its winner changed."""
    winner = next((c for c in result.candidates if result.verdict and c.number == result.verdict.winner), None)
    paths = tuple(change.path for change in winner.evidence.diff.files) if winner and winner.evidence else ()
    merged = f", merged into {result.target_branch}" if result.merged else ""
    reason = result.verdict.reason if result.verdict else result.message
    told = f"{result.status.value}{merged}; {reason}" if reason else f"{result.status.value}{merged}"
    return Turn(kind="task", said=result.task, answer=told, paths=paths, session=result.session)


def save(directory: Path, conversation: Conversation) -> None:
    """Keep a conversation in a directory of the user's own; the oldest beyond twenty go.

    Its texts had their secrets taken out when they came in. Where the disk refuses nothing is kept: no work is lost.
    """
    text = json.dumps({"schema": _SCHEMA, **to_json(conversation)}, ensure_ascii=False)
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = directory / f"{conversation.id}.{os.getpid()}.tmp"
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(directory / f"{conversation.id}.json")
        for old in sorted(directory.glob("*.json"))[:-_MOST_KEPT]:
            old.unlink(missing_ok=True)
    except OSError:
        return


def load_newest(directory: Path) -> Conversation:
    """The newest conversation that was kept; UsageError when there is none."""
    for path in sorted(directory.glob("*.json"), reverse=True):
        with contextlib.suppress(OSError, ValueError, TypeError):
            value = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(value, dict) and value.pop("schema", None) == _SCHEMA:
                return from_json(Conversation, value)
    raise UsageError("there is no conversation to go on with", hint="git mimo chat")


def _bounded(notes: tuple[str, ...]) -> tuple[str, ...]:
    """Each once; beyond the limit the oldest go that the person did not ask to keep."""
    found = list(dict.fromkeys(notes))
    while len(found) > _MOST_NOTES:
        at = next((n for n, note in enumerate(found) if not note.startswith("noted: ")), 0)
        del found[at]
    return tuple(found)


def _first_sentence(text: str) -> str:
    line = " ".join(text.split())
    end = re.search(r"(?<=[\w`)\"'])[.!?](?=\s|$)", line)
    return _short(line[: end.end()] if end else line, _ANSWER)


def _short(text: str, most: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
