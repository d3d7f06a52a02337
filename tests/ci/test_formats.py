"""A report in each form: well-formed, and nobody's text speaks for us."""

import json
import xml.etree.ElementTree as ElementTree

from gitmimo.ci import CiReport, NoteState
from gitmimo.cli.ci import FORMATS
from gitmimo.evidence import DiffFacts, Evidence, FileChange, Gate, Outcome
from gitmimo.ids import Oid

NASTY = "x\n::set-output name=a::b\r%0A<b>|`$(id)`\u202e\x1b[31m @all ]]> &"
EVIDENCE = Evidence(
    tree=Oid("a" * 40),
    tested_tree=Oid("b" * 40),
    base=Oid("c" * 40),
    gates=(
        Gate(name="product", outcome=Outcome.PASS, detail="1 file"),
        Gate(name="suite", outcome=Outcome.FAIL, detail=NASTY),
        Gate(name="new tests", outcome=Outcome.SKIPPED, detail="not run"),
    ),
    diff=DiffFacts(files=(FileChange(path="a b/ö.py", status="M"),)),
    broken_ids=("a b/ö.py::test_x", f"t::{NASTY}"),
    restored_paths=(f"tests/{NASTY}",),
    flags=(NASTY,),
)
REPORT = CiReport(
    commit=Oid("d" * 40),
    base=Oid("c" * 40),
    evidence=EVIDENCE,
    note_state=NoteState.CONTRADICTED,
    differences=(f"the note says {NASTY}",),
)
GOOD = CiReport(commit=Oid("d" * 40), base=Oid("c" * 40), evidence=None, note_state=NoteState.NONE)


def test_no_form_lets_control_or_bidi_characters_through() -> None:
    for name, form in FORMATS.items():
        text = form(REPORT)
        assert "\x1b" not in text, name
        assert "\u202e" not in text, name
        assert form(GOOD), name


def test_github_commands_are_one_line_each_and_only_ours() -> None:
    lines = FORMATS["github"](REPORT).splitlines()
    assert all(line.startswith(("::error ", "::warning ", "::notice ")) for line in lines)
    assert not any(line.startswith("::set-output") for line in lines)
    assert any("file=a b/ö.py" in line for line in lines)


def test_junit_counts_what_it_lists() -> None:
    suite = ElementTree.fromstring(FORMATS["junit"](REPORT).encode()).find("testsuite")
    assert suite is not None
    assert int(suite.get("tests", "0")) == len(suite.findall("testcase"))
    assert int(suite.get("failures", "0")) == len(suite.findall("testcase/failure"))
    assert int(suite.get("skipped", "0")) == 1


def test_markdown_cells_stay_in_their_table() -> None:
    text = FORMATS["markdown"](REPORT)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert all(line.replace("\\|", "").count("|") == 4 for line in rows)
    assert "<b>" not in text
    assert "@all" not in text


def test_json_is_one_versioned_object() -> None:
    text = FORMATS["json"](REPORT)
    assert text.count("\n") == 1
    assert json.loads(text)["schema"] == "git-mimo/ci/1"
