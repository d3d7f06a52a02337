"""A skill's files: what the specification's own validator takes, what other people write, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gitmimo.errors import SkillRefused
from gitmimo.git.repository import Repository
from gitmimo.memory.skill_file import (
    SKILL_PATH,
    Skill,
    make_skill,
    note_tools,
    read_library,
    read_skill_files,
    script_path,
    skill_changes,
    strip_markup,
    unmet_requirements,
)
from tests.conftest import GitBuilder

SCRIPT = 'set -eu\n: "${NAME:?}"\nprintf "%s\\n" "$NAME ${OTHER:?}" > greeting.txt\n'


def built(name: str = "add-a-greeting", **values: str) -> Skill:
    metadata = {"git-mimo.commits": "0123456789 abcdef0123"}
    about, body = "Adds a greeting. Use it for greetings.", "## Touch\n\n- [ ] `greeting.txt`\n"
    return make_skill(name, about, body, metadata=metadata, script=values.get("script", SCRIPT))


def written(skill: Skill, directory: Path) -> Path:
    for path, data in skill.files.items():
        place = directory / skill.name / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    return directory / skill.name


def test_the_specification_s_own_validator_accepts_it(tmp_path: Path) -> None:
    from skills_ref import validate  # type: ignore[import-untyped,unused-ignore]

    assert validate(written(built(), tmp_path)) == []


def test_a_script_names_its_parameters_and_a_skill_its_changes() -> None:
    skill = built()
    assert skill.parameters == ("NAME", "OTHER")
    assert skill.commits == ("0123456789", "abcdef0123")


@pytest.mark.parametrize(
    "header",
    [
        "name: x\ndescription: >-\n  Folded text\n  in two lines",
        "name: 'x'\ndescription: 'single quotes'  # a comment",
        "name: x\ndescription: C# and F# projects",
        "name: x\ndescription: release (beta)",
        "name: x\ndescription: says [a, b]",
        'name: x\ndescription: "when: it matters"\nlicense: MIT',
        "name: x\ndescription: |\n  Literal\n  text\nallowed-tools: Bash Read",
    ],
)
def test_other_people_s_headers_are_read(header: str) -> None:
    assert read_skill_files("x", {SKILL_PATH: f"---\n{header}\n---\n\nBody.\n".encode()}).description


def as_text(change: Callable[[str], str]) -> Callable[[dict[str, bytes]], None]:
    def damage(files: dict[str, bytes]) -> None:
        files[SKILL_PATH] = change(files[SKILL_PATH].decode()).encode()

    return damage


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (as_text(lambda t: t.replace("name: ", "name: !!str ")), "tags, anchors"),
        (as_text(lambda t: t.replace("metadata:", "a: &a [x]\nb: *a\nmetadata:")), "tags, anchors"),
        (as_text(lambda t: t.replace("metadata:", "name: other\nmetadata:")), "names `name` twice"),
        (as_text(lambda t: t.replace("metadata:", "hooks: x\nmetadata:")), "hooks"),
        (as_text(lambda t: t.replace("add-a-greeting", "../x")), "not its folder's"),
        (as_text(lambda t: t.replace("description: ", "about: ")), "description"),
        (as_text(lambda t: t.replace("## Touch", "!`touch x`\n## Touch")), "executed on loading"),
        (as_text(lambda t: t.replace("## Touch", "run with $1\n## Touch")), "substituted"),
        (as_text(lambda t: t.replace("## Touch", "see @docs/x.md\n## Touch")), "pulls in a file"),
        (as_text(lambda t: t.replace("Adds a", "<b>Adds</b> a")), "markup"),
        (as_text(lambda t: t + "\u202e"), "hidden"),
        (as_text(lambda t: t.removeprefix("---")), "no header"),
        (lambda files: files.pop(SKILL_PATH), "no SKILL.md"),
        (lambda files: files.update({"big": b"x" * 1_000_001}), "too large"),
        (lambda files: files.update({"k": b"sk-ant-api03-" + b"Ab3" * 30}), "secret"),
    ],
)
def test_a_hostile_skill_is_refused_with_the_reason(damage: Callable[[dict[str, bytes]], object], reason: str) -> None:
    files = dict(built().files)
    damage(files)
    with pytest.raises(SkillRefused, match=reason):
        read_skill_files("add-a-greeting", files)


@pytest.mark.parametrize("name", ["", "A", "a--b", "-a", "a-", "a/b", "..", "x" * 65, "claude"])
def test_a_name_that_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(SkillRefused):
        read_skill_files(name, dict(built().files))


def test_one_byte_of_the_script_changed_needs_a_new_approval() -> None:
    assert built().digest != built(script=SCRIPT + "\n").digest


def test_a_link_in_a_skill_is_refused_and_named_beside_the_good_ones(git: GitBuilder) -> None:
    git.commit({"a.py": "x\n", **skill_changes(built())})
    other = written(built("other"), git.path / ".mimo/skills")
    (other / script_path("other")).unlink()
    (other / script_path("other")).symlink_to("/bin/true")
    library = read_library(Repository.discover(git.path), git.commit({}, "a link"))
    assert [skill.name for skill in library.skills] == ["add-a-greeting"]
    assert dict(library.problems)["other"].startswith("a link in the skill")


def test_text_from_tasks_is_made_harmless() -> None:
    text = strip_markup("run !`x` with $ARGUMENTS\nand @a/b <b> --- now", limit=100)
    assert make_skill("x", text, text).description == text


def test_a_path_that_is_gone_and_a_tool_of_another_version_are_said(git: GitBuilder) -> None:
    tip = git.commit({"kept.py": "\n"})
    noted = note_tools(["python3 build.py && nonesuch --all"])["git-mimo.tools"]
    assert noted.startswith("python3=3.")
    body, tools = "## Touch\n\n- [ ] `kept.py`\n- [ ] `gone.py`\n", "python3=0.1 nonesuch=2.0"
    skill = make_skill("chore", "Use for a chore.", body, metadata={"git-mimo.tools": tools})
    unmet = unmet_requirements(Repository.discover(git.path), tip, skill)
    here = noted.partition("=")[2]
    assert unmet == ("`gone.py` is no longer there", f"it was made with python3 0.1, here is {here}")
