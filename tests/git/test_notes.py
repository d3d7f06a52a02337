import threading

from gitmimo.git.commit import read_note, write_note
from gitmimo.git.refs import read_ref
from gitmimo.git.repository import Repository
from gitmimo.ids import Oid
from tests.conftest import GitBuilder


def test_a_note_is_written_read_and_replaced(git: GitBuilder, repository: Repository, base: Oid) -> None:
    assert read_note(repository, base) is None
    write_note(repository, base, '{"a": "ü"}')
    write_note(repository, repository.tree_of(base), "tree")
    assert read_note(repository, base) == '{"a": "ü"}'
    assert git("notes", "--ref=mimo", "show", base) == '{"a": "ü"}'
    assert git("notes", "--ref=mimo", "show", repository.tree_of(base)) == "tree"
    write_note(repository, base, "new")
    tip = read_ref(repository, "refs/notes/mimo")
    write_note(repository, base, "new")  # nothing new: no commit
    assert read_ref(repository, "refs/notes/mimo") == tip
    assert read_note(repository, repository.tree_of(base)) == "tree"


def test_notes_that_git_wrote_are_found_and_replaced(git: GitBuilder, repository: Repository, base: Oid) -> None:
    git("notes", "--ref=mimo", "add", "-m", "by git", base)
    assert read_note(repository, base) == "by git\n"
    write_note(repository, base, "ours")
    assert git("notes", "--ref=mimo", "show", base) == "ours"
    git("notes", "--ref=mimo", "add", "-f", "-m", "by git again", base)
    assert read_note(repository, base) == "by git again\n"
    assert len(git("notes", "--ref=mimo", "list").splitlines()) == 1


def test_writers_at_once_lose_nothing(repository: Repository, base: Oid) -> None:
    targets = [repository.write_blob(str(number).encode()) for number in range(8)]
    threads = [threading.Thread(target=write_note, args=(repository, target, target)) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [read_note(repository, target) for target in targets] == targets
