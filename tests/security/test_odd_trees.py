"""Worktrees that a program may trip over: the candidate that made them may lose, the session goes on."""

import json

import pytest

from tests.conftest import GitBuilder
from tests.project import mimo
from tests.security.conftest import MEND, Session, runs

pytestmark = pytest.mark.usefixtures("quick_tests")

ODD_NAMES = """python3 -c "
import os
open(b'caf\\xe9.txt', 'w').write('x')
open('n' * 255, 'w').write('x')
open('line\\nbreak', 'w').write('x')
" """


@pytest.mark.parametrize(
    "attack",
    [
        ODD_NAMES,
        "rm README.md; mkdir README.md; echo x > README.md/inner; mv calc.py old; mkdir calc.py; rmdir calc.py; mv old calc.py",  # noqa: E501
    ],
    ids=["odd names", "file becomes directory"],
)  # fmt: skip
def test_session_goes_on_and_gc_works(project: GitBuilder, session: Session, attack: str) -> None:
    outcome = session({"a": runs(MEND, attack), "b": runs(MEND)})
    assert outcome.passed("b"), outcome.failed_gates("b")
    assert outcome.result["winner"] is not None
    assert project("status", "--porcelain") == ""
    name = str(outcome.result["session"])
    for command in (("show", name), ("list",), ("drop", name, "--yes"), ("gc",)):
        said = mimo(*command, cwd=project.path)
        assert said.code in (0, 1, 2, 129), (command, said.err)
        assert "Traceback" not in said.err
        assert "unexpected" not in said.err
    assert json.loads(mimo("list", "--json", cwd=project.path).out) is not None
