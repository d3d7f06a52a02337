import threading
from pathlib import Path

import pytest

from gitmimo.errors import RepoError
from gitmimo.git.commit import add_trailers, read_note, read_trailers, write_commit, write_final_commit, write_note
from gitmimo.git.refs import read_ref
from gitmimo.git.repository import Repository
from gitmimo.ids import Oid
from tests.conftest import GitBuilder


def test_an_internal_commit_is_the_users_unsigned_and_moves_nothing(
    git: GitBuilder, repository: Repository, base: Oid
) -> None:
    git("config", "commit.gpgSign", "true")
    git("config", "gpg.program", "false")
    made = write_commit(repository, tree=repository.tree_of(base), parents=[base], message="subject\n\nbody – ü\n\n")
    assert git("log", "-1", "--format=%an <%ae> %cn %at %P|%B", made) == (
        f"Ada Author <ada@example.org> Ada Author 1767323045 {base}|subject\n\nbody – ü"
    )
    assert "gpgsig" not in git("cat-file", "commit", made)
    assert repository.resolve("HEAD") == base


def test_a_message_from_outside_cannot_break_the_commit(git: GitBuilder, repository: Repository, base: Oid) -> None:
    made = write_commit(repository, tree=repository.tree_of(base), parents=[base], message="a\0b \udcff\n")
    assert git("log", "-1", "--format=%B", made) == "ab ?"
    git("fsck", "--strict")


def test_a_tree_that_is_not_there_is_refused(repository: Repository, base: Oid) -> None:
    with pytest.raises(RepoError, match="1111"):
        write_commit(repository, tree=Oid("1" * 40), parents=[base], message="x")
    with pytest.raises(RepoError, match="1111"):
        write_commit(repository, tree=repository.tree_of(base), parents=[Oid("1" * 40)], message="x")


def test_a_final_commit_is_signed_where_the_user_signs(
    git: GitBuilder, repository: Repository, base: Oid, tmp_path: Path
) -> None:
    tree = repository.tree_of(base)
    plain = write_final_commit(repository, tree=tree, parents=[base], message="plain")
    assert "gpgsig" not in git("cat-file", "commit", plain)
    signer = tmp_path / "signer"
    signer.write_text("#!/bin/sh\ncat >/dev/null\necho '[GNUPG:] SIG_CREATED ' >&2\necho signature\n")
    signer.chmod(0o755)
    git("config", "commit.gpgSign", "true")
    git("config", "gpg.program", str(signer))
    signed = write_final_commit(repository, tree=tree, parents=[base, plain], message="signed")
    assert "gpgsig signature" in git("cat-file", "commit", signed)
    git("config", "gpg.program", "false")
    with pytest.raises(RepoError, match="gpg failed to sign"):
        write_final_commit(repository, tree=tree, parents=[base], message="x")


def test_trailers_are_added_and_read() -> None:
    message = add_trailers("subject\n\nSome body.\n", {"Mimo-Session": "0a", "Mimo-Candidate": "1/3"})
    assert message == "subject\n\nSome body.\n\nMimo-Session: 0a\nMimo-Candidate: 1/3\n"
    again = add_trailers(message, {"Mimo-Candidate": "2/3", "Assisted-by": "git-mimo:x\n y = z"})
    assert again == "subject\n\nSome body.\n\nMimo-Session: 0a\nMimo-Candidate: 2/3\nAssisted-by: git-mimo:x y = z\n"
    assert read_trailers(again) == {"Mimo-Session": "0a", "Mimo-Candidate": "2/3", "Assisted-by": "git-mimo:x y = z"}


def test_a_message_without_trailers_has_none() -> None:
    assert read_trailers("subject\n") == {}
    assert read_trailers("") == {}
    assert read_trailers("subject\n\nMimo-Session: 1\n---\nMimo-Session: 2\n") == {
        "Mimo-Session": "2"
    } or read_trailers("s\n\n---\n\nMimo-Session: 2\n") == {"Mimo-Session": "2"}


def test_a_value_cannot_smuggle_in_another_trailer() -> None:
    message = add_trailers("s", {"Mimo-Session": "1\nSigned-off-by: Evil <e@x>"})
    assert read_trailers(message) == {"Mimo-Session": "1 Signed-off-by: Evil <e@x>"}
    with pytest.raises(RepoError, match="not a usable trailer name"):
        add_trailers("s", {"Bad name": "x"})


def test_trailer_commands_of_the_repository_do_not_run(
    git: GitBuilder, base: Oid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git("config", "trailer.Mimo-Session.command", f"touch {tmp_path}/ran")
    monkeypatch.chdir(git.path)
    monkeypatch.setenv("GIT_DIR", str(git.path / ".git"))
    assert read_trailers(add_trailers("s", {"Mimo-Session": "1"})) == {"Mimo-Session": "1"}
    assert not (tmp_path / "ran").exists()


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
