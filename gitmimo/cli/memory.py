"""`git mimo memory`: facts that later sessions should know, committed beside the code."""

from collections.abc import Iterable

import click

from gitmimo.cli import render
from gitmimo.cli.help import Group
from gitmimo.cli.options import json_option, open_repository, short
from gitmimo.codec import to_json
from gitmimo.errors import BadMemory, UsageError
from gitmimo.memory.contradictions import Contradiction, find_contradictions
from gitmimo.memory.facts import Fact, FactKind, FactStatus, new_fact
from gitmimo.memory.recall import recall
from gitmimo.memory.store import add_facts, forget, pin_sources, read_memory, replace_facts, verify
from gitmimo.records import utc_now
from gitmimo.workflow.remember import commit_to_checkout


@click.group("memory", cls=Group)
def memory_command() -> None:
    """Facts that later sessions should know, one file each under .mimo/memory/."""


@memory_command.command("add")
@click.argument("text")
@click.option("--kind", type=click.Choice([kind.value for kind in FactKind]), default="rule", show_default=True,
              help="What kind of fact it is.")  # fmt: skip
@click.option("--source", multiple=True, help="File that the fact rests on; stale when it changes.", metavar="PATH")
@json_option
def add_command(text: str, kind: str, source: tuple[str, ...], as_json: bool) -> int:
    """Remember TEXT (1 to 3 lines) and commit it."""
    repository = open_repository()
    head = repository.resolve("HEAD")
    fact = new_fact(
        kind=FactKind(kind),
        text=text,
        created=utc_now(),
        status=FactStatus.VERIFIED,  # a person says so
        sources=pin_sources(repository, head, source),
        commits=(head,),
    )
    facts = read_memory(repository, head).facts
    known = next((other for other in facts if other.id == fact.id), None)
    commit = None
    if known is None or not _says_enough(known, fact):
        changes = add_facts(repository, head, [fact])
        commit = commit_to_checkout(repository, changes, f"mimo: remember {fact.id}\n\n{fact.text}\n")
    opposed = [found for found in find_contradictions([*facts, fact]) if fact.id in (found.first, found.second)]
    if as_json:
        contradicts = [found.second if found.first == fact.id else found.first for found in opposed]
        render.emit_json({"schema": "git-mimo/memory/1", "id": fact.id, "commit": commit, "contradicts": contradicts})
        return 0
    render.say(f"remembered {fact.id} in {commit[:12]}" if commit else f"known already: {fact.id}")
    _warn(opposed)
    return 0


@memory_command.command("list")
@json_option
def list_command(as_json: bool) -> int:
    """List the facts, the stale and the contradicting ones marked."""
    repository = open_repository()
    memory = read_memory(repository, repository.resolve("HEAD"))
    for path, problem in memory.problems:
        render.say(f"warning: {path}: {problem}")
    opposed = find_contradictions(memory.facts)
    if as_json:
        facts = [to_json(fact) for fact in memory.facts]
        render.emit_json(
            {
                "schema": "git-mimo/memory/1",
                "facts": facts,
                "contradictions": [to_json(found) for found in opposed],
                "refused": dict(memory.problems),
            }
        )
        return 0
    if not memory.facts:
        render.say("nothing is remembered yet")
        render.hint('git mimo memory add "what the next session should know"')
        return 0
    rows = [(fact.id, fact.kind.value, fact.status.value, short(fact.text, 90)) for fact in memory.facts]
    render.out(render.table(("id", "kind", "status", "fact"), rows))
    _warn(opposed)
    return 0


@memory_command.command("show")
@click.argument("fact_id", metavar="ID")
@json_option
def show_command(fact_id: str, as_json: bool) -> int:
    """Show one fact with where it came from."""
    repository = open_repository()
    fact = read_memory(repository, repository.resolve("HEAD")).get(fact_id)
    if as_json:
        render.emit_json({"schema": "git-mimo/memory/1", **to_json(fact)})
        return 0
    render.out(fact.text)
    render.out("")
    _about(fact)
    return 0


@memory_command.command("search")
@click.argument("query")
@click.option("-n", "--max-count", type=click.IntRange(min=1), default=5, show_default=True,
              help="Show at most this many.")  # fmt: skip
@json_option
def search_command(query: str, max_count: int, as_json: bool) -> int:
    """Search facts, session records and skills; exit 1 when no word fits."""
    repository = open_repository()
    hits = recall(repository, repository.resolve("HEAD"), query, max_count)
    if as_json:
        render.emit_json({"schema": "git-mimo/memory/1", "hits": [to_json(hit) for hit in hits]})
        return 0
    if not hits:
        render.say("nothing is remembered yet")
    for hit in hits:
        mark = "" if hit.matched else " (no word fits)"
        render.out(f"{hit.kind} {hit.id} [{hit.status}]{mark}: {short(hit.title or hit.text, 100)}")
    return 0 if any(hit.matched for hit in hits) else 1


@memory_command.command("forget")
@click.argument("fact_id", metavar="ID")
@json_option
def forget_command(fact_id: str, as_json: bool) -> int:
    """Remove one fact and commit that; git keeps the past."""
    repository = open_repository()
    head = repository.resolve("HEAD")
    fact = read_memory(repository, head, check_sources=False).get(fact_id)
    commit = commit_to_checkout(repository, forget(repository, head, fact.id), f"mimo: forget {fact.id}\n")
    if as_json:
        render.emit_json({"schema": "git-mimo/memory/1", "id": fact.id, "commit": commit})
    else:
        render.say(f"forgot {fact.id} in {commit[:12]}")
    return 0


@memory_command.command("verify")
@click.argument("fact_id", required=False, metavar="ID")
@click.option("--all", "everything", is_flag=True, help="Every fact that is not verified.")
@json_option
def verify_command(fact_id: str | None, everything: bool, as_json: bool) -> int:
    """Confirm that a fact still holds.

    Its sources are pinned to what they are now. Without ID: say which facts need it; exit 1 when there are any. With
    --all those whose source is gone, or that nobody vouches for, are named and left.
    """
    if fact_id is not None and everything:
        raise UsageError("name a fact or give --all, not both")
    repository = open_repository()
    head = repository.resolve("HEAD")
    memory = read_memory(repository, head)
    open_facts = [fact for fact in memory.facts if fact.status is not FactStatus.VERIFIED]
    checked: list[Fact] = []
    left = [(fact, fact.status.value) for fact in open_facts]
    if everything:
        left = []
        for fact in open_facts:
            try:
                checked.append(verify(fact, repository, head))
            except BadMemory as exc:
                left.append((fact, exc.message))
    elif fact_id is not None:
        checked, left = [verify(memory.get(fact_id), repository, head)], []
    changes = replace_facts(repository, head, checked) if checked else {}
    names = [fact.id for fact in checked]
    commit = commit_to_checkout(repository, changes, f"mimo: verify {', '.join(names)}\n") if changes else None
    if as_json:
        open_ = [{"id": fact.id, "reason": reason} for fact, reason in left]
        render.emit_json({"schema": "git-mimo/memory/1", "verified": names, "open": open_, "commit": commit})
        return int(bool(left))
    for fact, reason in left:
        render.out(f"{fact.id} {reason}: {short(fact.text, 90)}")
    if names:
        render.say(f"verified {', '.join(names)}")
    elif not left:
        render.say("every fact is verified" if memory.facts else "nothing is remembered yet")
    return int(bool(left))


def _says_enough(known: Fact, fact: Fact) -> bool:
    """Whether what is known needs no new commit: a person vouches for it, and its sources are no fewer."""
    vouched = known.status is FactStatus.VERIFIED and known.origin is fact.origin
    return vouched and set(fact.sources) <= set(known.sources)


def _warn(opposed: Iterable[Contradiction]) -> None:
    for found in opposed:
        render.say(f"warning: {found.first} and {found.second} say opposite things: {found.reason}")


def _about(fact: Fact) -> None:
    render.out(f"id: {fact.id}  kind: {fact.kind.value}  status: {fact.status.value}  origin: {fact.origin.value}")
    render.out(f"created: {fact.created:%Y-%m-%d}  uses: {fact.uses}  helped: {fact.helped}  hurt: {fact.hurt}")
    for source in fact.sources:
        render.out(f"source: {source.path} {source.blob[:12]}")
    for session in fact.sessions:
        render.out(f"session: {session}")
    for commit in fact.commits:
        render.out(f"commit: {commit[:12]}")
