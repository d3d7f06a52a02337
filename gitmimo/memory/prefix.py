"""What every candidate is told about the project before its task: the project's own rules and its memory."""

from gitmimo.git.objects import LINK
from gitmimo.git.repository import Repository
from gitmimo.memory.facts import FactStatus
from gitmimo.memory.index import MAX_INDEX_LINES, index_text
from gitmimo.memory.recall import best_match, indexed_facts
from gitmimo.memory.session_record import without_own_words
from gitmimo.text import escape_controls

RULE_FILES = ("AGENTS.md", "CLAUDE.md")
_MOST_FACTS = 400
_STALE_NOTE = "Entries marked stale rest on files that have changed since: check before relying on them."


def prefix_text(repository: Repository, commit: str, *, max_chars: int = 24_000) -> str:
    """Return the project's rules and memory as of the commit; empty when there are none.

    The same bytes for the same commit, so that all candidates share a provider's cache. Every part is labelled with
    the file it comes from; what doesn't fit is cut and says so. Facts whose sources have changed are marked stale;
    facts that nobody vouches for are left out.
    """
    parts = []
    room = max_chars
    for name, text in _rule_files(repository, commit):
        shown = _cut(text, min(room, max_chars // 2))
        parts.append(f'<project-rules file="{name}">\n{shown}\n</project-rules>')
        room -= len(shown)
    facts = indexed_facts(repository, commit, limit=_MOST_FACTS)
    if facts and room > 500:
        memory = _cut(index_text(facts, limit=MAX_INDEX_LINES), room)
        stale = any(fact.status is FactStatus.STALE for fact in facts)
        note = (
            "\nEntries marked stale rest on files that have changed since: check before relying on them."
            if stale
            else ""
        )
        parts.append(f'<project-memory file=".mimo/MEMORY.md">\n{memory.rstrip()}{note}\n</project-memory>')
    return "\n\n".join(parts)


def match_text(repository: Repository, commit: str, task: str, *, max_chars: int = 3_000) -> str:
    """Return the one fact or session that fits the task best, labelled; empty when no word fits.

    What candidates of that session said of themselves is left out.
    """
    hit = best_match(repository, commit, task)
    if hit is None:
        return ""
    text = hit.text if hit.kind == "fact" else f"{hit.title}\n\n{without_own_words(hit.text)}"
    return (
        f'<recalled {hit.kind}="{hit.id}" status="{hit.status}">\n{_cut(escape_controls(text), max_chars)}\n</recalled>'
    )


def told_fact(repository: Repository, commit: str, task: str) -> str | None:
    """Return the id of the fact that `match_text` tells, if it tells one; the index is told to everybody alike."""
    hit = best_match(repository, commit, task)
    return hit.id if hit is not None and hit.kind == "fact" else None


def _rule_files(repository: Repository, commit: str) -> list[tuple[str, str]]:
    """Return the rule files with their text; one that only points to another is left out."""
    found: list[tuple[str, str]] = []
    for name in RULE_FILES:
        entry = repository.find_entry(commit, name)
        data = repository.read_blob(commit, name)
        if entry is None or entry.mode == LINK or data is None:
            continue
        text = escape_controls(data.decode(errors="replace")).strip().replace("</project-", "< /project-")
        if text and text not in (f"@{other}" for other in RULE_FILES) and text not in (known for _, known in found):
            found.append((name, text))
    return found


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    return text[: max(0, limit - 60)].rsplit("\n", 1)[0] + f"\n[... cut, {len(text)} characters in all ...]"
