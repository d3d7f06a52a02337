"""Every hostile skill is refused by the command line, with its reason, and none of them is ever run."""

from pathlib import Path

import pytest

from gitmimo.git.repository import Repository
from gitmimo.memory.skill_file import tree_changes
from tests.conftest import GitBuilder
from tests.memory.test_skill_file import built
from tests.project import mimo

NAME = "add-cli-flag"
HOSTILE = {
    "tags": ('name: "tags"', 'name: !!python/name:os.system "tags"', "YAML tag"),
    "bombs": ("metadata:", "a: &a [x,x]\nb: &b [*a,*a]\nmetadata:", "YAML anchor"),
    "twice": ("metadata:", 'name: "twice"\nmetadata:', "duplicate key"),
    "outside": ('name: "outside"', 'name: "../x"', "not its folder's"),
    "dashes": ("Adds a flag", "Adds --- a flag", "`---` inside"),
    "loading": ("# When", "!`touch /tmp/x`\n# When", "executed on loading"),
    "dollar": ("# When", "run with $1\n# When", "substituted"),
}
PLAIN = (
    '---\nname: "{0}"\ndescription: "Adds a flag. Use it for flags."\nmetadata:\n  a: "b"\n---\n\n# When to use it\n'
)


@pytest.fixture
def hostile(git: GitBuilder) -> GitBuilder:
    """A repository with one hostile skill of each kind, a script that is a link, and one byte changed in a good one."""
    files: dict[str, str | bytes | None] = {"a.py": "x = 1\n"}
    for name, (before, after, _) in HOSTILE.items():
        text = PLAIN.format(name)
        assert before in text
        files[f".mimo/skills/{name}/SKILL.md"] = text.replace(before, after, 1)
    good = dict(tree_changes(built()))
    files |= good
    git.commit(files, "skills")
    assert mimo("trust", "--yes", cwd=git.path).code == 0
    script = f".mimo/skills/{NAME}/assets/procedure.json"
    text = str((git.path / script).read_text())
    git.commit({script: text.replace('"timeout_s": 600', '"timeout_s": 601')}, "one byte")
    linked = git.path / ".mimo/skills/linked"
    (linked / "scripts").mkdir(parents=True)
    (linked / "SKILL.md").write_text(PLAIN.format("linked"))
    (linked / "scripts/run.py").symlink_to("/bin/true")
    git.commit({}, "a link")
    return git


def test_each_is_refused_with_the_reason(hostile: GitBuilder) -> None:
    reasons = {name: reason for name, (_, _, reason) in HOSTILE.items()}
    reasons |= {NAME: "differ from what", "linked": "a link in the skill"}
    listed = mimo("skill", "list", "--json", cwd=hostile.path)
    assert listed.code == 0, listed.err
    assert listed.json["skills"] == []
    refused = listed.json["refused"]
    assert {name: reason for name, reason in reasons.items() if reason not in refused.get(name, "")} == {}
    checked = mimo("skill", "validate", cwd=hostile.path)
    assert checked.code == 1
    lines = dict(line.split(": ", 1) for line in checked.out.splitlines())
    assert {name: reason for name, reason in reasons.items() if reason not in lines.get(name, "")} == {}
    for name in (NAME, "loading", "../x"):
        ran = mimo("skill", "run", name, cwd=hostile.path)
        assert ran.code == 128
        assert reasons.get(name, "no such skill") in ran.err
    assert mimo("skill", "new", "../x", "--description", "d", cwd=hostile.path).code == 128
    assert not Path(hostile.path, ".mimo/x").exists()
    assert hostile("branch", "--list", "mimo/*") == ""
    assert Repository.discover(hostile.path).resolve("HEAD") == hostile("rev-parse", "HEAD")
