"""Which tree a directory is, whatever an agent did there."""

import os
import shutil
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitmimo.errors import RepoError
from gitmimo.evaluator.product import find_tree_problems
from gitmimo.files import remove_tree
from gitmimo.git.commit import write_commit
from gitmimo.git.repository import Repository
from gitmimo.git.snapshot import Snapshot, adopt_checkout, forget_snapshots, snapshot_once, take_snapshot
from gitmimo.git.trees import changed_paths, checkout_tree, restore_paths, write_files
from gitmimo.git.worktree import add_worktree
from gitmimo.ids import Oid
from tests.conftest import GitBuilder

Take = Callable[[Oid], set[str]]


class Candidate:
    """A worktree of which snapshots are taken."""

    def __init__(self, repository: Repository, base: Oid, place: Path, *, adopts: bool = False) -> None:
        self.repository, self.place = repository, place
        self.base = base
        self.index = place.with_name("index")
        add_worktree(repository, place, branch="mimo/s/1", start=base, reason="x")
        if adopts:
            adopt_checkout(repository, place, base=base, index=self.index)

    def snapshot(self) -> Snapshot:
        return take_snapshot(self.repository, self.place, base=self.base, index=self.index)

    def take(self) -> Oid:
        return self.snapshot().tree

    def paths(self) -> set[str]:
        return {entry.path for entry in self.repository.list_paths(self.take())}

    def go_on_from(self, tree: Oid) -> None:
        """Begin again with another base and the same files."""
        forget_snapshots(self.index)
        self.base = write_commit(self.repository, tree=tree, parents=[self.base], message="base")

    def write(self, name: str, text: str = "text\n") -> None:
        (self.place / name).parent.mkdir(parents=True, exist_ok=True)
        (self.place / name).write_text(text)


@pytest.fixture
def candidate(repository: Repository, base: Oid, tmp_path: Path) -> Candidate:
    """A worktree whose index is git's own, as in a session."""
    return Candidate(repository, base, tmp_path / "state/w", adopts=True)


BASE = {".gitignore", "a.py", "tests/test_a.py", ".mimo/config.yaml"}


def test_an_untouched_directory_is_its_parents_tree(candidate: Candidate, repository: Repository, base: Oid) -> None:
    assert candidate.take() == repository.tree_of(base)
    assert candidate.take() == repository.tree_of(base)


def test_changes_additions_and_removals_arrive_step_by_step(candidate: Candidate, repository: Repository) -> None:
    candidate.write("a.py", "x = 2\n")
    candidate.write("new/b.py")
    first = candidate.take()
    assert repository.read_blob(first, "a.py") == b"x = 2\n"
    candidate.write("a.py", "x = 3\n")  # as long as before, in the same moment
    (candidate.place / "new/b.py").unlink()
    shutil.rmtree(candidate.place / "tests")
    second = candidate.take()
    assert repository.read_blob(second, "a.py") == b"x = 3\n"
    assert {entry.path for entry in repository.list_paths(second)} == BASE - {"tests/test_a.py"}


def test_the_same_size_and_time_do_not_hide_a_change(candidate: Candidate, repository: Repository) -> None:
    path = candidate.place / "a.py"
    candidate.take()
    before = path.stat()
    path.write_text("x = 9\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert repository.read_blob(candidate.take(), "a.py") == b"x = 9\n"


def test_ignored_output_stays_out_and_tracked_files_stay_in(
    candidate: Candidate, repository: Repository, base: Oid
) -> None:
    candidate.write("build/out.txt")
    candidate.write("x.o")
    candidate.write("deep/er/build/x")
    assert candidate.paths() == BASE
    tracked = write_files(repository, repository.tree_of(base), {"build/kept": b"1", "k.o": b"1"})
    candidate.go_on_from(tracked)
    candidate.write("build/kept", "2")
    candidate.write("k.o", "1")
    tree = candidate.take()
    assert repository.read_blob(tree, "build/kept") == b"2"
    assert {entry.path for entry in repository.list_paths(tree)} == BASE | {"build/kept", "k.o"}
    shutil.rmtree(candidate.place / "build")
    assert candidate.paths() == BASE | {"k.o"}


def test_ignore_rules_count_where_the_base_has_them(candidate: Candidate) -> None:
    candidate.write(".gitignore", "*\n")
    candidate.write("hidden.py")
    candidate.write("sub/.gitignore", "*.tmp\n")
    candidate.write("sub/a.tmp")
    assert candidate.paths() == BASE | {"hidden.py", "sub/.gitignore", "sub/a.tmp"}
    candidate.write("later.py")
    (candidate.place / "sub/a.tmp").unlink()
    candidate.go_on_from(write_files(candidate.repository, candidate.take(), {"later.py": None}))
    candidate.write("sub/b.tmp")
    assert candidate.paths() == BASE | {"hidden.py", "sub/.gitignore"}


def test_flags_and_excludes_that_an_agent_sets_hide_nothing(
    git: GitBuilder, candidate: Candidate, repository: Repository
) -> None:
    def agent(*args: str) -> None:
        subprocess.run(["git", "-C", str(candidate.place), *args], check=True)

    candidate.take()
    agent("update-index", "--assume-unchanged", "a.py")
    agent("update-index", "--skip-worktree", "tests/test_a.py")
    with (git.path / ".git/info/exclude").open("a") as handle:
        handle.write("*.py\n")
    agent("config", "core.excludesFile", str(candidate.place / "tests"))
    candidate.write("a.py", "x = 2\n")
    candidate.write("tests/test_a.py", "assert 2\n")
    candidate.write("evil.py")
    tree = candidate.take()
    assert repository.read_blob(tree, "a.py") == b"x = 2\n"
    assert repository.read_blob(tree, "tests/test_a.py") == b"assert 2\n"
    assert repository.read_blob(tree, "evil.py") == b"text\n"


def test_the_users_own_excludes_count(git: GitBuilder, base: Oid, sealed: Path, tmp_path: Path) -> None:
    (sealed / "config/git").mkdir(parents=True)
    (sealed / "config/git/ignore").write_text(".idea/\n")
    with (git.path / ".git/info/exclude").open("a") as handle:
        handle.write("*.local\n")
    for way in ("one", "two"):
        candidate = Candidate(Repository.discover(git.path), base, tmp_path / way / "w")
        candidate.write(".idea/x")
        candidate.write("x.local")
        candidate.write("y")
        assert candidate.paths() == BASE | {"y"}
        git("worktree", "remove", "-f", "-f", str(candidate.place))


def test_nested_repositories_come_in_as_plain_files(candidate: Candidate, repository: Repository) -> None:
    nested = GitBuilder(candidate.place / "vendor/lib")
    nested.commit({"code.py": "1\n", "deep/x": "2\n"})
    nested("config", "core.fsmonitor", "touch /tmp/should-not-be")
    GitBuilder(candidate.place / "empty")
    assert candidate.paths() == BASE | {"vendor/lib/code.py", "vendor/lib/deep/x"}
    assert all(entry.mode != 0o160000 for entry in repository.list_paths(candidate.take()))


def test_a_swapped_git_pointer_is_never_followed(candidate: Candidate, tmp_path: Path) -> None:
    evil = GitBuilder(tmp_path / "evil")
    evil("config", "core.fsmonitor", f"touch {tmp_path}/ran; false")
    (candidate.place / ".git").write_text(f"gitdir: {evil.path}/.git\n")
    candidate.write("new")
    assert candidate.paths() == BASE | {"new"}
    (candidate.place / ".git").unlink()
    shutil.copytree(evil.path / ".git", candidate.place / ".git")
    assert candidate.paths() == BASE | {"new"}
    assert not (tmp_path / "ran").exists()


def test_other_spellings_of_git_are_left_out_and_named(candidate: Candidate, repository: Repository) -> None:
    candidate.write(".GIT/config")
    candidate.write("sub/git~1/x")
    candidate.write("gitk")
    assert candidate.paths() == BASE | {"gitk"}
    taken = candidate.snapshot()
    assert set(taken.left_out) == {".GIT", "sub/git~1"}


def test_links_modes_and_odd_files(candidate: Candidate, repository: Repository) -> None:
    (candidate.place / "link").symlink_to("nowhere//at/all")
    (candidate.place / "tests/dirlink").symlink_to("..")
    candidate.write("run.sh")
    (candidate.place / "run.sh").chmod(0o755)
    os.mkfifo(candidate.place / "pipe")
    (candidate.place / "a.py").chmod(0o700)
    entries = {entry.path: entry for entry in repository.list_paths(candidate.take())}
    assert {path: oct(entry.mode) for path, entry in entries.items() if path not in BASE or path == "a.py"} == {
        "link": "0o120000",
        "tests/dirlink": "0o120000",
        "run.sh": "0o100755",
        "a.py": "0o100755",
    }
    assert repository.read_object(entries["link"].oid) == b"nowhere//at/all"


def test_files_directories_and_links_take_each_others_place(candidate: Candidate, repository: Repository) -> None:
    candidate.write("d/x")
    candidate.write("e/y")
    candidate.take()
    shutil.rmtree(candidate.place / "d")
    candidate.write("d", "a file now\n")
    (candidate.place / "a.py").unlink()
    candidate.write("a.py/inside")
    shutil.rmtree(candidate.place / "tests")
    (candidate.place / "tests").symlink_to("e")  # e/y is no tests/test_a.py, but through the link there could be one
    candidate.write("e/test_a.py")
    tree = candidate.take()
    found = {entry.path: oct(entry.mode) for entry in repository.list_paths(tree)}
    assert found["d"] == "0o100644"
    assert found["tests"] == "0o120000"
    assert found.keys() == BASE - {"a.py", "tests/test_a.py"} | {"d", "a.py/inside", "tests", "e/y", "e/test_a.py"}


def test_odd_names_are_kept_byte_for_byte(candidate: Candidate) -> None:
    names = {"\x1b[31mred", "new\nline", "-dash", 'quo"te', "\udcff\udcfe", "ü/\udcff", "back\\slash", " lead", "*?["}
    for name in names - {"back\\slash"}:
        candidate.write(name)
    assert candidate.paths() == BASE | names - {"back\\slash"}


def test_submodules_of_the_base_stay_as_they_are(git: GitBuilder, base: Oid, tmp_path: Path) -> None:
    inner = GitBuilder(tmp_path / "inner")
    inner.commit({"x": "1"})
    git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner.path), "sub")
    start = Oid(git.commit({}))
    repository = Repository.discover(git.path)
    for way in ("one", "two"):
        candidate = Candidate(repository, start, tmp_path / way / "w")
        assert candidate.take() == repository.tree_of(start)
        GitBuilder(candidate.place / "sub").commit({"other": "1"})
        assert candidate.take() == repository.tree_of(start)
        shutil.rmtree(candidate.place / "sub")
        assert candidate.paths() == BASE | {".gitmodules"}
        candidate.write("sub", "a file")
        assert candidate.paths() == BASE | {".gitmodules", "sub"}
        git("worktree", "remove", "-f", "-f", str(candidate.place))
        git("branch", "-D", "mimo/s/1")


def test_line_ends_are_converted_as_the_base_says(git: GitBuilder, base: Oid, tmp_path: Path) -> None:
    start = Oid(git.commit({".gitattributes": "*.txt text\n*.bin -text\n", "a.txt": "one\n"}))
    repository = Repository.discover(git.path)
    candidate = Candidate(repository, start, tmp_path / "s/w")
    (candidate.place / "a.txt").write_bytes(b"one\r\ntwo\r\n")
    (candidate.place / "b.bin").write_bytes(b"one\r\ntwo\r\n")
    tree = candidate.take()
    assert repository.read_blob(tree, "a.txt") == b"one\ntwo\n"
    assert repository.read_blob(tree, "b.bin") == b"one\r\ntwo\r\n"
    assert candidate.take() == tree


def test_only_the_users_filters_run_and_only_where_the_base_says(
    git: GitBuilder, base: Oid, sealed: Path, tmp_path: Path
) -> None:
    for name in ("good", "unused"):
        subprocess.run(["git", "config", "--global", f"filter.{name}.clean", f"echo {name}; cat"], check=True)
    git("config", "filter.local.clean", f"touch {tmp_path}/ran")
    start = Oid(git.commit({".gitattributes": "*.txt filter=good\n*.loc filter=local\n", "a.txt": "1"}))
    candidate = Candidate(Repository.discover(git.path), start, tmp_path / "s/w")
    candidate.write(".gitattributes", "*.txt filter=good\n*.md filter=unused\n*.py filter=local\n")
    for name in ("b.txt", "b.md", "b.loc", "a.py"):
        candidate.write(name)
    tree = candidate.take()
    found = {name: candidate.repository.read_blob(tree, name) for name in ("b.txt", "b.md", "b.loc", "a.py")}
    assert found == {"b.txt": b"good\ntext\n", "b.md": b"text\n", "b.loc": b"text\n", "a.py": b"text\n"}
    assert not (tmp_path / "ran").exists()


def test_an_index_that_is_gone_is_made_anew(repository: Repository, base: Oid, tmp_path: Path) -> None:
    candidate = Candidate(repository, base, tmp_path / "s/w", adopts=True)
    candidate.write("a.py", "x = 2\n")
    wanted = candidate.take()
    forget_snapshots(candidate.index)
    assert candidate.take() == wanted


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_what_cannot_be_read_is_left_out_and_named(repository: Repository, base: Oid, tmp_path: Path) -> None:
    candidate = Candidate(repository, base, tmp_path / "s/w")
    candidate.write("locked/x")
    candidate.write("secret")
    (candidate.place / "locked").chmod(0)
    (candidate.place / "secret").chmod(0)
    taken = candidate.snapshot()
    (candidate.place / "locked").chmod(0o755)
    assert set(taken.left_out) == {"locked", "secret"}
    assert taken.tree == repository.tree_of(base)


def write_deep(top: Path, name: str, levels: int) -> None:
    """A file below so many directories of this name, each made from the one above: the path may be too long to open."""
    here = os.open(top, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir(name, dir_fd=here)  # noqa: PTH102 - relative to a descriptor
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("file", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=here))
    os.close(here)


def test_a_path_too_deep_to_open_is_left_out_and_named(repository: Repository, base: Oid, tmp_path: Path) -> None:
    candidate = Candidate(repository, base, tmp_path / "s/w")
    write_deep(candidate.place, "d" * 200, 30)
    taken = candidate.snapshot()
    assert len(taken.left_out) == 1
    assert taken.tree == repository.tree_of(base)
    subprocess.run(["rm", "-r", str(candidate.place / ("d" * 200))], check=True)


def test_flags_that_an_agent_sets_in_the_worktrees_own_index_hide_nothing_from_a_single_snapshot(
    repository: Repository, base: Oid, tmp_path: Path
) -> None:
    place = tmp_path / "w"
    add_worktree(repository, place, branch="mimo/s/1", start=base, reason="x")
    subprocess.run(["git", "update-index", "--assume-unchanged", "a.py"], cwd=place, check=True)
    (place / "a.py").write_text("hidden\n")
    assert repository.read_blob(snapshot_once(repository, place, base=base).tree, "a.py") == b"hidden\n"


def test_a_file_that_fails_the_content_check_stays_out_and_is_named(
    candidate: Candidate, repository: Repository, base: Oid
) -> None:
    """Nothing of it becomes an object, and nothing is rewritten: it is as in the parent, or absent."""
    repository.content_check = lambda data, before: (
        "a secret" if b"s3cret" in data and b"s3cret" not in before() else ""
    )
    secret = b"caf\xe9 s3cret \xff\xfe\0"
    for name in ("a.py", "new.bin"):
        (candidate.place / name).write_bytes(secret)
    candidate.write("good.py", "1\n")
    for _ in range(2):
        taken = candidate.snapshot()
        assert taken.refused == {"a.py": "a secret", "new.bin": "a secret"}
        assert repository.read_blob(taken.tree, "a.py") == repository.read_blob(base, "a.py")
        assert repository.find_entry(taken.tree, "new.bin") is None
        assert repository.read_blob(taken.tree, "good.py") == b"1\n"
    for path in (repository.common_dir / "objects").glob("??/*"):
        assert b"s3cret" not in zlib.decompress(path.read_bytes())
    (candidate.place / "a.py").write_bytes(secret.replace(b"s3cret", b"clean"))
    taken = candidate.snapshot()
    assert repository.read_blob(taken.tree, "a.py") == b"caf\xe9 clean \xff\xfe\0"


def test_a_tree_2000_directories_deep_comes_in(candidate: Candidate, repository: Repository, base: Oid) -> None:
    write_deep(candidate.place, "d", 1900)
    tree = candidate.take()
    (path,) = changed_paths(repository, base, tree)
    assert path == "d/" * 1900 + "file"
    assert restore_paths(repository, tree, base, lambda path: True)[0] == repository.tree_of(base)
    assert find_tree_problems(repository, base, tree) == (f"a path of 3804 bytes, more than 2048: `{path[:60]}…`",)
    remove_tree(candidate.place)  # too deep for the removal that ends pytest's own temporary directories


def test_a_file_whose_whole_path_is_too_long_is_left_out_and_named(
    repository: Repository, base: Oid, tmp_path: Path
) -> None:
    candidate = Candidate(repository, base, tmp_path / ("p" * 200) / ("q" * 200) / "w")
    write_deep(candidate.place, "d", 1900)
    taken = candidate.snapshot()
    assert taken.left_out == ("d/" * 1900 + "file",)
    assert taken.tree == repository.tree_of(base)
    remove_tree(candidate.place)


def test_names_of_255_bytes_and_names_that_are_no_text_come_in(candidate: Candidate, repository: Repository) -> None:
    names = ["n" * 255, os.fsdecode(b"\xff\xfe"), os.fsdecode(b"dir\xe9/" + b"x" * 255)]
    for name in names:
        candidate.write(name)
    assert set(names) <= candidate.paths()
    assert set(names) <= candidate.paths()


def test_a_name_that_was_ignored_as_a_directory_comes_in_as_a_file(candidate: Candidate) -> None:
    candidate.write("build/out.txt")
    assert "build" not in candidate.paths()
    candidate.write("a.py", "2\n")
    assert "build" not in candidate.paths()
    shutil.rmtree(candidate.place / "build")
    candidate.write("build", "a file\n")
    assert "build" in candidate.paths()


def test_a_directory_that_is_gone_is_told(candidate: Candidate) -> None:
    shutil.rmtree(candidate.place)
    with pytest.raises(RepoError, match="is gone"):
        candidate.take()


NAMES = st.sampled_from(["a.py", "b", "d/x", "d/y", "d/e/z", "build/q", "k.o", ".gitignore", "d/.gitignore", "tests"])
TEXTS = st.sampled_from(["1\n", "22\n", "*.o\n", "!k.o\n", "/d\n", "", "one\r\n"])
STEPS = st.lists(st.tuples(NAMES, st.one_of(TEXTS, st.sampled_from(["remove", "link", "take"]))), max_size=14)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS)
def test_a_kept_index_and_a_new_one_see_the_same(
    repository: Repository,
    base: Oid,
    tmp_path: Path,
    steps: list[tuple[str, str]],
) -> None:
    place = tmp_path / "both"
    shutil.rmtree(place, ignore_errors=True)
    for index in tmp_path.glob("by*"):
        index.unlink()
    checkout_tree(repository, repository.tree_of(base), place)
    for number, (name, what) in enumerate([*steps, ("", "take")]):
        path = place / name
        if what == "take":
            kept = take_snapshot(repository, place, base=base, index=tmp_path / "by-kept")
            assert kept == take_snapshot(repository, place, base=base, index=tmp_path / f"by-new-{number}")
            continue
        for parent_directory in reversed(path.relative_to(place).parents):
            in_the_way = place / parent_directory
            if in_the_way.is_symlink() or in_the_way.is_file():
                in_the_way.unlink()
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        if what == "link":
            path.symlink_to("b")
        elif what != "remove":
            path.write_bytes(what.encode())
