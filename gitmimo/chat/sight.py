"""The repository as an answer may see it: files, searches and history of one commit. Nothing here writes."""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from gitmimo.agent.shell.observations import as_data, cut_middle
from gitmimo.errors import MimoError
from gitmimo.git.binary import GitResult
from gitmimo.git.objects import GITLINK, LINK, TREE
from gitmimo.git.repository import Repository
from gitmimo.records import Oid
from gitmimo.redact import redact
from gitmimo.text import escape_controls

_MOST_BYTES = 2_000_000
_MOST_LINES = 400
_MOST_HITS = 60
_HITS_A_FILE = 12
_LONG_LINE = 240
_TIMEOUT_S = 20.0


class NotSeen(MimoError):
    """What was asked for is not there, or can't be shown; the message is for the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a file that a search found."""

    path: str
    number: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """Reads from the objects of `commit`, never from the checkout: no path leads out, no filter or hook runs.

    Secrets are taken out of all it tells, control characters are made visible. `.mimo/` is left out of searches.
    """

    repository: Repository
    commit: Oid
    known_secrets: Mapping[str, str]

    def text_of(self, path: str) -> str:
        """A file's whole text; NotSeen for what is no readable text file."""
        path = path.strip().strip("`'\"").removeprefix("./").strip("/")
        entry = self.repository.find_entry(self.commit, path) if path else None
        if entry is None:
            raise NotSeen(f"no such file at HEAD: `{path}`")
        if entry.mode in (TREE, GITLINK, LINK):
            raise NotSeen(f"not a file: `{path}`; list it instead")
        data = self.repository.read_object(entry.oid)
        if len(data) > _MOST_BYTES or b"\0" in data[:8000]:
            raise NotSeen(f"not a text file of bearable size: `{path}`")
        return data.decode("utf-8", "replace")

    def read(self, path: str, *, first: int = 1, last: int | None = None) -> str:
        """Numbered lines of a file, at most 400 of them."""
        lines = self.text_of(path).splitlines()
        first = max(1, first)
        last = min(last or len(lines), first + _MOST_LINES - 1, len(lines))
        shown = "\n".join(f"{n}: {lines[n - 1][:_LONG_LINE]}" for n in range(first, last + 1))
        rest = f"\n[{len(lines)} lines in all]" if last < len(lines) or first > 1 else ""
        return self.tell(shown + rest)

    def search(self, words: tuple[str, ...], *, is_pattern: bool = False, below: str = "") -> list[Line]:
        """Lines that hold one of the words, or match an extended regular expression; case does not count."""
        wanted = [part for word in words for part in ("-e", word)]
        kind = "--extended-regexp" if is_pattern else "--fixed-strings"
        place = f":(top,literal){below.strip('/')}" if below.strip("/.") else ":(top)"
        done = self._git(
            "grep", "-I", "-i", "-n", "-z", "--full-name", f"--max-count={_HITS_A_FILE}", kind, *wanted, self.commit,
            "--", place, ":(top,exclude).mimo",
        )  # fmt: skip
        if done.exit_code > 1:
            raise NotSeen(f"git grep cannot do that: {done.stderr.strip()[:200]}")
        found = []
        for row in done.stdout.decode("utf-8", "replace").split("\n"):
            name, _, rest = row.partition("\0")
            number, _, text = rest.partition("\0")
            if number.isdigit():
                found.append(Line(path=name.partition(":")[2], number=int(number), text=text[:_LONG_LINE]))
        return found

    def grep(self, pattern: str, *, below: str = "") -> str:
        """A search, told: `path:line: text`."""
        lines = self.search((pattern,), is_pattern=True, below=below)
        shown = [f"{line.path}:{line.number}: {line.text.strip()}" for line in lines[:_MOST_HITS]]
        more = [f"[{len(lines) - _MOST_HITS} more]"] if len(lines) > _MOST_HITS else []
        return self.tell("\n".join([*shown, *more])) if shown else "nothing matches"

    def listing(self, path: str = "") -> str:
        """A directory's entries, directories with a slash."""
        path = path.strip().removeprefix("./").strip("/.")
        entry = self.repository.find_entry(self.commit, path) if path else None
        if path and (entry is None or entry.mode != TREE):
            raise NotSeen(f"no such directory at HEAD: `{path}`")
        entries = self.repository.read_tree(entry.oid if entry else self.repository.tree_of(self.commit)).values()
        names = [f"{e.path}/" if e.mode == TREE else e.path for e in entries]
        return self.tell("\n".join([*names[:200], *([f"[{len(names) - 200} more]"] if len(names) > 200 else [])]))

    def log(self, *, path: str = "", count: int = 10) -> str:
        """The newest commits, of all or of one path, with the files they changed."""
        place = ("--", f":(top,literal){path.strip('/')}") if path.strip("/. ") else ()
        done = self._git(
            "log", f"-n{max(1, min(count, 30))}", "--no-color", "--no-notes", "--no-ext-diff", "--stat=100",
            "--date=short", "--format=%n%h %ad %an: %s", self.commit, *place,
        )  # fmt: skip
        return self.tell(done.text.strip() or "no commit")

    def paths(self) -> list[str]:
        """Every file, `.mimo/` left out."""
        found = self.repository.list_paths(self.commit, enter=lambda directory: directory != ".mimo")
        return [entry.path for entry in found if entry.mode != GITLINK]

    def tell(self, text: str, *, most: int = 12_000) -> str:
        """A text from the repository for a model: without secrets, visible, bounded, marked as data."""
        clean, _ = redact(escape_controls(text), self.known_secrets)
        return as_data(cut_middle(clean, most=most, pointer="read with line numbers")[0])

    def _git(self, *arguments: str) -> GitResult:
        try:
            return self.repository.run(*arguments, check=False, timeout_s=_TIMEOUT_S)
        except subprocess.TimeoutExpired as exc:
            raise NotSeen(f"git took longer than {_TIMEOUT_S:g} s") from exc


def words_of(text: str) -> tuple[str, ...]:
    """The words of a question worth searching for: names as they stand, others without their ending, at most ten."""
    names = re.findall(r"`([^`\n]{2,60})`|\b([A-Za-z]\w*(?:\.\w+)+|\w*_\w+|[a-z]+[A-Z]\w*|[A-Z][a-z]+[A-Z]\w*)\b", text)
    found = dict.fromkeys(one or other for one, other in names)
    for word in re.findall(r"[^\W\d_]{3,}", text):
        lowered = word.lower()
        if not _STOP.fullmatch(lowered) and not any(lowered in name.lower() for name in found):
            found.setdefault(_stem(lowered))
    return tuple(found)[:10]


def _stem(word: str) -> str:
    for ending in ("ations", "ation", "ings", "ing", "edly", "ed", "ies", "es", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:
            return word[: -len(ending)]
    return word


_STOP = re.compile(
    r"about|after|all|also|and|any|are|because|been|before|being|but|can|code|could|did|does|doing|done|each|"
    r"else|every|explain|file|files|find|for|from|function|get|gets|give|happen|happens|has|have|here|how|into|"
    r"its|just|know|line|lines|made|make|makes|many|may|mean|means|method|might|module|much|must|need|not|now|"
    r"one|only|other|our|out|over|place|please|project|repo|repository|same|see|shall|should|show|some|such|"
    r"tell|than|that|the|their|them|then|there|these|they|thing|this|those|through|under|use|used|uses|using|"
    r"very|was|way|well|were|what|when|where|which|who|whose|why|will|with|without|work|works|would|you|your"
)
