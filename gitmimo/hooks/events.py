"""Answers one hook event: the text for stderr and the exit code. Notes follow their changes to new commits."""

import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitmimo.errors import CheckError, MimoError, UsageError
from gitmimo.git.refs import list_refs, read_ref
from gitmimo.git.repository import Repository
from gitmimo.git.run import run_git
from gitmimo.git.trees import without_mimo
from gitmimo.hooks import push
from gitmimo.hooks.install import EVENTS
from gitmimo.ids import NOTES_REF, Oid
from gitmimo.workflow.evidence_notes import copy_notes

_VERDICT = re.compile(rb"^Mimo-Verdict:[^\n]*\b([0-9a-f]{12})[ \t]*(?:\n|\Z)", re.MULTILINE)
MOST_COMMITS = 1000
_ID = re.compile(r"[0-9a-f]{40}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class HookAnswer:
    """The text for stderr and the exit code of a hook: zero unless git must stop."""

    exit_code: int = 0
    lines: tuple[str, ...] = ()


def answer_hook(
    repository: Repository,
    event: str,
    arguments: Sequence[str],
    *,
    read_input: Callable[[], str],
    environ: Mapping[str, str],
) -> HookAnswer:
    """Answer one event. Only an objection exits with 1; a check that cannot run never stops git.

    `environ` is read for the index that is being committed; `read_input` only where git gives the hook something to
    read.
    """
    if event not in EVENTS:
        raise UsageError(f"no such hook: `{event}`", hint=f"one of: {', '.join(EVENTS)}")
    if not is_mimo_repository(repository):
        return HookAnswer()
    try:
        match event:
            case "pre-push":
                return _pre_push(repository, arguments, read_input(), environ)
            case "commit-msg":
                return _commit_message(repository, arguments, environ)
            case "post-rewrite":
                after_rewrite(repository, read_input())
            case _:
                after_merge(repository)
    except CheckError as exc:
        return HookAnswer(exit_code=1, lines=(f"mimo {event}: {exc.message}", f"hint: {exc.hint}"))
    except MimoError as exc:
        return HookAnswer(lines=(f"mimo {event}: {exc.message} (git goes on)",))
    return HookAnswer()


def is_mimo_repository(repository: Repository) -> bool:
    """Whether git-mimo was ever used here: its notes, its refs, its state or `.mimo/` in HEAD."""
    if read_ref(repository, NOTES_REF) is not None or (repository.state_dir / "sessions").is_dir():
        return True
    if repository.run("cat-file", "-e", "HEAD:.mimo", check=False).exit_code == 0:
        return True
    return bool(list_refs(repository, "refs/mimo/"))


def _pre_push(repository: Repository, arguments: Sequence[str], text: str, environ: Mapping[str, str]) -> HookAnswer:
    remote = arguments[0] if arguments else environ.get("PRE_COMMIT_REMOTE_NAME", "origin")
    prefix = repository.run("config", "--includes", "mimo.branchPrefix", check=False).text or "mimo"
    objections = push.check_push(repository, push.parse_pushed(text, environ), remote=remote, prefix=prefix)
    lines = []
    for objection in objections:
        lines.append(f"mimo pre-push: `{objection.ref}` is refused: {objection.reason}")
        lines += [f"hint: {objection.hint}"] if objection.hint else []
    if objections:
        lines.append("hint: git push --no-verify   # pushes all the same")
    return HookAnswer(exit_code=1 if objections else 0, lines=tuple(lines))


def _commit_message(repository: Repository, arguments: Sequence[str], environ: Mapping[str, str]) -> HookAnswer:
    """Take a verdict about another tree than the one being committed out of its message."""
    if not arguments:
        raise UsageError("commit-msg needs the message's file")
    path = Path(arguments[0])
    text = path.read_bytes()
    found = _VERDICT.search(text)
    if found is None:
        return HookAnswer()
    tree = without_mimo(repository, _tree_to_commit(repository, environ))
    if tree.startswith(found[1].decode()):
        return HookAnswer()
    path.write_bytes(_VERDICT.sub(b"", text))
    remark = "the files have changed since the verdict, so `Mimo-Verdict` was taken out of the message"
    return HookAnswer(lines=(f"mimo commit-msg: {remark}",))


def _tree_to_commit(repository: Repository, environ: Mapping[str, str]) -> Oid:
    """Write the tree that is about to be committed, from a copy of its index: git has locked the real one."""
    index = Path(environ.get("GIT_INDEX_FILE") or repository.git_dir / "index")
    if not index.is_absolute():
        index = (repository.work_tree or repository.git_dir) / index
    with tempfile.TemporaryDirectory(prefix="mimo-index-") as scratch:
        copy = Path(scratch) / "index"
        if index.exists():
            shutil.copyfile(index, copy)
        return Oid(run_git(["write-tree"], cwd=repository.git_dir, git_dir=repository.git_dir, index=copy).text)


def after_merge(repository: Repository) -> dict[Oid, str]:
    """Carry notes to what the merge or pull brought."""
    if read_ref(repository, NOTES_REF) is None:
        return {}
    before = repository.run("rev-parse", "--verify", "--quiet", "ORIG_HEAD", check=False).text
    span = ["HEAD", f"^{before}"] if _ID.match(before) and repository.has_object(before) else ["-n50", "HEAD"]
    listed = repository.run("rev-list", f"--max-count={MOST_COMMITS}", *span, check=False).text
    return copy_notes(repository, [Oid(line) for line in listed.splitlines()])


def after_rewrite(repository: Repository, text: str) -> dict[Oid, str]:
    """Carry notes from commits to what `commit --amend` or `rebase` made of them.

    `text` is the hook's input; without it, as from the pre-commit framework, the newest commits are looked at.
    """
    if read_ref(repository, NOTES_REF) is None:
        return {}
    pairs = [line.split()[:2] for line in text.splitlines()]
    made = [Oid(pair[1]) for pair in pairs if len(pair) == 2 and _ID.match(pair[1])]
    if not made:
        return after_merge(repository)
    return copy_notes(repository, list(dict.fromkeys(made))[:MOST_COMMITS])
