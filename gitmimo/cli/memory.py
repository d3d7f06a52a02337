"""`git mimo memory`: notes that later sessions should know, one line each."""

from dataclasses import replace

import click

from gitmimo.cli import render
from gitmimo.cli.options import complete_files, json_option, open_memory
from gitmimo.codec import to_json
from gitmimo.errors import BadMemory
from gitmimo.memory.notes import NoteKind, add_notes, find_note, new_note, put_notes, read_notes
from gitmimo.memory.recall import recall
from gitmimo.text import one_line
from gitmimo.workflow.memory_home import save_memory


@click.group("memory")
def memory_command() -> None:
    """Notes that later sessions should know, one line each in .mimo/MEMORY.md."""


@memory_command.command("add")
@click.argument("text")
@click.option("--kind", type=click.Choice([kind.value for kind in NoteKind]), default="rule", show_default=True,
              help="The group it belongs to.")  # fmt: skip
@click.option("--source", multiple=True, help="File that the note rests on; stale when it changes.", metavar="PATH",
              shell_complete=complete_files)  # fmt: skip
def add_command(text: str, kind: str, source: tuple[str, ...]) -> int:
    """Remember TEXT, one line, and commit it."""
    repository, config, view = open_memory()
    for path in source:
        if repository.find_entry(view, path) is None:
            raise BadMemory(f"no such file at HEAD: `{path}`")
    note = new_note(NoteKind(kind), text, commit=repository.resolve("HEAD"), sources=source)
    commit = save_memory(repository, config, add_notes(repository, view, [note]), f"mimo: remember: {note.text[:60]}\n")
    render.say(f"remembered {note.id} in {commit[:12]}" if commit else f"known already: {note.id}")
    return 0


@memory_command.command("list")
@json_option
def list_command(as_json: bool) -> int:
    """List the notes, the stale ones marked."""
    repository, _, view = open_memory()
    notes = read_notes(repository, view)
    if as_json:
        return render.emit_json("memory/1", {"notes": [{"id": note.id, **to_json(note)} for note in notes]})
    if not notes:
        render.say("nothing is remembered yet")
        render.hint('git mimo memory add "what the next session should know"')
        return 0
    rows = [(n.id, n.kind.value, "stale" if n.is_stale else "", one_line(n.text, 100)) for n in notes]
    render.out(render.table(("id", "kind", "", "note"), rows))
    return 0


@memory_command.command("search")
@click.argument("query")
@click.option("-n", "--max-count", type=click.IntRange(min=1), default=5, show_default=True,
              help="Show at most this many.")  # fmt: skip
@json_option
def search_command(query: str, max_count: int, as_json: bool) -> int:
    """Search notes, skills and git's log. Exit 1 when no word fits."""
    repository, _, view = open_memory()
    hits = recall(repository, view, query, max_count)
    if as_json:
        render.emit_json("memory/1", {"hits": hits})
    for hit in () if as_json else hits:
        mark = f" [{hit.status}]" if hit.status else ""
        render.out(f"{hit.kind} {hit.id}{mark}: {one_line(hit.title, 110)}")
    return 0 if hits else 1


@memory_command.command("forget")
@click.argument("note_id", metavar="ID")
def forget_command(note_id: str) -> int:
    """Remove one note and commit that; git keeps the past."""
    repository, config, view = open_memory()
    notes = read_notes(repository, view)
    note = find_note(notes, note_id)
    changes = put_notes(repository, view, [other for other in notes if other.id != note.id])
    commit = save_memory(repository, config, changes, f"mimo: forget: {note.text[:60]}\n")
    render.say(f"forgot {note.id} in {(commit or '')[:12]}")
    return 0


@memory_command.command("verify")
@click.argument("note_ids", nargs=-1, required=True, metavar="ID...")
def verify_command(note_ids: tuple[str, ...]) -> int:
    """Confirm that stale notes are still true. They now refer to their files as they are in HEAD."""
    repository, config, view = open_memory()
    head = repository.resolve("HEAD")
    notes = read_notes(repository, view)
    ids = {find_note(notes, note_id).id for note_id in note_ids}
    pinned = [replace(note, commit=head[:10], is_stale=False) if note.id in ids else note for note in notes]
    save_memory(repository, config, put_notes(repository, view, pinned), "mimo: verify notes\n")
    render.say(f"verified {', '.join(sorted(ids))}")
    return 0
