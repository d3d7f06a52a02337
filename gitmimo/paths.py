"""Paths inside a project, by what they are."""

import re

_TEST_DIRECTORIES = frozenset({"tests", "test", "__tests__", "spec", "specs", "e2e", "testing"})
_TEST_FILE = re.compile(
    r"(?:test_[^/]*\.py|[^/]*_test\.py|tests\.py|conftest\.py|[^/]*_test\.go|[^/]*[.-](?:test|spec)\.[cm]?[jt]sx?|"
    r"[^/]*(?:Test|Tests|TestCase|IT|Spec)\.(?:java|kt|scala|groovy)|[^/]*_(?:test|spec)\.(?:rb|exs|rs)|"
    r"test[^/]*\.[cm]?js)\Z"
)


def has_test_name(path: str) -> bool:
    """Whether the file's own name is one that test runners of Python, JavaScript, Go, Java, Ruby or Rust collect."""
    return bool(_TEST_FILE.match(path.rpartition("/")[2]))


def is_test_directory(name: str) -> bool:
    """Whether a directory of this name usually holds tests."""
    return name in _TEST_DIRECTORIES


def is_test_path(path: str) -> bool:
    """Whether a file has a test's name or lies in a directory of tests. By convention alone: see `ProtectedPaths`."""
    *parents, _ = path.split("/")
    return has_test_name(path) or any(is_test_directory(parent) for parent in parents)
