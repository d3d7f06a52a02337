import os
import subprocess
import time
from pathlib import Path

import pygit2
import pytest

from gitmimo.errors import NoCommits, RepoError
from gitmimo.git.commit import write_commit
from gitmimo.git.refs import read_ref, update_ref
from gitmimo.git.repository import FILE, Entry, Repository, format_tree, parse_tree
from gitmimo.git.trees import checkout_tree, write_files
from gitmimo.ids import Oid
from tests.conftest import GitBuilder


def test_a_directory_without_repository_is_named(tmp_path: Path) -> None:
    with pytest.raises(RepoError, match="not a git repository") as caught:
        Repository.discover(tmp_path)
    assert caught.value.hint == "git init"


def test_a_bare_repository_serves_reading_but_has_no_checkout(git: GitBuilder, base: Oid, tmp_path: Path) -> None:
    git("clone", "--quiet", "--bare", ".", str(tmp_path / "bare.git"))
    repository = Repository.discover(tmp_path / "bare.git")
    assert repository.is_bare
    assert repository.has_bare_main
    assert repository.resolve("main") == base
    assert repository.list_paths(base)[0].path == ".gitignore"
    with pytest.raises(RepoError, match="no checkout"):
        repository.require_work_tree()


def test_inside_the_git_directory_there_is_no_checkout(git: GitBuilder, base: Oid) -> None:
    repository = Repository.discover(git.path / ".git")
    assert not repository.has_bare_main
    with pytest.raises(RepoError, match="not inside a checkout"):
        repository.require_work_tree()


def test_an_unborn_head_is_no_commit(git: GitBuilder) -> None:
    repository = Repository.discover(git.path)
    assert repository.head_branch() == "main"
    with pytest.raises(NoCommits) as caught:
        repository.resolve("HEAD")
    assert caught.value.hint.startswith("git add --all && git commit")


def test_a_detached_head_has_no_branch(git: GitBuilder, base: Oid) -> None:
    git("switch", "--quiet", "--detach")
    repository = Repository.discover(git.path)
    assert repository.head_branch() is None
    assert repository.resolve("HEAD") == base


def test_revisions_are_resolved_to_commits(git: GitBuilder, repository: Repository, base: Oid) -> None:
    git("tag", "-a", "v1", "-m", "one")
    later = git.commit({"b": "1"})
    assert repository.resolve("v1") == base
    assert repository.resolve("main~1") == base
    assert repository.resolve(git("rev-parse", "v1")) == base
    assert repository.resolve(later) == later
    assert repository.tree_of("v1") == git("rev-parse", f"{base}^{{tree}}")
    assert repository.tree_of(repository.tree_of(base)) == repository.tree_of(base)


@pytest.mark.parametrize("rev", ["nothing", "0" * 40, "HEAD:a.py", "--all", "-h", ""])
def test_what_is_no_commit_is_refused(repository: Repository, rev: str) -> None:
    with pytest.raises(RepoError):
        repository.resolve(rev)
    with pytest.raises(RepoError):
        repository.tree_of(rev)


def test_a_shallow_clone_works(git: GitBuilder, base: Oid, tmp_path: Path) -> None:
    git.commit({"a.py": "x = 2\n"})
    git("clone", "--quiet", "--depth=1", f"file://{git.path}", str(tmp_path / "shallow"))
    repository = Repository.discover(tmp_path / "shallow")
    assert repository.is_shallow
    head = repository.resolve("HEAD")
    made = write_commit(repository, tree=repository.tree_of(head), parents=[head], message="on top")
    assert repository.resolve(made) == made
    with pytest.raises(RepoError) as caught:
        repository.resolve("HEAD~1")
    assert caught.value.hint == "git fetch --unshallow"


@pytest.mark.parametrize("name", ["with space", "grüße – 日本", "quote'\"s", "new\nline", "-dash"])
def test_any_path_of_a_repository_works(tmp_path: Path, name: str) -> None:
    git = GitBuilder(tmp_path / name)
    base = Oid(git.commit({"a": "1"}))
    repository = Repository.discover(git.path)
    assert repository.work_tree == git.path
    assert repository.common_dir == git.path / ".git"
    assert repository.read_blob(base, "a") == b"1"


def test_a_subdirectory_a_linked_worktree_and_a_submodule_find_their_own(
    git: GitBuilder, base: Oid, tmp_path: Path
) -> None:
    assert Repository.discover(git.path / "tests").work_tree == git.path
    git("worktree", "add", "--quiet", "-b", "side", str(tmp_path / "side"))
    side = Repository.discover(tmp_path / "side")
    assert side.work_tree == tmp_path / "side"
    assert side.common_dir == git.path / ".git"
    assert side.head_branch() == "side"
    assert side.state_dir == git.path / ".git/mimo"
    outer = GitBuilder(tmp_path / "outer")
    outer("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(git.path), "sub")
    outer.commit({"x": "1"})
    inner = Repository.discover(tmp_path / "outer/sub")
    assert inner.work_tree == tmp_path / "outer/sub"
    assert inner.resolve("HEAD") == base
    found = Repository.discover(outer.path)
    assert found.find_entry("HEAD", "sub") == Entry("sub", 0o160000, base)
    assert found.read_blob("HEAD", "sub") is None


def test_git_dir_and_work_tree_of_the_environment_are_honoured_once(git: GitBuilder, base: Oid, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    environ = {"GIT_DIR": str(git.path / ".git"), "GIT_WORK_TREE": str(tmp_path / "files")}
    repository = Repository.discover(tmp_path / "files", environ=environ)
    assert repository.common_dir == git.path / ".git"
    assert repository.work_tree == tmp_path / "files"
    assert repository.resolve("HEAD") == base


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to give files away")
def test_unsafe_ownership_is_told_in_gits_words(git: GitBuilder, base: Oid) -> None:
    os.chown(git.path, 65534, 65534)
    os.chown(git.path / ".git", 65534, 65534)
    with pytest.raises(RepoError, match="dubious ownership") as caught:
        Repository.discover(git.path)
    assert "safe.directory" in caught.value.message


def test_a_damaged_configuration_is_told_in_gits_words(git: GitBuilder, base: Oid) -> None:
    (git.path / ".git/config").write_text("[core\n")
    with pytest.raises(RepoError, match="bad config line 1"):
        Repository.discover(git.path)


def test_sha256_is_refused_with_a_remedy(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", "--object-format=sha256", str(tmp_path / "r")], check=True)
    with pytest.raises(RepoError, match="sha256") as caught:
        Repository.discover(tmp_path / "r")
    assert "sha1" in caught.value.hint


def test_a_partial_clone_works_and_fetches_what_it_lacks(git: GitBuilder, base: Oid, tmp_path: Path) -> None:
    git.commit({"a.py": "x = 2\n"})
    git("config", "uploadpack.allowFilter", "true")
    git("clone", "--quiet", "--filter=blob:none", "--no-checkout", f"file://{git.path}", str(tmp_path / "partial"))
    repository = Repository.discover(tmp_path / "partial")
    assert repository.refs_via_git == (not _libgit2_opens(tmp_path / "partial"))
    assert repository.read_blob(base, "a.py") == b"x = 1\n"
    tree = write_files(repository, repository.tree_of("HEAD"), {"new": b"1"})
    made = write_commit(repository, tree=tree, parents=[repository.resolve("HEAD")], message="x")
    update_ref(repository, "refs/heads/other", made, expected=None, reason="test")
    update_ref(repository, "refs/heads/other", base, expected=made, reason="test")
    assert read_ref(repository, "refs/heads/other") == base
    checkout_tree(repository, tree, tmp_path / "out")
    assert (tmp_path / "out/a.py").read_bytes() == b"x = 2\n"


def _libgit2_opens(path: Path) -> bool:
    try:
        pygit2.Repository(str(path))
    except pygit2.GitError:
        return False
    return True


def test_without_a_name_the_remedy_is_named(git: GitBuilder, base: Oid, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NAME", "EMAIL"):
        monkeypatch.delenv(f"GIT_AUTHOR_{name}")
        monkeypatch.delenv(f"GIT_COMMITTER_{name}")
    git("config", "user.useConfigOnly", "true")
    repository = Repository.discover(git.path)
    with pytest.raises(RepoError, match="does not know who you are") as caught:
        write_commit(repository, tree=repository.tree_of(base), parents=[base], message="x")
    assert 'git config --global user.name "Your Name"' in caught.value.hint
    update_ref(repository, "refs/mimo/base/x", base, expected=None, reason="test")  # needs no name
    update_ref(repository, "refs/mimo/base/x", base, expected=base, reason="test")


def test_commits_are_the_users_with_the_time_of_now(
    git: GitBuilder, base: Oid, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(os.environ):
        if name.startswith(("GIT_AUTHOR", "GIT_COMMITTER")):
            monkeypatch.delenv(name)
    git("config", "user.name", "Ünal Ø'Neil")
    git("config", "user.email", "u@example.org")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")  # as by `git -c user.email=… mimo`
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "user.email")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "other@example.org")
    repository = Repository.discover(git.path)
    made = write_commit(repository, tree=repository.tree_of(base), parents=[base], message="x")
    assert git("log", "-1", "--format=%an <%ae> %cn", made) == "Ünal Ø'Neil <other@example.org> Ünal Ø'Neil"
    assert abs(int(git("log", "-1", "--format=%ct", made)) - time.time()) < 60


def test_odd_names_survive_reading_and_writing(git: GitBuilder, repository: Repository, base: Oid) -> None:
    names = ["\x1b[31mred", "new\nline", "-dash", 'quo"te', "\udcff\udcfe", "dir \udcff/ü"]
    tree = write_files(repository, repository.tree_of(base), {name: name.encode(errors="replace") for name in names})
    assert {entry.path for entry in repository.list_paths(tree)} > set(names)
    assert repository.read_blob(tree, "dir \udcff/ü") == b"dir ?/\xc3\xbc"
    git("fsck", "--strict")
    listed = git("ls-tree", "-r", "-z", "--name-only", tree).split("\0")
    assert [entry.path for entry in repository.list_paths(tree)] == [name for name in listed if name]


def test_tree_objects_round_trip(git: GitBuilder, repository: Repository, base: Oid) -> None:
    git.commit({"a": "1", "a.b/c": "1", "a-b": "1", "a0": "1"})
    kind, data = repository.pygit.read(repository.tree_of("HEAD"))
    assert format_tree(reversed(parse_tree(data).values())) == data
    assert parse_tree(data)["a"].mode == FILE
