"""Bundles of commits: written for a receiver that has some of them already, and checked when read."""

import struct
from collections.abc import Sequence

from gitmimo.errors import RepoError
from gitmimo.git.refs import read_ref
from gitmimo.git.repository import Repository
from gitmimo.records import Oid

_SIGNATURE = b"# v2 git bundle\n"
_PACK_HEADER = struct.Struct(">4s2L")
_MOST_LOOSE = 2000  # objects; more of them are kept as one pack


def write_bundle(repository: Repository, ref: str, *, have: Sequence[Oid] = ()) -> bytes:
    """Return what a repository with the commits `have` lacks of the ref's history; empty when it has the ref's commit.

    Of `have`, commits that are unknown here are passed over.
    """
    tip = read_ref(repository, ref)
    if tip is None:
        raise RepoError(f"no such ref: `{ref}`")
    known = [oid for oid in have if oid in repository.pygit]
    if tip in known:
        return b""
    return repository.run("bundle", "create", "--quiet", "-", ref, *(f"^{oid}" for oid in known)).stdout


def read_bundle(repository: Repository, bundle: bytes, *, is_trusted: bool) -> None:
    """Store a bundle's objects; refs are the caller's to move. RepoError when it is damaged or its base isn't here.

    Unless it is trusted, every object and link is checked. A small one is kept as loose objects: a pack for each step
    of each candidate would slow down every later git command.
    """
    header, found, pack = bundle.partition(b"\n\n")
    if not found or not bundle.startswith(_SIGNATURE) or len(pack) < _PACK_HEADER.size:
        raise RepoError("not a bundle")
    for line in header.split(b"\n")[1:]:
        oid = line[1:41].decode("ascii", "replace")
        if line.startswith(b"-") and oid not in repository.pygit:
            raise RepoError(f"the bundle builds on a commit that is not here: `{oid}`")
    strict = [] if is_trusted else ["--strict"]
    count = _PACK_HEADER.unpack_from(pack)[2]
    if count <= _MOST_LOOSE:
        repository.run("unpack-objects", "-q", *strict, input=pack)
    else:
        repository.run("index-pack", "--stdin", "--fix-thin", *strict, input=pack)
