"""The documents: every link leads somewhere, and README's two commands stay where tools look for them."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_to_a_file_or_a_heading(document: Path) -> None:
    text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        place = document.parent / name if name else document
        assert place.exists(), target
        if anchor and place.suffix == ".md":
            heads = re.findall(r"^#+ (.+)$", place.read_text(encoding="utf-8"), flags=re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
            assert anchor in slugs, target


def test_readme_has_one_command_that_runs_and_one_that_tests() -> None:
    text = (ROOT / "README.md").read_text()
    tested = re.search(r"<!-- test command -->\n```sh\n(.+)\n```", text)
    assert tested
    assert tested[1].endswith("-m pytest -q -n auto")
    assert len(re.findall(r"^python3 -m venv \.venv && .*git-mimo demo", text, flags=re.MULTILINE)) == 1
