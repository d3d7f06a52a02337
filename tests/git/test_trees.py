import subprocess
from pathlib import Path

import pytest

from gitmimo.errors import RepoError
from gitmimo.git.repository import Repository
from gitmimo.git.trees import (
    checkout_tree,
    edit_tree,
    empty_tree,
    is_git_dir_name,
    restore_paths,
    with_mimo_files,
    with_mimo_from,
    without_mimo,
    write_files,
)
from gitmimo.ids import Oid
from tests.conftest import GitBuilder


def files(repository: Repository, tree: Oid) -> dict[str, bytes]:
    return {entry.path: repository.read_object(entry.oid) for entry in repository.list_paths(tree)}


@pytest.fixture
def tree(repository: Repository, base: Oid) -> Oid:
    return repository.tree_of(base)


def test_equal_code_gives_equal_trees_whatever_lies_in_mimo(repository: Repository, tree: Oid, base: Oid) -> None:
    noisy = write_files(repository, tree, {".mimo/trajectory/s/1/1.json": b"{}", ".mimo/config.yaml": None})
    assert without_mimo(repository, noisy) == without_mimo(repository, tree) == without_mimo(repository, base)
    assert with_mimo_from(repository, noisy, base) == tree
    bare = without_mimo(repository, tree)
    assert with_mimo_from(repository, noisy, bare) == bare
    assert without_mimo(repository, bare) == bare
    assert set(files(repository, bare)) == {".gitignore", "a.py", "tests/test_a.py"}


@pytest.mark.parametrize("source", [{}, {".mimo/config.yaml": None}, {".mimo/config.yaml": None, ".mimo": b"a file"}])
def test_a_record_joins_the_memory_of_its_source(
    repository: Repository, tree: Oid, source: dict[str, bytes | None]
) -> None:
    """The same tree as in two steps, whether the source has a memory, none, or a file in its place."""
    record = {".mimo/trajectory/s/1/1.json": b"{}"}
    product = write_files(repository, without_mimo(repository, tree), {"new.py": b"1"})
    before = write_files(repository, tree, source)
    slowly = write_files(repository, with_mimo_from(repository, product, before), record)
    assert with_mimo_files(repository, product, before, record) == slowly
    assert ".mimo/trajectory/s/1/1.json" in files(repository, slowly)


def test_only_a_top_level_mimo_is_ours(repository: Repository, tree: Oid) -> None:
    made = write_files(repository, tree, {"sub/.mimo/x": b"1"})
    assert "sub/.mimo/x" in files(repository, without_mimo(repository, made))


def test_files_are_written_and_removed_with_their_directories(
    git: GitBuilder, repository: Repository, tree: Oid
) -> None:
    made = write_files(repository, tree, {"deep/er/x": b"1", "tests/test_a.py": None, "absent/y": None, "a.py/z": None})
    assert set(files(repository, made)) == {".gitignore", ".mimo/config.yaml", "a.py", "deep/er/x"}
    assert "tests" not in repository.read_tree(made)
    assert write_files(repository, made, {"deep/er/x": None, "tests/test_a.py": b"assert 1\n"}) == tree
    assert git("fsck", "--strict", "--no-dangling") == ""


def test_a_file_keeps_its_mode(git: GitBuilder, repository: Repository) -> None:
    git.write({"run": "1", "link": "1"})
    (git.path / "run").chmod(0o755)
    (git.path / "link").unlink()
    (git.path / "link").symlink_to("run")
    start = Oid(git.commit({}))
    made = write_files(repository, repository.tree_of(start), {"run": b"2", "link": b"now a file"})
    assert repository.find_entry(made, "run").mode == 0o100755  # type: ignore[union-attr]
    assert repository.find_entry(made, "link").mode == 0o100644  # type: ignore[union-attr]


def test_files_and_directories_take_each_others_place(repository: Repository, tree: Oid) -> None:
    made = write_files(repository, tree, {"a.py/inside": b"1", "tests": b"file"})
    assert files(repository, made).keys() == {".gitignore", ".mimo/config.yaml", "a.py/inside", "tests"}
    back = write_files(repository, made, {"a.py": b"x = 1\n", "tests/test_a.py": b"assert 1\n"})
    assert back == tree


def test_nothing_left_is_the_empty_tree(git: GitBuilder, repository: Repository, tree: Oid) -> None:
    assert write_files(repository, tree, dict.fromkeys(files(repository, tree))) == empty_tree(repository)
    assert empty_tree(repository) == git("hash-object", "-t", "tree", "/dev/null")
    assert write_files(repository, empty_tree(repository), files(repository, tree)) == tree


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/abs",
        "a//b",
        "a/../b",
        "..",
        "./a",
        "a/",
        ".git/config",
        "x/.GIT/y",
        "git~1",
        "GIT~4",
        ".git ",
        ".gi\u200dt",
        ".git:x",
        "a\0b",
    ],
)
def test_paths_that_git_must_not_hold_are_refused(repository: Repository, tree: Oid, path: str) -> None:
    with pytest.raises(RepoError, match="not a usable path"):
        write_files(repository, tree, {path: b"x"})


@pytest.mark.parametrize("name", [".gitignore", "git", ".gita", "git~5", ".mimo", "x.git"])
def test_names_that_only_look_like_git_are_fine(name: str) -> None:
    assert not is_git_dir_name(name)


def test_protected_paths_come_from_the_source(repository: Repository, tree: Oid) -> None:
    source = write_files(repository, tree, {"tests/sub/b.py": b"b\n", "conftest.py": b"real\n"})
    product = write_files(
        repository,
        source,
        {
            "tests/test_a.py": b"weaker\n",
            "tests/sub/b.py": None,
            "tests/new.py": b"n\n",
            "conftest.py": None,
            "a.py": b"y",
        },
    )
    made, paths = restore_paths(
        repository, product, source, lambda path: path.startswith("tests/") or path == "conftest.py"
    )
    assert paths == ("conftest.py", "tests/new.py", "tests/sub/b.py", "tests/test_a.py")
    assert made == write_files(repository, source, {"a.py": b"y"})
    assert restore_paths(repository, made, source, lambda path: path != "a.py") == (made, ())


@pytest.mark.parametrize("trick", ["file for directory", "directory for file", "link for directory"])
def test_a_protected_path_cannot_be_shadowed_by_another_kind(repository: Repository, tree: Oid, trick: str) -> None:
    source = write_files(repository, tree, {"conftest.py": b"real\n"})
    link = repository.write_blob(b"elsewhere")
    product = {
        "file for directory": write_files(repository, source, {"tests": b"file"}),
        "directory for file": write_files(repository, source, {"conftest.py/x.py": b"1"}),
        "link for directory": edit_tree(
            repository, write_files(repository, source, {"tests/test_a.py": None}), {"tests": (link, 0o120000)}
        ),
    }[trick]

    def is_protected(path: str) -> bool:
        return path.startswith("tests/") or path == "conftest.py"

    made, paths = restore_paths(repository, product, source, is_protected)
    assert made == source
    assert paths


def test_a_tree_is_checked_out_without_touching_the_user(
    git: GitBuilder, repository: Repository, tree: Oid, tmp_path: Path
) -> None:
    git.write({"a.py": "dirty\n"})
    before = (git.path / ".git/index").read_bytes()
    made = write_files(repository, tree, {"ü/new\nline": b"1", "tests/test_a.py": None})
    checkout_tree(repository, made, tmp_path / "fresh/out")
    found = {
        str(path.relative_to(tmp_path / "fresh/out")) for path in (tmp_path / "fresh/out").rglob("*") if path.is_file()
    }
    assert found == {".gitignore", ".mimo/config.yaml", "a.py", "ü/new\nline"}
    assert (tmp_path / "fresh/out/a.py").read_text() == "x = 1\n"
    assert (git.path / ".git/index").read_bytes() == before
    assert (git.path / "a.py").read_text() == "dirty\n"


def test_only_trusted_filters_run_on_checkout(git: GitBuilder, base: Oid, sealed: Path, tmp_path: Path) -> None:
    subprocess.run(["git", "config", "--global", "filter.good.smudge", "sed s/x/smudged/"], check=True)
    git("config", "filter.evil.smudge", f"touch {tmp_path}/ran; cat")
    repository = Repository.discover(git.path)
    made = write_files(
        repository,
        repository.tree_of(base),
        {".gitattributes": b"*.txt filter=good\n*.md filter=evil\n", "a.txt": b"x", "a.md": b"x"},
    )
    checkout_tree(repository, made, tmp_path / "one")
    checkout_tree(repository, made, tmp_path / "two", attributes_from=base)
    texts = [(tmp_path / place / name).read_text() for place in ("one", "two") for name in ("a.txt", "a.md")]
    assert texts == ["smudged", "x", "x", "x"]
    assert not (tmp_path / "ran").exists()
