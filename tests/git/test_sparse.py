"""Where the user's checkout is sparse the candidates' worktrees are too, and nothing that they lack is lost."""

import subprocess
from pathlib import Path

import pytest

from gitmimo.git.agent_repo import make_agent_repo
from gitmimo.git.repository import Repository
from gitmimo.git.snapshot import adopt_checkout, snapshot_once, take_snapshot
from gitmimo.git.trees import changed_paths
from gitmimo.git.worktree import add_worktree, find_admin_directory
from tests.conftest import GitBuilder

FILES = {"README": "r\n", "app/a.py": "1\n", "app/deep/b.py": "2\n", "docs/one/x.md": "x\n", "docs/y.md": "y\n"}
CONE, PATTERNS = ("set", "--cone", "app"), ("set", "--no-cone", "/README", "app/")


class Sparse:
    """A worktree of a repository whose checkout lacks `docs/`."""

    def __init__(self, git: GitBuilder, place: Path, *, patterns: tuple[str, ...], attributes: str = "") -> None:
        git.commit({**FILES, ".gitattributes": attributes})
        git("sparse-checkout", *patterns)
        self.repository = Repository.discover(git.path)
        self.base = self.repository.resolve("HEAD")
        self.place, self.index = place, place.with_name("index")
        add_worktree(self.repository, place, branch="mimo/0a1b2c3d4e/1", start=self.base, reason="x")
        admin = find_admin_directory(self.repository.common_dir, place)
        assert admin is not None
        self.checked_out = admin / "index"
        adopt_checkout(self.repository, place, base=self.base, index=self.index)

    def changes(self) -> list[str]:
        tree = take_snapshot(self.repository, self.place, base=self.base, index=self.index).tree
        listed = self.repository.run("diff-tree", "-r", "--no-renames", "--name-status", f"{self.base}^{{tree}}", tree)
        return listed.text.splitlines()


@pytest.fixture(params=[CONE, PATTERNS], ids=["cone", "patterns"])
def patterns(request: pytest.FixtureRequest) -> tuple[str, ...]:
    found: tuple[str, ...] = request.param
    return found


@pytest.mark.parametrize("attributes", ["", "*.py text eol=crlf\n"], ids=["as it lies", "converted"])
def test_what_is_left_out_is_unchanged_until_a_file_comes_there(
    git: GitBuilder, tmp_path: Path, patterns: tuple[str, ...], attributes: str
) -> None:
    sparse = Sparse(git, tmp_path / "w", patterns=patterns, attributes=attributes)
    place = sparse.place
    assert not (place / "docs").exists()
    assert sparse.changes() == []
    (place / "app/a.py").write_text("11\n")
    (place / "app/deep/b.py").unlink()
    (place / "new.txt").write_text("n\n")
    assert sparse.changes() == ["M\tapp/a.py", "D\tapp/deep/b.py", "A\tnew.txt"]
    (place / "docs/one").mkdir(parents=True)
    (place / "docs/one/x.md").write_text("other\n")
    (place / "docs/z.md").write_text("z\n")
    assert sparse.changes()[2:] == ["M\tdocs/one/x.md", "A\tdocs/z.md", "A\tnew.txt"]
    (place / "docs/one/x.md").unlink()
    (place / "docs/z.md").unlink()
    (place / "docs/one").rmdir()
    (place / "docs").rmdir()
    (place / "docs").write_text("a file now\n")
    assert [line for line in sparse.changes() if "docs" in line] == ["A\tdocs", "D\tdocs/one/x.md", "D\tdocs/y.md"]


def test_a_checkout_that_is_widened_meanwhile_takes_nothing_away(git: GitBuilder, tmp_path: Path) -> None:
    sparse = Sparse(git, tmp_path / "w", patterns=CONE)
    git("sparse-checkout", "disable")
    subprocess.run(["git", "-C", sparse.place, "status", "--short"], check=True, capture_output=True)
    assert sparse.changes() == []


def test_the_agent_s_git_sees_no_removals(git: GitBuilder, tmp_path: Path, patterns: tuple[str, ...]) -> None:
    sparse = Sparse(git, tmp_path / "w", patterns=patterns)
    directory = tmp_path / "private.git"
    make_agent_repo(
        sparse.repository, directory, sparse.base,
        work_tree=sparse.place, checked_out=sparse.checked_out,
    )  # fmt: skip
    (sparse.place / "app/a.py").write_text("11\n")
    said = subprocess.run(
        ["git", f"--git-dir={directory}", f"--work-tree={sparse.place}", "status", "--short"],
        cwd=sparse.place, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert [line for line in said.stdout.splitlines() if line != "?? .git"] == [" M app/a.py"]


def test_a_worktree_without_changes_has_nothing_unsaved(
    git: GitBuilder, tmp_path: Path, patterns: tuple[str, ...]
) -> None:
    sparse = Sparse(git, tmp_path / "w", patterns=patterns)
    tree = sparse.repository.tree_of(sparse.base)
    assert snapshot_once(sparse.repository, sparse.place, base=sparse.base).tree == tree
    (sparse.place / "app/a.py").write_text("11\n")
    changed = snapshot_once(sparse.repository, sparse.place, base=sparse.base).tree
    assert list(changed_paths(sparse.repository, tree, changed)) == ["app/a.py"]


def test_the_users_own_sparse_checkout_lacks_nothing(git: GitBuilder, tmp_path: Path) -> None:
    sparse = Sparse(git, tmp_path / "w", patterns=CONE)
    git.write({"app/a.py": "11\n"})
    tree = snapshot_once(sparse.repository, git.path, base=sparse.base).tree
    assert list(changed_paths(sparse.repository, sparse.base, tree)) == ["app/a.py"]


def test_git_knows_its_index_however_the_user_wants_it_written(git: GitBuilder, tmp_path: Path) -> None:
    git("config", "feature.manyFiles", "true")
    sparse = Sparse(git, tmp_path / "w", patterns=CONE)
    assert sparse.checked_out.read_bytes()[4:8] == b"\0\0\0\3"
    assert sparse.changes() == []
