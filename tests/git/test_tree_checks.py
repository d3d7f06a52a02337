import pytest

from gitmimo.evaluator.product import find_tree_problems
from gitmimo.git.repository import FILE, GITLINK, LINK, TREE, Entry, Repository
from gitmimo.git.trees import edit_tree, write_files
from gitmimo.ids import Oid

CONFLICT = b"<<<<<<< ours\n1\n=======\n2\n>>>>>>> theirs\n"


def with_link(repository: Repository, tree: Oid, path: str, target: str) -> Oid:
    return edit_tree(repository, tree, {path: (repository.write_blob(target.encode()), LINK)})


def test_an_ordinary_product_has_no_problems(repository: Repository, base: Oid) -> None:
    tree = write_files(repository, repository.tree_of(base), {"new/ü.py": b"1\n", "a.py": None, "docs/HEAD": b"x"})
    assert find_tree_problems(repository, base, with_link(repository, tree, "new/link", "../tests/./test_a.py")) == ()


def test_nested_repositories_and_gits_own_names_are_problems(repository: Repository, base: Oid) -> None:
    tree = edit_tree(repository, repository.tree_of(base), {"sub": (base, GITLINK)})
    assert find_tree_problems(repository, base, tree) == ("a nested repository or moved submodule: `sub`",)
    hidden = repository.write_tree([Entry("config", FILE, repository.write_blob(b"evil"))])
    entries = [*repository.read_tree(repository.tree_of(base)).values(), Entry(".Git", TREE, hidden)]
    assert find_tree_problems(repository, base, repository.write_tree(entries)) == (
        "a path into git's own directory: `.Git/config`",
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
    assert find_tree_problems(repository, start, tree) == (f"a symbolic link {problem}: `link`",)


@pytest.mark.parametrize("names", [("HEAD", "objects/x", "refs/y", "config"), ("head", "commondir")])
def test_a_bare_repository_in_files_is_a_problem(repository: Repository, base: Oid, names: tuple[str, ...]) -> None:
    for top in ("", "sub/"):
        tree = write_files(repository, repository.tree_of(base), {f"{top}{name}": b"x" for name in names})
        where = top.rstrip("/") or "."
        assert find_tree_problems(repository, base, tree) == (f"the layout of a bare repository: `{where}`",)


def test_large_files_are_problems_and_odd_names_are_shown_safely(repository: Repository, base: Oid) -> None:
    tree = write_files(repository, repository.tree_of(base), {"big\x1b[2J": b"x" * 1001, "a\x1b\n": b"1"})
    found = find_tree_problems(repository, base, tree, max_file_bytes=1000)
    assert found == ("a file has 1001 bytes, more than 1000: `big\\x1b[2J`",)


def test_conflict_markers_that_the_product_adds_are_problems(repository: Repository, base: Oid) -> None:
    tree = write_files(
        repository, repository.tree_of(base), {"a.py": b"x\n" + CONFLICT, "b.py": CONFLICT.replace(b"\n", b"\r\n")}
    )
    assert find_tree_problems(repository, base, tree) == ("conflict markers: `a.py`", "conflict markers: `b.py`")
    assert find_tree_problems(repository, tree, write_files(repository, tree, {"a.py": b"y\n" + CONFLICT})) == ()


def test_headings_and_shifts_are_no_conflict(repository: Repository, base: Oid) -> None:
    text = b"Title\n=======\n\n>>>>>>> quoted\n<<<<<<< shown\n"
    assert (
        find_tree_problems(repository, base, write_files(repository, repository.tree_of(base), {"a.rst": text})) == ()
    )
