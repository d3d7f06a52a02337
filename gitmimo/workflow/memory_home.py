"""Where `.mimo/`'s notes and skills live (with the code, on a ref of their own or a local one); its first files."""

from collections.abc import Mapping
from pathlib import Path

from gitmimo import mimo_dir
from gitmimo.config import Config
from gitmimo.errors import RepoError
from gitmimo.git import commit, refs, trees, undo_log
from gitmimo.git.keep_objects import keep_objects
from gitmimo.git.repository import Repository
from gitmimo.git.trees import empty_tree
from gitmimo.memory.notes import ATTRIBUTES, ATTRIBUTES_PATH, EMPTY, MEMORY_PATH
from gitmimo.records import Oid
from gitmimo.workflow.mimo_commits import commit_to_checkout

HOME_REFS = {"ref": "refs/mimo/memory", "local": "refs/mimo/local-memory"}
FILES = {
    ".mimo/.gitignore": "local/\n",
    ATTRIBUTES_PATH: ATTRIBUTES.decode(),
    ".mimo/config.yaml": """\
# Project defaults of git-mimo. `git mimo config list --show-origin` shows every option and its value.
# Commands here run only after `git mimo trust`.
#
# test: python -m pytest -q
# setup: npm ci
# accept: ["make lint"]
# protected: ["golden/**"]
""",
    MEMORY_PATH: EMPTY,
}


def memory_view(repository: Repository, config: Config, head: Oid) -> Oid:
    """Return a commit that holds the memory as `.mimo/` and has `head`'s files and history: `head` where committed.

    With another home it is a commit of its own on top of `head`, which no ref names.
    """
    tip = _tip(repository, config)
    if tip is None:
        return head
    whole = mimo_dir.with_mimo_from(repository, repository.tree_of(head), repository.tree_of(tip))
    return commit.write_commit(repository, tree=whole, parents=(head,), message="mimo: memory\n")


def save_memory(
    repository: Repository, config: Config, changes: Mapping[str, bytes | None], message: str
) -> Oid | None:
    """Write a person's change of the memory where it lives; return the commit, None when there is nothing to change."""
    if not changes:
        return None
    if home_ref(config) is None:
        return commit_to_checkout(repository, changes, message)
    return write_home(repository, config, changes, message)


def write_home(repository: Repository, config: Config, changes: Mapping[str, bytes | None], message: str) -> Oid:
    """Commit a change on the memory's own ref, with an undo record."""
    name = home_ref(config) or HOME_REFS["ref"]
    tip = refs.read_ref(repository, name)
    with keep_objects(repository):
        before = repository.tree_of(tip) if tip else empty_tree(repository)
        whole = trees.write_files(repository, before, changes)
        made = commit.write_commit(repository, tree=whole, parents=(tip,) if tip else (), message=message)
        move = undo_log.RefMove(ref=name, old=tip, new=made)
        command = message.partition("\n")[0].removeprefix("mimo: ")
        undo_log.write_operation(repository, undo_log.new_operation_id(), command=command, moves=[move])
        undo_log.apply_move(repository, move, reason="mimo: memory")
    return made


def home_ref(config: Config) -> str | None:
    """The ref that the memory lives on; None if it is committed with the code."""
    return HOME_REFS.get(config.text("memory.home"))


def _tip(repository: Repository, config: Config) -> Oid | None:
    name = home_ref(config)
    return refs.read_ref(repository, name) if name else None


def write_first_files(checkout: Path) -> list[str]:
    """Write the files of `.mimo/` that are missing; return their names. Symlinks on the way are refused."""
    directory = checkout / ".mimo"
    if directory.is_symlink():
        raise RepoError("`.mimo` is a symbolic link; it must be a directory of the repository")
    directory.mkdir(exist_ok=True)
    written = []
    for name, content in FILES.items():
        path = checkout / name
        if path.exists() or path.is_symlink():
            continue
        path.write_text(content)
        written.append(name)
    return written
