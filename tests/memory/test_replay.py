"""Replays in scratch checkouts: what is admitted, what is refused, and that file steps say what really happened."""

import errno
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitmimo.errors import RepoError, SandboxUnavailable, SkillRefused
from gitmimo.git.repository import Repository
from gitmimo.git.tree import put_files, without_mimo
from gitmimo.memory.dream import dream
from gitmimo.memory.effects import NotText, anchored_changes, apply_file_step, file_steps
from gitmimo.memory.library import read_library
from gitmimo.memory.matching import match_task
from gitmimo.memory.procedure import Change, Condition, Procedure, ProcedureStep
from gitmimo.memory.replay import Bench, admit, replay, verify_skill
from gitmimo.memory.skill_file import new_skill
from gitmimo.memory.skill_runner import Files, edited
from gitmimo.records import Oid
from gitmimo.sandbox.probe import open_sandbox
from tests.conftest import GitBuilder
from tests.memory.scenarios import FLAG
from tests.memory.trajectories import NOW, Recorder, bench_of, candidate, material

EDIT = ProcedureStep(kind="edit", path="a.txt", changes=(Change(old="one", new="two"),))
PROCEDURE = Procedure(name="p", description="d", steps=(EDIT,), paths=("a.txt",))


def run(program: str) -> ProcedureStep:
    return ProcedureStep(kind="run", argv=("python3", program), timeout_s=20)


@pytest.fixture
def project(git: GitBuilder) -> GitBuilder:
    chance = "import pathlib, os\npathlib.Path('r').write_text(os.urandom(9).hex())\n"
    git.commit({"a.txt": "one\n", "random.py": chance})
    git.commit({"b.txt": "b\n", "fixed.py": "import pathlib\npathlib.Path('f').write_text('f')\n"})
    return git


def head(git: GitBuilder) -> Oid:
    return Oid(git("rev-parse", "HEAD"))


def test_two_equal_replays_admit(project: GitBuilder) -> None:
    steps = (EDIT, run("fixed.py"))
    procedure = replace(PROCEDURE, steps=steps, paths=("a.txt", "f"))
    found = admit(bench_of(project), procedure, {}, commit=head(project), expected=None)
    assert (found.admitted, found.replays[0].changed) == (True, ("a.txt", "f"))
    assert project("status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"steps": (run("random.py"),), "paths": ("r",)}, "two different trees"),
        ({"paths": ("b.txt",)}, "changed outside the allowed paths: a.txt"),
        ({"postconditions": (Condition(kind="contains", path="a.txt", text="three"),)}, "expected text"),
        ({"postconditions": (Condition(kind="run", argv=("python3", "nothing.py")),)}, "ended with 2"),
        ({"preconditions": (Condition(kind="tool", program="no-such-tool"),)}, "program not found: no-such-tool"),
        ({"steps": (run("missing.py"),)}, "ended with 2"),
    ],
)
def test_what_does_not_hold_is_refused_with_the_reason(
    project: GitBuilder, changed: dict[str, object], reason: str
) -> None:
    procedure = replace(PROCEDURE, **changed)  # type: ignore[arg-type]
    found = admit(bench_of(project), procedure, {}, commit=head(project), expected=None)
    assert not found.admitted
    assert reason in found.reason


def test_another_tree_than_the_one_that_passed_is_refused(project: GitBuilder) -> None:
    other = Oid(project("rev-parse", "HEAD^{tree}"))
    assert "passed the gates" in admit(bench_of(project), PROCEDURE, {}, commit=head(project), expected=other).reason


def test_one_other_commit_must_work_where_there_is_one_that_fits(project: GitBuilder) -> None:
    bench, commit = bench_of(project), head(project)
    before = Oid(project("rev-parse", "HEAD~1"))
    assert admit(bench, PROCEDURE, {}, commit=commit, expected=None, elsewhere=[(before, {})]).elsewhere
    # at the earlier commit the program is not there yet: it fails half way
    needs = replace(PROCEDURE, steps=(EDIT, run("fixed.py")), paths=("a.txt", "f"))
    found = admit(bench, needs, {}, commit=commit, expected=None, elsewhere=[(before, {})])
    assert (found.admitted, "nothing but its own session" in found.reason) == (False, True)
    # a commit that the procedure does not apply to says nothing
    later = replace(PROCEDURE, preconditions=(Condition(kind="exists", path="b.txt"),))
    assert admit(bench, later, {}, commit=commit, expected=None, elsewhere=[(before, {})]).admitted
    other: list[tuple[Oid, dict[str, str]]] = [(before, {})]
    found = admit(bench, PROCEDURE, {}, commit=commit, expected=None, elsewhere=other, accepts=lambda _: False)
    assert not found.admitted


def test_programs_run_in_the_sandbox(project: GitBuilder) -> None:
    try:
        sandbox = open_sandbox("bwrap")
    except SandboxUnavailable:
        pytest.skip("no bubblewrap here")
    outside = project.path.parent / "outside.txt"
    project.commit({"evil.py": f"open({str(outside)!r}, 'w').write('x')\n"})
    bench = replace(bench_of(project), sandbox=sandbox)
    procedure = replace(PROCEDURE, steps=(run("fixed.py"),), paths=("f",))
    assert replay(bench, procedure, {}, commit=head(project)).ok
    replay(
        bench, replace(procedure, steps=(run("evil.py"),)), {}, commit=head(project)
    )  # what it writes is thrown away
    assert not outside.exists()


def test_a_replay_can_be_cancelled(project: GitBuilder) -> None:
    bench = replace(bench_of(project), cancelled=lambda: True)
    assert replay(bench, PROCEDURE, {}, commit=head(project)).reason == "cancelled"


@pytest.mark.parametrize(("number", "is_fault"), [(errno.ENOSPC, True), (errno.EIO, True), (errno.ENOTDIR, False)])
def test_a_failing_disk_says_nothing_about_a_procedure(
    number: int, is_fault: bool, project: GitBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Files, "read", fail)
    bench = bench_of(project)
    procedure = replace(PROCEDURE, postconditions=(Condition(kind="contains", path="a.txt", text="two"),))
    if is_fault:
        with pytest.raises(RepoError, match=os.strerror(number)):
            admit(bench, procedure, {}, commit=head(project), expected=None)
    else:
        assert not admit(bench, procedure, {}, commit=head(project), expected=None).admitted
    assert not list(bench.scratch.iterdir())


def test_scratch_directories_are_removed(project: GitBuilder) -> None:
    bench = bench_of(project)
    replay(bench, PROCEDURE, {}, commit=head(project))
    assert list(bench.scratch.iterdir()) == []


def test_a_fresh_clone_does_the_task_again_with_what_was_learned(git: GitBuilder, tmp_path: Path) -> None:
    git.commit(dict(FLAG.files))
    recorder = Recorder.start(git, "0abcdefghi", 1)
    for actions in FLAG.steps:
        recorder.step(*actions)
    session = material(FLAG.task, candidate(recorder), session="0abcdefghi", base=recorder.base)
    learned = dream(Repository.discover(git.path), [session], commit=Oid(recorder.base), bench=bench_of(git), now=NOW)
    git.commit(dict(learned.changes), learned.message)
    git("clone", "--quiet", "--single-branch", str(git.path), str(tmp_path / "clone"))
    clone = Repository.discover(tmp_path / "clone")
    bench = Bench(repository=clone, sandbox=open_sandbox("none"), scratch=tmp_path / "elsewhere")
    match = match_task(read_library(clone, "HEAD").active, FLAG.next_task)
    assert match is not None
    assert match.skill.procedure is not None
    done = replay(bench, match.skill.procedure, match.parameters, commit=clone.resolve("HEAD"))
    assert done.ok
    assert done.tree is not None
    assert b"--no-color" in (clone.read_blob(done.tree, "app/cli.py") or b"")
    assert b"no_color" in (clone.read_blob(done.tree, "tests/test_cli.py") or b"")
    verified = verify_skill(bench, match.skill, commit=clone.resolve("HEAD"))
    assert (verified.admitted, verified.reason) == (True, "")


def test_a_skill_without_procedure_has_nothing_to_verify(project: GitBuilder) -> None:
    skill = new_skill("by-hand", "Does things by hand. Use it when asked.")
    with pytest.raises(SkillRefused, match="no procedure"):
        verify_skill(bench_of(project), skill, commit=head(project))


PIECES = ["a\n", "b\n", "c\n", "\n", "x = 1\n", "x = 2\n", "    deep\n", "é\r\n", "end"]
LINES = st.lists(st.sampled_from(PIECES), max_size=12)


@given(LINES, LINES)
def test_anchored_changes_give_the_new_text_or_are_not_given(before: list[str], after: list[str]) -> None:
    old, new = "".join(before), "".join(after)
    changes = anchored_changes(old, new)
    if changes is not None:
        assert edited(old, [{"old": c.old, "new": c.new} for c in changes], {}, "f") == new


FILES = st.dictionaries(st.sampled_from(["a.py", "b.py", "d/c.py", "d/e/f.txt", "g"]), LINES.map("".join), max_size=5)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(before=FILES, after=FILES)
def test_file_steps_lead_from_any_tree_to_any_other(
    git: GitBuilder, before: dict[str, str], after: dict[str, str]
) -> None:
    repository = Repository.discover(git.path)
    empty = repository.write_tree(())
    old, new = (put_files(repository, empty, {p: t.encode() for p, t in files.items()}) for files in (before, after))
    current: Oid | None = old
    for step in file_steps(repository, old, new):
        assert current is not None
        current = apply_file_step(repository, current, step)
    assert current == new


def test_modes_are_kept_and_executables_made(git: GitBuilder) -> None:
    git.commit({"run.sh": "#!/bin/sh\n", "a.txt": "a\n"})
    (git.path / "run.sh").chmod(0o755)
    base = git.commit({})
    git.commit({"run.sh": "#!/bin/sh\necho hi\n", "new.sh": "#!/bin/sh\n"})
    (git.path / "new.sh").chmod(0o755)
    after = git.commit({})
    repository = Repository.discover(git.path)
    steps = file_steps(repository, repository.tree_of(base), repository.tree_of(after))
    procedure = Procedure(name="p", description="d", steps=tuple(steps), paths=("*.sh",))
    found = replay(bench_of(git), procedure, {}, commit=Oid(base))
    assert found.tree == without_mimo(repository, repository.tree_of(after))
    assert (git.path / "new.sh").stat().st_mode & stat.S_IXUSR


def test_a_link_is_no_file_step(git: GitBuilder) -> None:
    base = git.commit({"a": "1"})
    (git.path / "link").symlink_to("a")
    after = git.commit({})
    repository = Repository.discover(git.path)
    with pytest.raises(NotText):
        file_steps(repository, repository.tree_of(base), repository.tree_of(after))
