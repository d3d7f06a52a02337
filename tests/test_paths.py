"""What counts as a test by its path."""

import pytest

from gitmimo.paths import has_test_name, is_test_path


@pytest.mark.parametrize(
    "path",
    ["test_a.py", "src/a_test.go", "src/a.spec.tsx", "FooTest.java", "a_spec.rb", "tests/data.json", "conftest.py"],
)
def test_tests_of_several_languages_are_known_by_path(path: str) -> None:
    assert is_test_path(path)


@pytest.mark.parametrize("path", ["latest.py", "contest/a.py", "src/testimony.py", "attest.go", "spec.md"])
def test_product_code_is_no_test(path: str) -> None:
    assert not is_test_path(path)


def test_a_file_among_tests_needs_no_name_of_a_test() -> None:
    assert is_test_path("tests/helpers.py")
    assert not has_test_name("tests/helpers.py")
