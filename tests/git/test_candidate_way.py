from pathlib import Path

from gitmimo.git.agent_repo import make_agent_repo
from gitmimo.git.commit import add_trailers, read_note, read_trailers, write_commit, write_note
from gitmimo.git.diff import added_lines, diff_facts
from gitmimo.git.merge import merge_in_memory
from gitmimo.git.refs import read_ref, update_ref
from gitmimo.git.repository import Repository
from gitmimo.git.snapshot import take_snapshot
from gitmimo.git.trees import checkout_tree, restore_paths, with_mimo_from, without_mimo, write_files
from gitmimo.git.worktree import add_worktree, list_worktrees, remove_worktree
from gitmimo.ids import Oid, SessionId, branch_ref, candidate_branch
from tests.conftest import GitBuilder


def test_the_way_of_one_candidate(git: GitBuilder, tmp_path: Path) -> None:
    base = Oid(
        git.commit({"a.py": "x = 1\n", "tests/test_a.py": "1\n", ".mimo/config.yaml": "a\n", ".gitignore": "*.o\n"})
    )
    repository = Repository.discover(git.path)
    branch = candidate_branch(SessionId("0000000000"), 1)
    tree_dir = tmp_path / "state" / "w1"
    add_worktree(repository, tree_dir, branch=branch, start=base, reason="session 0 candidate 1")
    private = tmp_path / "private"
    make_agent_repo(repository, private, base, work_tree=tree_dir)
    (tree_dir / "a.py").write_text("x  =  2\n")
    (tree_dir / "b.o").write_text("no")
    (tree_dir / "new.txt").write_text("new\n")
    index = tmp_path / "state" / "index1"
    tree = take_snapshot(repository, tree_dir, base=base, index=index).tree
    assert {e.path for e in repository.list_paths(tree)} == {
        "a.py",
        "tests/test_a.py",
        ".mimo/config.yaml",
        ".gitignore",
        "new.txt",
    }
    full = write_files(repository, tree, {".mimo/trajectory/0/1/1.json": b"{}"})
    commit = write_commit(
        repository, tree=full, parents=[base], message=add_trailers("step 1", {"Mimo-Candidate": "1/3"})
    )
    update_ref(repository, branch_ref(branch), commit, expected=base, reason="mimo: step 1", worktree=tree_dir)
    assert read_ref(repository, branch_ref(branch)) == commit
    assert take_snapshot(repository, tree_dir, base=base, index=index).tree == tree
    product = without_mimo(repository, full)
    assert product == without_mimo(repository, tree)
    assert with_mimo_from(repository, product, base) == tree
    assert [f.path for f in diff_facts(repository, base, tree).files] == ["a.py", "new.txt"]
    assert [(line.path, line.number, line.text) for line in added_lines(repository, base, tree)] == [
        ("a.py", 1, b"x  =  2"),
        ("new.txt", 1, b"new"),
    ]
    assert merge_in_memory(repository, ours=base, theirs=commit) == full
    write_note(repository, commit, "{}")
    assert read_note(repository, commit) == "{}"
    assert git("notes", "--ref=mimo", "show", commit) == "{}"
    assert read_trailers(repository.pygit[commit].message) == {"Mimo-Candidate": "1/3"}
    changed = write_files(repository, tree, {"tests/test_a.py": b"2", "tests/b.py": b"", "a.py": b"3"})
    fixed, paths = restore_paths(repository, changed, base, lambda path: path.startswith("tests/"))
    assert paths == ("tests/b.py", "tests/test_a.py")
    assert repository.read_blob(fixed, "tests/test_a.py") == b"1\n"
    assert repository.read_blob(fixed, "tests/b.py") is None
    assert repository.read_blob(fixed, "a.py") == b"3"
    checkout_tree(repository, fixed, tmp_path / "fresh")
    assert (tmp_path / "fresh" / "a.py").read_bytes() == b"3"
    assert len(list_worktrees(repository)) == 2
    remove_worktree(repository, tree_dir)
    assert len(list_worktrees(repository)) == 1
    assert not tree_dir.exists()
