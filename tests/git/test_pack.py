from pathlib import Path

import pytest

from gitmimo.errors import RepoError
from gitmimo.git.repository import Repository
from gitmimo.ids import Oid
from gitmimo.workflow.on_ray.worker import read_pack, write_pack
from tests.conftest import GitBuilder


@pytest.fixture
def other(tmp_path: Path) -> Repository:
    return Repository.discover(GitBuilder(tmp_path / "other").path)


def test_a_pack_carries_what_the_reader_lacks_and_only_that(
    git: GitBuilder, repository: Repository, base: Oid, other: Repository
) -> None:
    whole = write_pack(repository, base)
    read_pack(other, whole, is_trusted=True)
    tip = Oid(git.commit({"big.bin": bytes(range(256)) * 4, "new.py": "1\n"}))
    thin = write_pack(repository, tip, have=(base, Oid("1" * 40)))
    assert len(thin) < len(write_pack(repository, tip))
    read_pack(other, thin, is_trusted=False)
    assert other.read_blob(tip, "new.py") == b"1\n"
    assert {e.path for e in other.list_paths(tip)} == {e.path for e in repository.list_paths(tip)}
    assert write_pack(repository, tip, have=(tip,)) == b""


def test_a_pack_that_is_damaged_or_out_of_place_is_refused(
    git: GitBuilder, repository: Repository, base: Oid, other: Repository
) -> None:
    tip = Oid(git.commit({"new.py": "1\n"}))
    thin = write_pack(repository, tip, have=(base,))
    with pytest.raises(RepoError):
        read_pack(other, thin, is_trusted=False)
    read_pack(other, write_pack(repository, tip), is_trusted=True)
    for damaged in (b"", b"PACK", thin[:-30], thin[:-25] + b"x" * 25):
        with pytest.raises(RepoError):
            read_pack(other, damaged, is_trusted=False)
    assert tip in other.pygit
