"""A repository with one commit, seen as git-mimo sees it."""

import dataclasses

import pytest

from gitmimo.git.repository import Repository
from gitmimo.ids import Oid
from tests.conftest import GitBuilder


@pytest.fixture
def base(git: GitBuilder) -> Oid:
    """The first commit of `git`: a module, a test, an ignore rule and a committed memory."""
    return Oid(
        git.commit(
            {
                "a.py": "x = 1\n",
                "tests/test_a.py": "assert 1\n",
                ".gitignore": "*.o\nbuild/\n",
                ".mimo/config.yaml": "test: pytest\n",
            },
            "base",
        )
    )


@pytest.fixture
def repository(git: GitBuilder, base: Oid) -> Repository:
    """The repository of `git`, after its base commit."""
    return Repository.discover(git.path)


@pytest.fixture(params=["libgit2", "binary"])
def either(request: pytest.FixtureRequest, repository: Repository) -> Repository:
    """The same repository by either way of reaching refs and objects."""
    return dataclasses.replace(repository, refs_via_git=request.param == "binary")
