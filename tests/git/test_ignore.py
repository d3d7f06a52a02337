import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gitmimo.git.rules import flat_rules

PATHS = (
    "a.o", "b/a.o", "build/x", "b/build/x", "b/c/d.txt", "foo bar", "!x", "#x", "ab", "a-b", "a]b", "aXb", "b/a*b",
    "a\\b",     "doc/a/b/c.md", "doc/c.md", "x/doc/c.md", "é.txt", "B/C", "trailing ", "[a", "a/b/a/b", "b/b/b",
)  # fmt: skip


def ignored_by_git(directory: Path, files: dict[str, str]) -> set[str]:
    """The paths that git leaves out, with these `.gitignore` files in the checkout."""
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(text.encode(errors="surrogateescape"))
    done = subprocess.run(
        ["git", "-C", str(directory), "ls-files", "-z", "-o", "--exclude-per-directory=.gitignore"],
        capture_output=True,
        check=True,
    )
    for name in files:
        (directory / name).unlink()
    return set(PATHS) - set(done.stdout.decode().split("\0"))


def ignored_by_rules(directory: Path, files: dict[str, str]) -> set[str]:
    """The paths that git leaves out by the merged list alone."""
    by_path = {name: text.encode(errors="surrogateescape") for name, text in files.items()}
    rules = directory.with_name("rules")
    rules.write_bytes(flat_rules(user=b"", by_path=by_path))
    done = subprocess.run(
        ["git", "-C", str(directory), "ls-files", "-z", "-o", f"--exclude-from={rules}"],
        capture_output=True,
        check=True,
    )
    return set(PATHS) - set(done.stdout.decode().split("\0"))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("ignore")
    subprocess.run(["git", "init", "--quiet", str(top)], check=True)
    for path in PATHS:
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_text("x")
    return top


PIECES = st.sampled_from(
    ["a", "b", "x", "c", "doc", "build", "*", "**", "?", "/", "/", ".o", ".md", "[ab]", "[!a]", "[a-c]", "[]]", "[^]b]",
     "[[:alpha:]]", "[[:upper:]b]", "[", "\\*", "\\", "-", " ", "!", "#", "é", "\\ ", "\r", "B", "C", "[\\]]",
     "[c-a]", "[a-"]
)  # fmt: skip
RULES = st.lists(st.lists(PIECES, max_size=6).map("".join), max_size=4).map("\n".join)


@pytest.mark.parametrize(
    "rules",
    [
        "*.o\n!a.o",
        "build/",
        "/build",
        "doc/**/c.md",
        "**/doc",
        "doc/**",
        "b/**/x\n!build",
        "*\n!*/\n!*.md",
        "\\!x\n\\#x",
        "foo bar   ",
        "trailing\\ ",
        "[[:alpha:]][!x]",
        "a\\\\b",
        "b/*",
        "\ufeff*.o",
        "# only a comment\n\n   \n",
        "a?b\r",
        "*.[oO]",
        "a[^-]b",
    ],
)
def test_rules_mean_what_git_means(checkout: Path, rules: str) -> None:
    assert ignored_by_rules(checkout, {".gitignore": rules}) == ignored_by_git(checkout, {".gitignore": rules})


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(top=RULES, below=RULES)
@example(top="b/\n!b/a.o", below="!a.o")
@example(top="*", below="!*")
@example(top="/b/**/", below="/*\n!/c")
@example(top="", below="b\n!")
@example(top="", below="a**/*")
@example(top="b/a**\n!b/a?**/x", below="?**/*\n!a[.]**")
@example(top="/", below="b\n!/\n/")
def test_any_rules_mean_what_git_means(checkout: Path, top: str, below: str) -> None:
    files = {".gitignore": top, "b/.gitignore": below, "doc/a/.gitignore": below}
    assert ignored_by_rules(checkout, files) == ignored_by_git(checkout, files)


def test_rules_of_a_directory_with_odd_letters_stay_its_own() -> None:
    assert flat_rules(user=b"*.u", by_path={"a[b]*/.gitignore": b"*.o\n/x\nc/d"}).splitlines() == [
        b"*.u",
        b"/a\\[b]\\*/**/*.o",
        b"/a\\[b]\\*/x",
        b"/a\\[b]\\*/c/d",
    ]
