"""Git hooks: what they answer, the notes they carry to new commits, and their files beside the user's own.

pre-push decides from recorded evidence alone: it runs no tests and contacts no server. A hook of another's is never
touched, nor a hook directory that is committed or outside the repository, nor `core.hooksPath`: there the user gets a
line to add by hand.
"""

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gitmimo.errors import CheckError, MimoError, RepoError, UsageError
from gitmimo.files import write_file
from gitmimo.git.refs import list_refs, read_ref
from gitmimo.git.repository import Repository
from gitmimo.git.run import clean_environment, run_git
from gitmimo.git.trees import without_mimo
from gitmimo.ids import NOTES_REF, Oid, is_session_id
from gitmimo.workflow.evidence_notes import DamagedNote, copy_notes, find_evidence, trees_of

EVENTS = ("pre-push", "commit-msg", "post-merge", "post-rewrite")
_MARK = "# git-mimo hook 1"
_SCRIPT = """\
#!/bin/sh
{mark}: made by `git mimo init --hooks`, removed by `git mimo init --unhook`
if [ -x {program} ]; then
    exec {command} hook {event} "$@"
elif command -v git-mimo >/dev/null 2>&1; then
    exec git-mimo hook {event} "$@"
fi
echo 'git-mimo is gone, so its {event} hook did nothing; `rm "'"$0"'"` removes it' >&2
"""
_VERDICT = re.compile(rb"^Mimo-Verdict:[^\n]*\b([0-9a-f]{12})[ \t]*(?:\n|\Z)", re.MULTILINE)
_ID = re.compile(r"[0-9a-f]{40}\Z")
_NO_ID = "0" * 40
_MOST_COMMITS = 1000
_MAX_MIMO_FILE, _MAX_MIMO_BYTES = 256 * 1024, 8 * 1024 * 1024
_TRAJECTORY = ".mimo/trajectory"


@dataclass(frozen=True, slots=True)
class _Pushed:
    """One line of a pre-push hook's input, in its order."""

    local: str
    local_oid: str
    remote: str
    remote_oid: str


def answer_hook(
    repository: Repository,
    event: str,
    arguments: Sequence[str],
    *,
    read_input: Callable[[], str],
    environ: Mapping[str, str],
) -> tuple[int, list[str]]:
    """Answer one event: 1 only when git must stop, and lines for stderr. A check that cannot run never stops git.

    `environ` is read for the index that is being committed; `read_input` only where git gives the hook something to
    read.
    """
    if event not in EVENTS:
        raise UsageError(f"no such hook: `{event}`", hint=f"one of: {', '.join(EVENTS)}")
    lines: list[str] = []
    if not _is_mimo_repository(repository):
        return 0, lines
    try:
        match event:
            case "pre-push":
                lines = _pre_push(repository, arguments, read_input(), environ)
                return (1 if lines else 0), lines
            case "commit-msg":
                lines = _commit_message(repository, arguments, environ)
            case "post-rewrite":
                _after_rewrite(repository, read_input())
            case _:
                _after_merge(repository)
    except CheckError as exc:
        return 1, [f"mimo {event}: {exc.message}", f"hint: {exc.hint}"]
    except MimoError as exc:
        return 0, [f"mimo {event}: {exc.message} (git goes on)"]
    return 0, lines


def _is_mimo_repository(repository: Repository) -> bool:
    """Whether git-mimo was ever used here: its notes, its refs, its state or `.mimo/` in HEAD."""
    if read_ref(repository, NOTES_REF) is not None or (repository.state_dir / "sessions").is_dir():
        return True
    if repository.run("cat-file", "-e", "HEAD:.mimo", check=False).exit_code == 0:
        return True
    return bool(list_refs(repository, "refs/mimo/"))


def _pre_push(repository: Repository, arguments: Sequence[str], text: str, environ: Mapping[str, str]) -> list[str]:
    """The objections to a push; none when it may proceed.

    Covered: candidate branches and raw trajectories under any name, result branches without a passing verdict for
    exactly their tree, too much in `.mimo/`. Not covered: whether a note is honest (`git mimo ci` tests again).
    """
    remote = arguments[0] if arguments else environ.get("PRE_COMMIT_REMOTE_NAME", "origin")
    prefix = repository.run("config", "--includes", "mimo.branchPrefix", check=False).text or "mimo"
    lines = []
    for ref in _read_pushed(text, environ):
        for reason, hint in _objections(repository, ref, remote, f"refs/heads/{prefix}/"):
            lines.append(f"mimo pre-push: `{ref.remote}` is refused: {reason}")
            lines.append(f"hint: {hint}")
    return [*lines, "hint: git push --no-verify   # pushes all the same"] if lines else []


def _read_pushed(text: str, environ: Mapping[str, str]) -> list[_Pushed]:
    """Read the hook's input; the pre-commit framework gives the same in variables."""
    refs = [_Pushed(*words) for line in text.splitlines() if len(words := line.split(" ")) == 4]
    if not refs and environ.get("PRE_COMMIT_TO_REF"):
        local, remote = (environ.get(f"PRE_COMMIT_{side}_BRANCH", "HEAD") for side in ("LOCAL", "REMOTE"))
        before = environ.get("PRE_COMMIT_FROM_REF") or _NO_ID
        refs = [_Pushed(local, environ["PRE_COMMIT_TO_REF"], remote, before)]
    return [ref for ref in refs if ref.local_oid.strip("0")]  # the rest are deletions


def _objections(repository: Repository, ref: _Pushed, remote: str, prefix: str) -> Iterator[tuple[str, str]]:
    """Yield each reason why a ref must not be pushed, with what to do about it."""
    if ref.remote.startswith("refs/mimo/"):
        yield "private refs of git-mimo contain raw trajectories", "git mimo pr   # pushes the result and its evidence"
    for name in (ref.remote, ref.local):
        parts = name.removeprefix(prefix).split("/")
        if name.startswith(prefix) and len(parts) == 2 and is_session_id(parts[0]):
            hint = f"git mimo pr {parts[0]}   # pushes the session's result"
            yield "it is a candidate's branch: raw steps, not reviewed", hint
            break
    if ref.remote.startswith("refs/notes/") or not repository.has_object(f"{ref.local_oid}^{{commit}}"):
        return
    touched = repository.run("rev-list", "-n1", *_new_commits(repository, ref, remote), "--", _TRAJECTORY).text
    if touched:
        hint = "git mimo pr   # pushes the result branch instead, which has none"
        yield f"commit {touched[:12]} contains raw trajectories (`{_TRAJECTORY}`)", hint
    name = ref.remote.removeprefix(prefix)
    if name != ref.remote and "/" not in name and is_session_id(name.rpartition("-")[2]):
        again = f"git mimo ci --record {ref.local.removeprefix('refs/heads/')}   # tests it and records what it finds"
        if not name.startswith("dream-") and (doubt := _doubt_about(repository, Oid(ref.local_oid))):
            yield doubt, again
    yield from _size_objections(repository, ref)


def _new_commits(repository: Repository, ref: _Pushed, remote: str) -> list[str]:
    """The revision arguments for the commits that this push would add to the remote."""
    if ref.remote_oid.strip("0") and repository.has_object(ref.remote_oid):
        return [ref.local_oid, f"^{ref.remote_oid}"]
    is_name = re.fullmatch(r"[A-Za-z0-9][\w.-]*", remote)
    return [ref.local_oid, "--not", f"--remotes={remote}" if is_name else "--remotes"]


def _doubt_about(repository: Repository, tip: Oid) -> str:
    """Say why the evidence doesn't show that a result's tip passes; empty when it does."""
    try:
        found = find_evidence(repository, tip, by_patch=False)
    except DamagedNote as exc:
        return exc.message
    if found is None:
        return "nothing is known about whether its tests pass"
    evidence = found.note.evidence
    if without_mimo(repository, repository.tree_of(tip)) not in trees_of(repository, evidence):
        return "it has changed since its tests ran"
    failed = ", ".join(f"{gate.name}: {gate.detail or gate.outcome.value}" for gate in evidence.failed_gates)
    return "" if evidence.passed else f"its verdict is red ({failed or 'no gate ran'})"


def _size_objections(repository: Repository, ref: _Pushed) -> Iterator[tuple[str, str]]:
    listed = repository.run("ls-tree", "-r", "-z", "--format=%(objectsize) %(path)", ref.local_oid, "--", ".mimo/").text
    total = 0
    for entry in filter(None, listed.split("\0")):
        text, _, path = entry.partition(" ")
        size = int(text) if text.isdigit() else 0
        total += size
        if size > _MAX_MIMO_FILE:
            reason = f"`{path}` is too big for a memory: {size >> 10} KiB, at most {_MAX_MIMO_FILE >> 10}"
            yield reason, f"git rm --cached '{path}' && git commit --amend"
    if total > _MAX_MIMO_BYTES:
        yield f"`.mimo/` has {total >> 20} MiB, at most {_MAX_MIMO_BYTES >> 20}", "git mimo gc"


def _commit_message(repository: Repository, arguments: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """Take a verdict about another tree than the one being committed out of its message."""
    if not arguments:
        raise UsageError("commit-msg needs the message's file")
    path = Path(arguments[0])
    text = path.read_bytes()
    found = _VERDICT.search(text)
    if found is None:
        return []
    tree = without_mimo(repository, _tree_to_commit(repository, environ))
    if tree.startswith(found[1].decode()):
        return []
    path.write_bytes(_VERDICT.sub(b"", text))
    return ["mimo commit-msg: the files have changed since the verdict, so `Mimo-Verdict` was taken out of the message"]


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


def _after_merge(repository: Repository) -> None:
    """Carry notes to what the merge or pull brought."""
    if read_ref(repository, NOTES_REF) is None:
        return
    before = repository.run("rev-parse", "--verify", "--quiet", "ORIG_HEAD", check=False).text
    span = ["HEAD", f"^{before}"] if _ID.match(before) and repository.has_object(before) else ["-n50", "HEAD"]
    listed = repository.run("rev-list", f"--max-count={_MOST_COMMITS}", *span, check=False).text
    copy_notes(repository, [Oid(line) for line in listed.splitlines()])


def _after_rewrite(repository: Repository, text: str) -> None:
    """Carry notes from commits to what `commit --amend` or `rebase` made of them.

    `text` is the hook's input; without it, as from the pre-commit framework, the newest commits are looked at.
    """
    pairs = [line.split()[:2] for line in text.splitlines()]
    made = [Oid(pair[1]) for pair in pairs if len(pair) == 2 and _ID.match(pair[1])]
    if not made:
        _after_merge(repository)
    elif read_ref(repository, NOTES_REF) is not None:
        copy_notes(repository, list(dict.fromkeys(made))[:_MOST_COMMITS])


@dataclass(frozen=True, slots=True, kw_only=True)
class HookChange:
    """The result for one event's hook. `state` is installed, removed, kept, absent or by-hand, which has a `hint`."""

    event: str
    state: str
    where: str
    hint: str = ""


def find_own_command() -> tuple[str, ...]:
    """The command by which a hook starts the installed git-mimo: isolated, by absolute path."""
    isolated = (sys.executable, "-I", "-m", "gitmimo")
    done = subprocess.run([*isolated, "--version"], capture_output=True, check=False, cwd="/", env=clean_environment())
    if done.returncode == 0:
        return isolated
    found = shutil.which("git-mimo")
    if found is None:
        install = f"{sys.executable} -m pip install -e {Path(__file__).resolve().parents[1]}"
        raise RepoError("git-mimo is not installed, so a hook could not start it", hint=install)
    return (str(Path(found).absolute()),)


def install_hooks(repository: Repository, *, command: Sequence[str]) -> tuple[HookChange, ...]:
    """Install all hooks; doing it twice changes nothing. `command` runs git-mimo, by an absolute path."""
    directory = _hooks_directory(repository)
    refusal = _write_obstacle(repository, directory)
    if not refusal:
        directory.mkdir(parents=True, exist_ok=True)
    return tuple(_install(directory / event, refusal, command) for event in EVENTS)


def remove_hooks(repository: Repository) -> tuple[HookChange, ...]:
    """Remove our hooks."""
    directory = _hooks_directory(repository)
    return tuple(_remove(directory / event) for event in EVENTS)


def _hooks_directory(repository: Repository) -> Path:
    """The directory in which git looks for hook files, `core.hooksPath` respected."""
    # as the user's git sees it: our own calls turn hooks off by this very setting
    configured = repository.run("config", "--path", "core.hooksPath", check=False, user_hooks=True)
    if configured.exit_code == 0 and configured.text:
        return (repository.work_tree or repository.common_dir) / configured.text
    return repository.common_dir / "hooks"


def _install(path: Path, refusal: str, command: Sequence[str]) -> HookChange:
    event = path.name
    words = list(map(shlex.quote, command))
    script = _SCRIPT.format(mark=_MARK, event=event, program=words[0], command=" ".join(words)).encode()
    if not refusal and not _is_ours(path) and (path.is_symlink() or path.exists()):
        refusal = f"there is another hook: `{path}`"
    if refusal:
        hint = f'{refusal}; add this line to its {event} hook: git mimo hook {event} "$@"'
        return HookChange(event=event, state="by-hand", where=str(path), hint=hint)
    if path.exists() and path.read_bytes() == script:
        return HookChange(event=event, state="kept", where=str(path))
    write_file(path, script, mode=0o755)
    return HookChange(event=event, state="installed", where=str(path))


def _remove(path: Path) -> HookChange:
    # pre-commit and lefthook move what they find out of their way, and run it from there
    for place in (path, path.with_name(f"{path.name}.legacy"), path.with_name(f"{path.name}.old")):
        if _is_ours(place):
            place.unlink()
            return HookChange(event=path.name, state="removed", where=str(place))
    return HookChange(event=path.name, state="absent", where=str(path))


def _is_ours(path: Path) -> bool:
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return False
        with path.open("rb") as file:
            return _MARK.encode() in file.read(200)
    except OSError:
        return False


def _write_obstacle(repository: Repository, directory: Path) -> str:
    """Say why a hooks directory must not be written to; empty when it may be."""
    where = Path(os.path.realpath(directory))
    if where.is_relative_to(os.path.realpath(repository.common_dir)):
        return ""
    top = repository.work_tree
    if top is None or not where.is_relative_to(os.path.realpath(top)):
        return f"`core.hooksPath` points out of this repository: `{directory}`"
    ignored = repository.run("check-ignore", "--quiet", "--no-index", where / "pre-push", check=False).exit_code == 0
    tracked = repository.run("ls-files", "--", where, check=False).stdout
    return "" if ignored and not tracked else f"its hooks are files of the project: `{directory}`"
