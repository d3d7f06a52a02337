"""The text protocol: what is read from a reply, and that nothing of a well-formed block is lost."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitmimo.agent.shell.text_protocol import NO_ACTION, parse_text
from gitmimo.records import Action, ActionKind

K = ActionKind


def kinds(reply: str, **options: object) -> list[tuple[str, ...]]:
    """The actions as short tuples: kind, then the fields that are filled."""
    return [
        tuple(part for part in (a.kind.value, a.path, a.old, a.text) if part)
        for a in parse_text(reply, **options)  # type: ignore[arg-type]
    ]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param("I look.\n```bash\nls -la\n```\n", [("shell", "ls -la")], id="bash"),
        pytest.param("```sh\ncd a\nmake\n```", [("shell", "cd a\nmake")], id="two-lines"),
        pytest.param("~~~bash\nls\n~~~", [("shell", "ls")], id="tildes"),
        pytest.param("```bash\r\nls\r\n```\r\n", [("shell", "ls")], id="crlf"),
        pytest.param("```bash\nls", [("shell", "ls")], id="missing-closing-fence"),
        pytest.param("```bash\n\n```", [], id="empty-command"),
        pytest.param("FILE: a.py\n```python\nx = 1\n```", [("write", "a.py", "x = 1\n")], id="file"),
        pytest.param("FILE: a.py\n\n```\nx = 1\n```", [("write", "a.py", "x = 1\n")], id="blank-line-before-block"),
        pytest.param("**FILE: `src/a b.py`**\n```\nx\n```", [("write", "src/a b.py", "x\n")], id="decorated"),
        pytest.param("FILE: run.sh\n```bash\nls\n```", [("write", "run.sh", "ls\n")], id="a-script-is-a-file"),
        pytest.param("FILE: a/__init__.py\n```\n```", [("write", "a/__init__.py")], id="empty-file"),
        pytest.param("src/a.py:\n```bash\nls\n```", [("shell", "ls")], id="a-path-line-makes-no-file-of-a-command"),
        pytest.param(
            "FILE: a.md\n````\n```python\nx\n```\n````", [("write", "a.md", "```python\nx\n```\n")], id="longer-fence"
        ),
        pytest.param(
            "FILE: a.md\n```markdown\n# T\n```python\nx\n```\nend\n```",
            [("write", "a.md", "# T\n```python\nx\n```\nend\n")],
            id="nested-same-fence",
        ),
        pytest.param(
            "FILE: a.py\n```python\nx\nFILE: b.py\n```python\ny\n```",
            [("write", "a.py", "x\n"), ("write", "b.py", "y\n")],
            id="missing-fence-before-next-file",
        ),
        pytest.param(
            "FILE: a.py\n```python\nx\n```bash\nls\n```",
            [("write", "a.py", "x\n"), ("shell", "ls")],
            id="missing-fence-before-command",
        ),
        pytest.param(
            "FILE: a.py\n```\n<<<<<<< SEARCH\nold\n=======\nnew\n>>>>>>> REPLACE\n```",
            [("edit", "a.py", "old\n", "new\n")],
            id="search-replace",
        ),
        pytest.param(
            "FILE: a.py\n```\n<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE\n\n<<<<<<< SEARCH\nc\n=======\n"
            ">>>>>>> REPLACE\n```",
            [("edit", "a.py", "a\n", "b\n"), ("edit", "a.py", "c\n")],
            id="two-parts-one-deletes",
        ),
        pytest.param(
            "FILE: a.rst\n```\n<<<<<<< SEARCH\nChapter\n=======\nx\n=======\nSection\n=======\ny\n>>>>>>> REPLACE\n```",
            [("edit", "a.rst", "Chapter\n=======\nx\n", "Section\n=======\ny\n")],
            id="headings-underlined-like-the-divider",
        ),
        pytest.param("FINISH: all is\nwell.\n", [("finish", "all is\nwell.")], id="finish"),
        pytest.param("**FINISH:** done", [("finish", "done")], id="finish-in-bold"),
        pytest.param("GIVE UP: tests contradict the task", [("give_up", "tests contradict the task")], id="give-up"),
        pytest.param("GIVE_UP: no", [("give_up", "no")], id="give-up-with-underscore"),
        pytest.param("NOTE: the parser is in lex.py\n\nso", [("note", "the parser is in lex.py")], id="note"),
        pytest.param("PLAN:\n1. a\n2. b\n```bash\nls\n```", [("plan", "1. a\n2. b"), ("shell", "ls")], id="plan"),
        pytest.param("SHOW 12", [("show", "12")], id="show"),
        pytest.param("SHOW 2.1", [("show", "2.1")], id="show-the-first-of-several"),
        pytest.param("SHOW me", [], id="show-nothing"),
        pytest.param("I FINISH: soon", [], id="keyword-inside-a-line"),
        pytest.param("FINISHING touches: none", [], id="longer-word"),
        pytest.param("just words", [], id="nothing"),
        pytest.param("<think>```bash\nrm x\n```</think>\nFINISH: ok", [("finish", "ok")], id="thoughts-do-nothing"),
        pytest.param("", [], id="empty"),
    ],
)
def test_a_reply_becomes_actions(reply: str, expected: list[tuple[str, ...]]) -> None:
    assert kinds(reply) == expected


def test_a_bare_block_belongs_to_the_only_file_in_play() -> None:
    assert kinds("Here:\n```python\nx = 2\n```\n", single_file="a.py") == [("write", "a.py", "x = 2\n")]


def test_of_several_bare_blocks_the_one_that_is_most_of_the_text_is_taken() -> None:
    reply = "Wrong is\n```python\nx\n```\nso\n```python\nx = 2\ny = 3\nz = 4\n```\nFINISH: ok"
    assert kinds(reply, single_file="a.py") == [("write", "a.py", "x = 2\ny = 3\nz = 4\n"), ("finish", "ok")]


def test_bare_blocks_of_like_size_are_ambiguous() -> None:
    assert [a.kind for a in parse_text("```\nabc\n```\n```\nabd\n```", single_file="a.py")] == [K.INVALID]


@pytest.mark.parametrize(
    ("reply", "word"),
    [
        ("```python\nx\n```", "without a path"),
        ("FILE: a.py\nI will change it.", "not followed"),
        ("FILE: a.py\n```diff\n-x\n+y\n```", "diff"),
        ("FILE: a.py\n```\n<<<<<<< SEARCH\nx\n>>>>>>> REPLACE\n```", "seven equals signs"),
        ("FILE: a.py\n```\n<<<<<<< SEARCH\nx\n=======\ny\n=======\n>>>>>>> REPLACE\n```", "several dividing"),
    ],
)
def test_what_cannot_be_read_says_why_without_a_block_to_repeat(reply: str, word: str) -> None:
    (action,) = parse_text(reply)
    assert action.kind is K.INVALID
    assert word in action.text
    assert parse_text(action.text) == ()
    assert parse_text(NO_ACTION) == ()


def test_a_last_block_cut_at_the_output_limit_is_not_carried_out() -> None:
    actions = parse_text("```bash\nls\n```\nFILE: a.py\n```\nx = 1\ndef", cut=True)
    assert [a.kind for a in actions] == [K.SHELL, K.INVALID]
    assert "cut" in actions[1].text


@pytest.mark.parametrize(("reply", "first", "last"), [("SHOW 12 100-200", 100, 200), ("SHOW: step 12 7", 7, 7)])
def test_lines_of_an_output_are_asked_for_by_numbers(reply: str, first: int, last: int) -> None:
    (action,) = parse_text(reply)
    assert (action.kind, action.text, action.first, action.last) == (K.SHOW, "12", first, last)


@pytest.mark.parametrize("info", ["python:src/a.py", "python src/a.py", 'python title="src/a.py"'])
def test_a_path_elsewhere_than_in_a_header_is_sent_back(info: str) -> None:
    (action,) = parse_text(f"```{info}\nx\n```")
    assert (action.kind, "write a line FILE:" in action.text) == (K.INVALID, True)


def test_a_diff_file_may_hold_a_diff() -> None:
    assert kinds("FILE: fix.patch\n```diff\n-x\n```") == [("write", "fix.patch", "-x\n")]


ALPHABET = st.sampled_from(
    ["`", "```", "~~~", "bash", "python", "FILE: ", "a.py", "\n", "\r\n", " ", "\t", "FINISH:", "GIVE UP:", "NOTE: x",
     "PLAN:", "SHOW 3", "<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE", "x = 1", "\u2028", "\x0b", "é", "漢", "#"]
)  # fmt: skip


@given(reply=st.lists(ALPHABET, max_size=40).map("".join) | st.text(), cut=st.booleans(), single=st.booleans())
def test_no_reply_breaks_the_parser(reply: str, cut: bool, single: bool) -> None:
    for action in parse_text(reply, cut=cut, single_file="one.py" if single else None):
        assert isinstance(action, Action)


@given(
    content=st.lists(ALPHABET, max_size=30).map("".join) | st.text(),
    before=st.sampled_from(["", "I think so.\n\n", "```bash\nls\n```\n"]),
    after=st.sampled_from(["", "\nFINISH: done\n", "\n```bash\nls\n```\n"]),
)
def test_a_well_formed_block_keeps_every_character(content: str, before: str, after: str) -> None:
    content = f"{content}\n"
    if any(re.match(r"<{5,9}", line) for line in content.split("\n")):
        return
    longest = max((len(run) for run in re.findall(r"`+", content)), default=0)
    fence = "`" * max(3, longest + 1)
    written = [a for a in parse_text(f"{before}FILE: a.py\n{fence}\n{content}{fence}{after}") if a.kind is K.WRITE]
    assert [(a.path, a.text) for a in written] == [("a.py", content)]
