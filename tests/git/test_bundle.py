from pathlib import Path

import pytest

from gitmimo.errors import RepoError
from gitmimo.git.repository import Repository
from gitmimo.ids import Oid
from gitmimo.workflow.on_ray.cluster import read_bundle, write_bundle
from tests.conftest import GitBuilder

MAIN = "refs/heads/main"


@pytest.fixture
def other(tmp_path: Path) -> Repository:
    return Repository.discover(GitBuilder(tmp_path / "other").path)


def test_a_bundle_carries_what_the_reader_lacks_and_only_that(
    git: GitBuilder, repository: Repository, base: Oid, other: Repository
) -> None:
    whole = write_bundle(repository, MAIN)
    read_bundle(other, whole, is_trusted=True)
    tip = Oid(git.commit({"big.bin": bytes(range(256)) * 4, "new.py": "1\n"}))
    thin = write_bundle(repository, MAIN, have=(base, Oid("1" * 40)))
    assert len(thin) < len(write_bundle(repository, MAIN))
    read_bundle(other, thin, is_trusted=False)
    assert other.read_blob(tip, "new.py") == b"1\n"
    assert {e.path for e in other.list_paths(tip)} == {e.path for e in repository.list_paths(tip)}
    assert write_bundle(repository, MAIN, have=(tip,)) == b""


def test_a_bundle_that_is_damaged_or_out_of_place_is_refused(
    git: GitBuilder, repository: Repository, base: Oid, other: Repository
) -> None:
    tip = git.commit({"new.py": "1\n"})
    thin = write_bundle(repository, MAIN, have=(base,))
    with pytest.raises(RepoError, match="builds on a commit that is not here"):
        read_bundle(other, thin, is_trusted=False)
    read_bundle(other, write_bundle(repository, MAIN, have=()), is_trusted=True)
    for damaged in (b"", b"PACK", thin[:-30], thin[:-25] + b"x" * 25):
        with pytest.raises(RepoError):
            read_bundle(other, damaged, is_trusted=False)
    assert Oid(tip) in other.pygit
    with pytest.raises(RepoError, match="no such ref"):
        write_bundle(repository, "refs/heads/none")
