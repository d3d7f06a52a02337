"""What an agent does to git's own files reaches neither the person's repository nor any command of ours."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from tests.conftest import GitBuilder
from tests.project import TESTS, fingerprint, mimo
from tests.security.conftest import MEND, Session, reading_commands, runs

GREEN = (
    "import pytest\n@pytest.hookimpl(hookwrapper=True)\ndef pytest_runtest_makereport(item, call):\n"
    "    outcome = yield\n    report = outcome.get_result()\n    report.outcome = 'passed'\n"
    "    report.longrepr = None\n"
)
HOOKS = [
    "applypatch-msg",
    "commit-msg",
    "fsmonitor-watchman",
    "post-applypatch",
    "post-checkout",
    "post-commit",
    "post-index-change",
    "post-merge",
    "post-rewrite",
    "pre-applypatch",
    "pre-auto-gc",
    "pre-commit",
    "pre-merge-commit",
    "pre-rebase",
    "prepare-commit-msg",
    "reference-transaction",
    "update",
]


def armed(place: str, marker: Path) -> str:
    """Shell words that make a repository at `place` whose configuration runs a command on every `git status`."""
    return (
        f"git init -q {place} && git -C {place} -c user.name=x -c user.email=x@x commit -q --allow-empty -m x && "
        f"git --git-dir {place}/.git config core.fsmonitor 'touch {marker}; false'"
    )


def armed_bare(place: str, marker: Path) -> str:
    """Shell words that lay out a bare repository at `place` that fires when git is asked inside it."""
    git = f"git --git-dir {place}"
    return (
        f"git init -q --bare {place} && {git} config core.bare false && {git} config core.worktree . && "
        f"{git} config core.fsmonitor 'touch {marker}; false'"
    )


def look_at(project: GitBuilder, commands: list[tuple[str, ...]]) -> None:
    for command in commands:
        said = mimo(*command, cwd=project.path)
        assert said.code == 0, (command, said.err)


def test_an_armed_repository_fires_where_plain_git_looks(tmp_path: Path, marker: Path) -> None:
    """The control of the tests below: all four ways lead to the command."""
    for kind in ("pointer", "directory", "nested", "bare"):
        work = GitBuilder(tmp_path / kind)
        work.commit({"a": "1\n"})
        arm = armed_bare if kind == "bare" else armed
        subprocess.run(arm("evil", marker), shell=True, cwd=work.path, check=True)
        if kind == "pointer":
            work("init", "--quiet", f"--separate-git-dir={tmp_path}/real-{kind}")
            (work.path / ".git").write_text("gitdir: ./evil/.git\n")
            work("config", "core.worktree", str(work.path))
            (work.path / "a").write_text("2\n")
        elif kind == "directory":
            subprocess.run("rm -rf .git && mv evil/.git .git", shell=True, cwd=work.path, check=True)
        marker.unlink(missing_ok=True)
        where = work.path / "evil" if kind in ("nested", "bare") else work.path
        subprocess.run(["git", "status"], cwd=where, capture_output=True, check=False)
        assert marker.exists(), kind


@pytest.mark.usefixtures("quick_tests")
def test_a_swapped_pointer_is_never_followed_and_its_candidate_excluded(
    project: GitBuilder, session: Session, marker: Path, sealed: Path
) -> None:
    """Without a sandbox, where the agent can reach the pointer. The evil repository lies outside the product."""
    evil = marker.with_name("evil")
    before = fingerprint(project)()
    outcome = session(
        {
            "pointer": runs(MEND, armed(str(evil), marker), f"echo 'gitdir: {evil}/.git' > .git"),
            "directory": runs(MEND, f"rm .git && cp -r {evil}/.git .git", "true"),
            "honest": runs(MEND),
        },
        *("--sandbox", "none"),
        env={"GIT_MIMO_FANOUT": "auto"},
    )
    marker.unlink(missing_ok=True)  # the agent's own git may have fired it
    assert outcome.result["winner"] == 3, outcome.said.err
    for agent in ("pointer", "directory"):
        assert (outcome[agent]["status"], outcome[agent]["evidence"]) == ("tampered", None)
        assert "`.git`" in outcome[agent]["summary"]
    look_at(project, reading_commands(outcome))
    assert not marker.exists()
    assert fingerprint(project)() == before
    assert project("worktree", "list").count("\n") == 0
    assert not list(sealed.rglob("calc.py"))


def test_an_agent_s_git_changes_nothing_real(project: GitBuilder, session: Session, marker: Path) -> None:
    project("branch", "other", "HEAD")
    refs = project("for-each-ref", "--format=%(refname) %(objectname)", "refs/heads/main", "refs/heads/other")
    config = hashlib.sha256((project.path / ".git/config").read_bytes()).hexdigest()
    planted = f"touch {marker}"
    blob = "$(printf 'def test_sum(): pass\\ndef test_zero(): pass\\n' | git hash-object -w --stdin)"
    outcome = session(
        {
            "config": runs(
                f"mkdir -p vendor && {armed('vendor/lib', marker)} && echo x > vendor/lib/file",
                "git add vendor",
                f"printf '#!/bin/sh\\n{planted}\\n' > hook; chmod +x hook; git config core.hooksPath \"$PWD\"; "
                f"git config alias.status '!{planted}'; git config core.fsmonitor '{planted}'; "
                f"git config include.path ../evil; git config extensions.worktreeConfig true; "
                f"git config --worktree core.pager '{planted}'; git config --global core.fsmonitor '{planted}'; "
                f"echo '[core]' >> '{project.path}/.git/config'; rm -f hook",
                MEND,
            ),
            "bare": runs(armed_bare("lib/x", marker), MEND),
            "flags": runs(
                "git update-index --assume-unchanged tests/test_calc.py; git update-index --skip-worktree calc.py; "
                "printf 'def test_sum(): pass\\ndef test_zero(): pass\\n' > tests/test_calc.py",
                f"git replace HEAD:tests/test_calc.py {blob}; git update-ref refs/heads/main HEAD~1; "
                "git branch -f other HEAD; git commit -qam x; git push -q . HEAD:refs/heads/main",
            ),
            "exclude": runs(
                'echo conftest.py >> "$(git rev-parse --git-dir)/info/exclude"; mkdir -p .git/info; '
                f'echo conftest.py >> .git/info/exclude; printf "%s" "{GREEN}" > conftest.py',
            ),
        },
    )  # fmt: skip
    look_at(project, reading_commands(outcome))
    assert not marker.exists()
    assert hashlib.sha256((project.path / ".git/config").read_bytes()).hexdigest() == config
    assert project("for-each-ref", "--format=%(refname) %(objectname)", "refs/heads/main", "refs/heads/other") == refs
    assert project("for-each-ref", "refs/replace") == ""
    assert project("show", "HEAD:tests/test_calc.py") == TESTS.rstrip("\n")
    assert "layout of a bare repository" in outcome.failed_gates("bare")["product"]
    assert not outcome.passed("flags")
    assert "tests/test_calc.py" in outcome["flags"]["evidence"]["restored_paths"]
    assert not outcome.passed("exclude")
    nested = project("ls-tree", "-r", str(outcome["config"]["commit"]))
    assert "vendor/lib/file" in nested
    assert "160000" not in nested


@pytest.mark.usefixtures("quick_tests")
def test_hooks_filters_and_drivers_of_the_repository_do_not_run(
    project: GitBuilder, session: Session, marker: Path
) -> None:
    for name in HOOKS:
        hook = project.path / ".git/hooks" / name
        hook.write_text(f"#!/bin/sh\ntouch {marker}\ncat >/dev/null\n")
        hook.chmod(0o755)
    for key in ("filter.evil.clean", "filter.evil.smudge", "diff.evil.textconv", "diff.evil.command"):
        project("config", key, f"touch {marker}; cat")
    project("config", "merge.evil.driver", f"touch {marker}; false")
    project("config", "diff.external", f"touch {marker}; true")
    before = fingerprint(project)()
    outcome = session(
        {
            "a": runs(
                MEND,
                "echo '*.py filter=evil diff=evil merge=evil' > .gitattributes",
                'cd "$(git rev-parse --git-dir)" && mkdir -p hooks && echo true > hooks/pre-commit',
                "touch more.py",
            )
        }
    )
    assert outcome.passed("a")
    assert any("planted git hooks" in f and "`pre-commit`" in f for f in outcome["a"]["evidence"]["flags"])
    assert any(".gitattributes" in flag for flag in outcome["a"]["evidence"]["flags"])
    look_at(project, reading_commands(outcome))
    assert not marker.exists()
    assert fingerprint(project)() == before
    branch = str(outcome.result["result_branch"])
    for command in (["checkout", "--quiet", branch], ["diff", "HEAD~1", "HEAD"]):  # the control: plain git runs them
        marker.unlink(missing_ok=True)
        subprocess.run(["git", "-C", str(project.path), *command], capture_output=True, check=False)
        assert marker.exists(), command


@pytest.mark.parametrize("name", [".git/config", "../outside", "a/../../outside", "/etc/hostname"])
def test_what_is_copied_into_worktrees_stays_inside(project: GitBuilder, name: str) -> None:
    """A committed configuration may name ignored files to copy; git's own and paths that leave are refused."""
    project.commit({".mimo/config.yaml": f"worktree:\n  copy: ['{name}']\n", "a/b": "1\n"})
    said = mimo("start", "--task", "x", "--model", "openai/m", cwd=project.path)
    assert said.code == 128, said.err
    assert "Traceback" not in said.err
    assert name in said.err
