"""What `--json` prints holds to the published schemas, command by command, in a repository with one real session."""

import json
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gitmimo.cli.main import run
from tests.conftest import GitBuilder
from tests.made_session import Attempt, make_session, write_journal
from tests.project import PROJECT, RIGHT, writes
from tests.scripted_server import ScriptedServer
from tools.manual.entries import read_entries
from tools.manual.schemas import SHAPES

SCHEMAS = resources.files("gitmimo") / "schemas"


def _schema(name: str) -> Any:
    text = (SCHEMAS / f"{name.removeprefix('git-mimo/').replace('/', '-')}.schema.json").read_text(encoding="utf-8")
    return json.loads(text)


def _strict(schema: Any) -> Any:
    """The same schema without room for fields that it does not name."""
    if isinstance(schema, list):
        return [_strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _strict(part) for name, part in schema.items()}
    return {"additionalProperties": False, **closed} if isinstance(schema.get("properties"), dict) else closed


class Checked:
    """Runs commands and holds what they print against the schema that it names."""

    def __init__(self, project: GitBuilder, capsys: pytest.CaptureFixture[str]) -> None:
        self.project = project
        self.seen: dict[str, set[str]] = {}
        self._capsys = capsys

    def __call__(self, *words: str, code: int = 0) -> Any:
        found = run([*words, "--json"])
        said = self._capsys.readouterr()
        assert found == code, (words, said.out, said.err)
        assert said.out.count("\n") == 1, (words, said.out)
        value = json.loads(said.out)
        jsonschema.Draft202012Validator(_strict(_schema(value["schema"]))).validate(value)
        command = words[0] if words[0] not in ("config", "memory", "models", "skill") else " ".join(words[:2])
        self.seen.setdefault(value["schema"].removeprefix("git-mimo/"), set()).add(command)
        return value


@pytest.fixture
def checked(
    git: GitBuilder,
    llm_server: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Checked:
    monkeypatch.setenv("OPENAI_API_BASE", llm_server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")
    for name, value in (("MAX_TOKENS", "1000000"), ("CRITIC", "none"), ("DREAM", "off"), ("MODEL", "openai/m")):
        monkeypatch.setenv(f"GIT_MIMO_{name}", value)
    git.commit(PROJECT)
    monkeypatch.chdir(git.path)
    return Checked(git, capsys)


def test_each_schema_is_a_schema_and_has_a_command() -> None:
    with_json = {e.name for e in read_entries() if any("--json" in names for names, _ in e.options)}
    named = {command.split(" --")[0] for _, commands, _ in SHAPES.values() for command in commands}
    assert named == with_json
    for name in SHAPES:
        schema = _schema(name)
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["title"] == f"git-mimo/{name}"


def test_every_command_prints_what_its_schema_says(
    checked: Checked, llm_server: ScriptedServer, tmp_path: Path
) -> None:
    git = checked.project
    llm_server.scripts["m"] = [writes({"calc.py": RIGHT}, "use the plus sign")]
    checked("doctor")
    for words in ("list", "status", "cost", "undo --list", "gc", "skill list", "config list"):
        checked(*words.split())
    checked("models", "list")
    checked("config", "get", "candidates")
    session = checked("start", "--task", "add returns the difference instead of the sum; mend calc.py")["session"]
    for words in (("show",), ("review",), ("list",), ("status", session), ("cost", "--by", "model"), ("attach",)):
        checked(*words)
    checked("bisect", code=1)
    checked("ci", f"mimo/{session}/1", "--base", "main", "--sandbox", "none")
    checked("dream", code=0)
    checked("dream", "--undo")
    checked("merge")
    checked("why", "calc.py:6")
    checked("gc", "--dry-run", "--expire", "now")
    assert run(["undo", "--checkout"]) == 0
    assert run(["memory", "add", "sums are plain numbers", "--source", "calc.py"]) == 0
    checked("memory", "list")
    checked("memory", "search", "sums")
    git("init", "--quiet", "--bare", str(tmp_path / "remote.git"))
    git("remote", "add", "origin", str(tmp_path / "remote.git"))
    git("push", "--quiet", "origin", "main")
    checked("pr", "--tool", "none")
    expected = {name: {c.split(" --")[0] for c in commands} for name, (_, commands, _) in SHAPES.items()}
    # these need a cut-off session, comments, a background process or a skill, and are tried where those are made
    elsewhere = {"resume", "revise", "skill run", "skill show"}
    missing = {
        n: left for n, commands in expected.items() if (left := commands - checked.seen.get(n, set()) - elsewhere)
    }
    assert missing == {"detached/1": {"start"}}


@pytest.mark.usefixtures("quick_tests")
def test_skills_and_sessions_in_the_background_hold_to_their_schemas(
    checked: Checked, llm_server: ScriptedServer
) -> None:
    git = checked.project
    write_journal(git, make_session(git, [Attempt(steps=[{"calc.py": RIGHT}])]))
    assert run(["skill", "new", "release", "--from", "HEAD"]) == 0
    git.commit({}, "a skill to read")
    assert checked("skill", "show", "release")["runs"] is False
    assert checked("skill", "list")["skills"][0]["name"] == "release"
    llm_server.scripts["m"] = [writes({"calc.py": RIGHT})]
    session = checked("start", "--task", "add returns the difference; mend calc.py", "--detach")["session"]
    assert checked("attach", session)["status"] == "passed"
