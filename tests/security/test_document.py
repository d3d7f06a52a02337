"""`docs/security.md` names all sixty cases and only tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
TEXT = (ROOT / "docs/security.md").read_text()


def test_all_sixty_cases_are_there_in_order() -> None:
    assert [int(number) for number in re.findall(r"(?m)^\| (\d+) \|", TEXT)] == list(range(1, 61))


def test_every_test_that_is_named_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", TEXT)
    assert len(named) >= 60
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not (ROOT / path).is_file() or f"def {name}(" not in (ROOT / path).read_text()
    ]
    assert missing == []
