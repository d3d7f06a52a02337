"""What a skill depends on is noted when it is made and checked when it is shown."""

from gitmimo.git.repository import Repository
from gitmimo.memory.prefix import skill_text
from gitmimo.memory.skill_file import make_skill, note_tools
from tests.conftest import GitBuilder


def test_a_path_that_is_gone_and_a_tool_of_another_version_are_said(git: GitBuilder) -> None:
    tip = git.commit({"kept.py": "\n"})
    body = "## Touch\n\n- [ ] `kept.py`\n- [ ] `gone.py`\n"
    skill = make_skill("chore", "Use for a chore.", body, metadata={"git-mimo.tools": "python3=0.1 nonesuch=2.0"})
    shown = skill_text(Repository.discover(git.path), tip, skill)
    assert "Check first: `gone.py` is no longer there" in shown
    assert "it was made with python3 0.1, here is 3." in shown
    assert "kept.py` is no longer" not in shown
    assert "nonesuch" not in shown.partition("Check first")[2], "a name that is no tool of ours is never run"


def test_the_versions_of_the_tools_that_commands_start_are_noted() -> None:
    noted = note_tools(["python3 build.py && nonesuch --all"])
    assert noted["git-mimo.tools"].startswith("python3=3.")
    assert "nonesuch" not in noted["git-mimo.tools"]
    assert note_tools(["echo nothing"]) == {}
