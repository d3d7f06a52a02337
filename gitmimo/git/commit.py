"""Internal commits, and trailers in their messages."""

import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from gitmimo.errors import RepoError
from gitmimo.git.repository import Repository, written
from gitmimo.git.run import run_git
from gitmimo.records import Oid

_TRAILER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*\Z")


def write_commit(repository: Repository, *, tree: Oid, parents: Sequence[Oid], message: str) -> Oid:
    """Store a commit in the user's name; no ref moves, no hook runs, nothing is signed."""
    author, committer = repository.author_ident(), repository.committer_ident()
    text = message.replace("\0", "").encode(errors="replace").decode()

    def write() -> Oid:
        made = repository.pygit.create_commit(
            None, author.signature, committer.signature, text.rstrip("\n") + "\n", tree, list(parents)
        )
        return Oid(str(made))

    return written(write, what="a commit")


def write_final_commit(repository: Repository, *, tree: Oid, parents: Sequence[Oid], message: str) -> Oid:
    """Store a commit by the user's git, signed where commit.gpgSign says so; no ref moves and no hook runs."""
    wants_signature = repository.run("config", "--type=bool", "commit.gpgSign", check=False, user_hooks=True)
    sign = ["-S"] if wants_signature.text == "true" else []
    chain = [word for parent in parents for word in ("-p", parent)]
    text = message.rstrip("\n").encode(errors="replace") + b"\n"

    return Oid(repository.run("commit-tree", *sign, *chain, tree, input=text, user_hooks=True).text)


def add_trailers(message: str, trailers: Mapping[str, str]) -> str:
    """Return the message with these trailers; each replaces an older one of its name."""
    args = ["interpret-trailers", "--no-divider", "--if-exists=replace", "--where=end"]
    for name, value in trailers.items():
        if not _TRAILER_NAME.match(name):
            raise RepoError(f"not a usable trailer name: `{name}`")
        args += ["--trailer", f"{name}: {' '.join(value.split())}"]
    return _run_outside(args, message.rstrip("\n") + "\n")


def read_trailers(message: str) -> dict[str, str]:
    """Return a message's trailers; of several with one name, the last."""
    text = _run_outside(["interpret-trailers", "--no-divider", "--parse"], message)
    pairs = (line.partition(": ") for line in text.splitlines())
    return {name: value for name, _, value in pairs}


def _run_outside(args: Sequence[str], message: str) -> str:
    """Run where there is no repository: its configuration could name a command for a trailer."""
    with tempfile.TemporaryDirectory(prefix="mimo-trailers-") as nowhere:
        env = {"GIT_CEILING_DIRECTORIES": str(Path(nowhere).parent)}
        done = run_git(args, cwd=Path(nowhere), env=env, input=message.encode(errors="replace"))
    return done.stdout.decode()
