import pytest

from gitmimo.git.edit import change_paths
from gitmimo.git.inspect import inspect_product
from gitmimo.git.objects import FILE, GITLINK, LINK, TREE, Entry
from gitmimo.git.repository import Repository
from gitmimo.git.tree import put_files
from gitmimo.records import Oid

CONFLICT = b"<<<<<<< ours\n1\n=======\n2\n>>>>>>> theirs\n"


def with_link(repository: Repository, tree: Oid, path: str, target: str) -> Oid:
    return change_paths(repository, tree, {path: (repository.write_blob(target.encode()), LINK)})


def test_an_ordinary_product_has_no_problems(repository: Repository, base: Oid) -> None:
    tree = put_files(repository, repository.tree_of(base), {"new/ü.py": b"1\n", "a.py": None, "docs/HEAD": b"x"})
    assert inspect_product(repository, base, with_link(repository, tree, "new/link", "../tests/./test_a.py")) == ()


def test_nested_repositories_and_gits_own_names_are_problems(repository: Repository, base: Oid) -> None:
    tree = change_paths(repository, repository.tree_of(base), {"sub": (base, GITLINK)})
    assert inspect_product(repository, base, tree) == ("nested repository or moved submodule: `sub`",)
    hidden = repository.write_tree([Entry("config", FILE, repository.write_blob(b"evil"))])
    entries = [*repository.read_tree(repository.tree_of(base)).values(), Entry(".Git", TREE, hidden)]
    assert inspect_product(repository, base, repository.write_tree(entries)) == (
        "git's own directory in the tree: `.Git/config`",
    )


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("/etc/passwd", "to an absolute path"),
        ("../outside", "out of the tree"),
        ("sub/../../x", "out of the tree"),
        (".git/config", "into git's own directory"),
        ("link", "in a circle"),
        ("up/x", "out of the tree"),
        ("abs/x", "to an absolute path"),
    ],
)
def test_links_that_leave_the_tree_are_problems(repository: Repository, base: Oid, target: str, problem: str) -> None:
    start = with_link(repository, repository.tree_of(base), "up", "sub/../..")
    start = with_link(repository, start, "abs", "/tmp")
    tree = with_link(repository, start, "link", target)
    assert inspect_product(repository, start, tree) == (f"symbolic link {problem}: `link`",)


@pytest.mark.parametrize("names", [("HEAD", "objects/x", "refs/y", "config"), ("head", "commondir")])
def test_a_bare_repository_in_files_is_a_problem(repository: Repository, base: Oid, names: tuple[str, ...]) -> None:
    for top in ("", "sub/"):
        tree = put_files(repository, repository.tree_of(base), {f"{top}{name}": b"x" for name in names})
        where = top.rstrip("/") or "."
        assert inspect_product(repository, base, tree) == (f"a directory that git takes for a repository: `{where}`",)


def test_large_files_and_names_with_control_characters_are_problems(repository: Repository, base: Oid) -> None:
    tree = put_files(repository, repository.tree_of(base), {"big": b"x" * 1001, "a\x1b[2Jb\n": b"1"})
    found = inspect_product(repository, base, tree, max_file_bytes=1000)
    assert len(found) == 2
    assert found[0].startswith("control characters in a name: `a\\x1b[2Jb")
    assert found[1].endswith(": `big`")
    assert "\x1b" not in "".join(found)


def test_conflict_markers_that_the_product_adds_are_problems(repository: Repository, base: Oid) -> None:
    tree = put_files(
        repository, repository.tree_of(base), {"a.py": b"x\n" + CONFLICT, "b.py": CONFLICT.replace(b"\n", b"\r\n")}
    )
    assert inspect_product(repository, base, tree) == ("conflict markers in `a.py`", "conflict markers in `b.py`")
    assert inspect_product(repository, tree, put_files(repository, tree, {"a.py": b"y\n" + CONFLICT})) == ()


def test_headings_and_shifts_are_no_conflict(repository: Repository, base: Oid) -> None:
    text = b"Title\n=======\n\n>>>>>>> quoted\n<<<<<<< shown\n"
    assert inspect_product(repository, base, put_files(repository, repository.tree_of(base), {"a.rst": text})) == ()
