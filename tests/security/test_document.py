"""`docs/internal/security.md` names the cases and only tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
TEXT = (ROOT / "docs/internal/security.md").read_text()


def test_the_cases_are_in_order() -> None:
    numbers = [int(number) for number in re.findall(r"(?m)^\| (\d+) \|", TEXT)]
    assert numbers == sorted(set(numbers)), "a case that is gone leaves its number free"


def test_every_test_that_is_named_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", TEXT)
    assert len(named) >= 50
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not (ROOT / path).is_file() or f"def {name}(" not in (ROOT / path).read_text()
    ]
    assert missing == []
