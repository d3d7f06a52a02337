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
# deeper than Python recurses, and a longer path than the system takes
DEEP = """python3 -c "
import os
for _ in range(1050):
    os.mkdir('deep')
    os.chdir('deep')
open('file', 'w').write('x')
" """
LOUD = "sed -i '1i import os\\nfor _ in range(800): os.write(1, b\"x\" * (1 << 20))' calc.py"


REPLACED = "rm README.md; mkdir README.md; echo x > README.md/inner; mv calc.py old; mkdir calc.py; rmdir calc.py; mv old calc.py"  # noqa: E501


def test_session_goes_on_and_gc_works(project: GitBuilder, session: Session) -> None:
    attacks = {"names": ODD_NAMES, "deep": DEEP, "loud": LOUD, "replaced": REPLACED}
    outcome = session({**{agent: runs(MEND, attack) for agent, attack in attacks.items()}, "honest": runs(MEND)})
    assert outcome.passed("honest"), outcome.failed_gates("honest")
    assert outcome.result["winner"] == 5, "the honest one"
    assert "review: the tests print far more than on base" in outcome["loud"]["evidence"]["flags"]
    assert project("status", "--porcelain") == ""
    name = str(outcome.result["session"])
    for command in (("show", name), ("list",), ("drop", name, "--yes"), ("gc",)):
        said = mimo(*command, cwd=project.path)
        assert said.code in (0, 1, 2, 129), (command, said.err)
        assert "Traceback" not in said.err
        assert "unexpected" not in said.err
    assert json.loads(mimo("list", "--json", cwd=project.path).out) is not None
