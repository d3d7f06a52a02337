"""A throw-away repository for an agent: git works in its worktree, the real refs, config and hooks are out of reach."""

import shutil
from pathlib import Path

from gitmimo.git.binary import run_git
from gitmimo.git.repository import Repository
from gitmimo.records import Oid

POINTER_NAME = "pointer"
_BRANCH = "work"


def make_private_git(
    repository: Repository,
    directory: Path,
    commit: Oid,
    *,
    work_tree: Path,
    checked_out: Path | None = None,
    is_at_commit: bool = False,
) -> Path:
    """Make a repository in `directory` whose only branch stands at the commit and whose files lie in `work_tree`.

    Objects are borrowed from the real repository, which a sandbox should show read-only; what the agent commits lands
    here. Returns the pointer file to bind, read-only, over the worktree's `.git`. Nothing here is trusted afterwards.
    Refs show the base's history alone, but who lists every object can find the real repository's others.

    `checked_out` is the index of the checkout of these files, which spares reading them all again; with `is_at_commit`
    it is that commit's.
    """
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for name in ("objects/info", "objects/pack", "refs/heads", "refs/tags", "info"):
        (directory / name).mkdir(parents=True)
    ident = repository.author_ident()
    config = {
        "core.repositoryFormatVersion": "0",
        "core.bare": "false",
        "core.worktree": str(work_tree),
        "core.logAllRefUpdates": "true",
        "gc.auto": "0",
        "maintenance.auto": "false",
        "user.name": ident.name,
        "user.email": ident.email,
    }
    (directory / "config").write_text(_format_config(config))
    (directory / "HEAD").write_text(f"ref: refs/heads/{_BRANCH}\n")
    (directory / "refs/heads" / _BRANCH).write_text(f"{commit}\n")
    (directory / "objects/info/alternates").write_text(f"{repository.common_dir / 'objects'}\n")
    (directory / "info/exclude").write_bytes(repository.user_rules.ignore)
    if repository.is_shallow:
        shutil.copyfile(repository.common_dir / "shallow", directory / "shallow")
    # the index says how each file looked, so that the agent's first `git status` needn't read them all
    if checked_out is not None and checked_out.is_file():
        shutil.copyfile(checked_out, directory / "index")
        if not is_at_commit:
            run_git(
                ["read-tree", "--reset", commit],
                git_dir=directory,
                work_tree=work_tree,
                cwd=work_tree,
                env=repository.hold_environment,
            )
    else:
        _fill_index(repository, directory, commit, work_tree)
    pointer = directory / POINTER_NAME
    pointer.write_text(f"gitdir: {directory}\n")
    return pointer


def _fill_index(repository: Repository, directory: Path, commit: Oid, work_tree: Path) -> None:
    switches = repository.user_rules.filter_switches(repository.filters_of(commit))
    held = repository.hold_environment
    run_git(["read-tree", commit], git_dir=directory, work_tree=work_tree, cwd=work_tree, env=held)
    run_git(
        [*switches, "update-index", "-q", "--refresh"],
        git_dir=directory,
        work_tree=work_tree,
        cwd=work_tree,
        env=held,
        check=False,
    )


def _format_config(values: dict[str, str]) -> str:
    lines = []
    for key, value in values.items():
        section, _, name = key.partition(".")
        quoted = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        lines.append(f'[{section}]\n\t{name} = "{quoted}"\n')
    return "".join(lines)
