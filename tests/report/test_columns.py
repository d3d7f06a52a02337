"""Old beside new in a terminal."""

from pathlib import Path

from gitmimo.git.repository import Repository
from gitmimo.report.columns import side_by_side
from gitmimo.report.diff import read_diff
from tests.conftest import GitBuilder
from tests.made_session import SESSION, Attempt, make_session, write_journal
from tests.project import mimo


def test_what_was_removed_stands_beside_what_was_added(git: GitBuilder) -> None:
    old = git.commit({"a.py": "one\ntwo\nthree\n"})
    new = git.commit({"a.py": "one\n2\n2b\nthree\n"})
    repository = Repository.discover(git.path)
    files = read_diff(repository, repository.resolve(old), repository.resolve(new))
    rows = list(side_by_side(files, width=83))
    changed = [(row.left.split(), row.right.split()) for row in rows if row.kind == "changed"]
    assert changed == [(["2", "-two"], ["2", "+2"]), ([], ["3", "+2b"])]
    assert {len(row.left) for row in rows if row.kind in ("changed", "same")} == {40}


def test_long_wide_and_hidden_text_fits_its_half(git: GitBuilder) -> None:
    old = git.commit({"a.txt": "x\n"})
    new = git.commit({"a.txt": "漢字" * 60 + "\n\tz\u202e\x1b[2J\n"})
    repository = Repository.discover(git.path)
    files = read_diff(repository, repository.resolve(old), repository.resolve(new))
    rows = [row for row in side_by_side(files, width=103) if row.kind == "changed"]
    assert rows[0].right.endswith("…")
    assert len(rows[0].right) < 40
    assert "\x1b" not in "".join(row.right for row in rows)
    assert "<U+202E>" in rows[1].right


def test_review_shows_it_when_asked(git: GitBuilder) -> None:
    git.commit({"a.py": "one\n"})
    session = make_session(git, [Attempt(steps=[{"a.py": "two\n"}])])
    write_journal(git, session)
    said = mimo("review", SESSION, "--side-by-side", cwd=git.path)
    assert said.code == 0, said.err
    assert any("-one" in line and "| " in line and "+two" in line for line in said.out.splitlines())
    assert "+two" in mimo("review", "--unified", cwd=git.path).out.splitlines()


def test_a_reader_sees_doubts_first_and_steps_line_by_line(git: GitBuilder) -> None:
    git.commit({"a.py": "one\n"})
    doubts = ("review: ends processes: `a.py` line 1", "its changes below `.mimo/` were dropped: `.mimo/MEMORY.md`")
    session = make_session(
        git, [Attempt(steps=[{"a.py": "2\n"}], passed=False), Attempt(steps=[{}, {"a.py": "two\n"}], flags=doubts)]
    )
    write_journal(git, session)
    review = mimo("review", cwd=git.path).out
    first, _, rest = review.partition("Look at first:")
    assert "Make f return its argument" in first
    assert rest.index("- needs a person: ends") < rest.index("- its changes below") < rest.index("* 2  openai")
    assert "fails base_suite" in review
    steps = mimo("log", "--steps", cwd=git.path).out.splitlines()[1:]
    assert [line.split("step ")[1][0] for line in steps] == ["1", "2"]
    assert steps[0].endswith("python -m pytest -q")
    assert steps[1].endswith("a.py")
    assert git("rev-parse", "--verify", f"{steps[1].split()[0]}^{{commit}}")
    show = mimo("show", cwd=git.path).out
    assert "gates:    passed product, setup, accept, new_tests, import_origin" in show
    assert "fail      base_suite: 3 of 3 tests pass" in show
    assert "look at:  needs a person: ends processes" in show


def test_review_writes_the_page(git: GitBuilder) -> None:
    git.commit({"a.py": "one\n"})
    write_journal(git, make_session(git, [Attempt(steps=[{"a.py": "two\n"}])]))
    said = mimo("review", "--html", "out", cwd=git.path)
    assert said.out.strip() == "out"
    assert "<!doctype html>" in (git.path / "out").read_text()
    assert mimo("review", "--html", "/proc/nowhere/x", cwd=git.path).code == 129


def test_a_clone_that_did_not_run_the_session_reviews_it_from_its_note(git: GitBuilder, tmp_path: Path) -> None:
    git.commit({"a.py": "one\n"})
    session = make_session(git, [Attempt(steps=[{"a.py": "two\n"}])], task="Say two")
    clone = GitBuilder(tmp_path / "clone")
    clone("fetch", "--quiet", str(git.path), f"{session.result_branch}:work")
    clone("checkout", "--quiet", "work")
    without = mimo("review", cwd=clone.path)
    assert without.code == 129
    assert "git fetch origin +refs/notes/mimo" in without.err
    clone("fetch", "--quiet", str(git.path), "+refs/notes/mimo:refs/notes/mimo")
    for name in ((), (SESSION,), (str(session.result_branch),)):
        said = mimo("review", *name, cwd=clone.path)
        assert said.code == 0, said.err
        assert "Say two" in said.out
        assert "+two" in said.out
    assert mimo("review", "--html", "page.html", cwd=clone.path).code == 0
    page = (clone.path / "page.html").read_text()
    assert "candidate 1 passed every gate" in page
    assert "openai/some-model" in page
    assert mimo("review", "vvvvvvvvvv", cwd=clone.path).code == 129
