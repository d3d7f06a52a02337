"""What test runs leave behind is no part of a product, unless the project says that it is."""

from pathlib import Path

from gitmimo.git.repository import Repository
from gitmimo.git.snapshot import take_snapshot
from gitmimo.ids import Oid
from tests.conftest import GitBuilder


def test_caches_are_left_out_and_a_projects_own_rules_take_them_back(git: GitBuilder, tmp_path: Path) -> None:
    base = git.commit({"a.py": "x\n", ".gitignore": "!*.pyc\n", "node_modules/kept.js": "1\n"})
    git.write({
        ".pytest_cache/README.md": "r\n", "pkg/__pycache__/m.txt": "b", "b.py": "y\n", "c.pyc": "wanted",
        "node_modules/kept.js": "2\n", "node_modules/new.js": "3\n",
    })  # fmt: skip
    tree = take_snapshot(Repository.discover(git.path), git.path, base=Oid(base), index=tmp_path / "index").tree
    assert git("diff", "--name-status", base, tree).split("\n") == ["A\tb.py", "A\tc.pyc", "M\tnode_modules/kept.js"]
