"""Skills as files: valid for every client, carried out by their own script, refused when hostile."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import skills_ref
from skills_ref.validator import validate

from gitmimo.errors import SkillRefused
from gitmimo.git.repository import Repository
from gitmimo.memory.outcomes import (
    Label,
    Outcomes,
    Standing,
    label_outcome,
    read_outcomes,
    with_standing,
    write_outcomes,
)
from gitmimo.memory.procedure import Change, Condition, Example, Parameter, Procedure, ProcedureStep
from gitmimo.memory.procedure_file import read_procedure, to_document, write_procedure
from gitmimo.memory.skill_file import (
    OUTCOMES_PATH,
    PROCEDURE_PATH,
    RUNNER_PATH,
    SKILL_PATH,
    Skill,
    check_approved,
    harmless,
    make_skill,
    read_skill,
    read_skill_directory,
    read_skill_files,
    tree_changes,
)
from tests.conftest import GitBuilder

NOW = datetime(2026, 1, 2, tzinfo=UTC)
CLI = """import argparse

parser = argparse.ArgumentParser()
parser.add_argument('--name')
args = parser.parse_args()
"""
ADDED = "parser.add_argument('--{{mimo:flag}}', dest='{{mimo:flag|snake}}')\n"
PAGE = "# {{mimo:flag|title}} {{mimo:count}}\n"
GENERATE = """import pathlib, sys
p = pathlib.Path('generated')
p.mkdir()
(p / 'out').write_text(sys.argv[1])
"""
PROCEDURE = Procedure(
    name="add-cli-flag",
    description="Adds a flag to the command line: parser, document and changelog. Use it when a new --flag is wanted.",
    parameters=(
        Parameter(name="flag", description="The flag's name", pattern="[a-z][a-z0-9-]{0,30}", max_length=31),
        Parameter(name="count", type="integer", description="How many", minimum=1, maximum=9, default="1"),
    ),
    preconditions=(Condition(kind="exists", path="cli.py"), Condition(kind="tool", program="python3")),
    steps=(
        ProcedureStep(
            kind="edit",
            path="cli.py",
            changes=(
                Change(
                    old="args = parser.parse_args()\n",
                    new=ADDED + "args = parser.parse_args()\n",
                ),
            ),
        ),
        ProcedureStep(kind="write", path="docs/{{mimo:flag}}.md", text=PAGE, new=True),
        ProcedureStep(kind="replace", paths=("*.txt",), changes=(Change(old="none", new="{{mimo:flag|upper}}"),)),
        ProcedureStep(kind="run", argv=("python3", "generate.py", "{{mimo:flag}}"), timeout_s=20),
    ),
    paths=("cli.py", "docs/*.md", "*.txt", "generated/**"),
    postconditions=(
        Condition(kind="contains", path="cli.py", text="--{{mimo:flag}}"),
        Condition(kind="run", argv=("python3", "cli.py", "--{{mimo:flag}}", "x"), timeout_s=20),
    ),
    examples=(Example(task="add a flag called dry-run", parameters={"flag": "dry-run", "count": "1"}),),
)
FILES = {
    "cli.py": CLI,
    "flags.txt": "none\n",
    "generate.py": GENERATE,
}


def built(procedure: Procedure = PROCEDURE) -> Skill:
    return make_skill(
        procedure,
        provenance="Made in session 0abc.\n",
        metadata={"git-mimo.sessions": "0abcdefghi"},
        outcomes=with_standing(Outcomes(), Standing.VERIFIED, now=NOW),
    )


def written(skill: Skill, directory: Path) -> Path:
    for path, data in skill.files.items():
        place = directory / skill.name / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    return directory / skill.name


def run_script(skill: Path, root: Path, *args: str) -> tuple[int, dict[str, object]]:
    done = subprocess.run(
        [sys.executable, "-I", str(skill / RUNNER_PATH), "--root", str(root), *args], capture_output=True, check=False
    )
    return done.returncode, json.loads(done.stdout or b"{}")


@pytest.fixture
def project(git: GitBuilder) -> GitBuilder:
    git.commit(dict(FILES))
    return git


def test_the_specification_s_own_validator_accepts_it(tmp_path: Path) -> None:
    directory = written(built(), tmp_path)
    assert validate(directory) == []
    read = skills_ref.read_properties(directory)
    assert (read.name, read.description) == (PROCEDURE.name, PROCEDURE.description)


def test_awkward_words_survive_every_reader(tmp_path: Path) -> None:
    awkward = replace(PROCEDURE, description='Use when: "x" # y --- z {a: b} [c] & *d %e – ünï')
    directory = written(built(awkward), tmp_path)
    assert validate(directory) == []
    assert skills_ref.read_properties(directory).description == awkward.description
    assert read_skill_directory(directory).description == awkward.description


def test_a_procedure_reads_back_as_it_was_written() -> None:
    assert read_procedure(write_procedure(PROCEDURE)) == PROCEDURE


def test_the_script_does_the_work_alone(project: GitBuilder, tmp_path: Path) -> None:
    code, report = run_script(written(built(), tmp_path), project.path, "--flag", "dry-run", "--allow-dirty")
    assert (code, report["ok"], report["parameters"]) == (0, True, {"flag": "dry-run", "count": "1"})
    assert "dest='dry_run'" in (project.path / "cli.py").read_text()
    assert (project.path / "docs/dry-run.md").read_text() == "# Dry Run 1\n"
    assert (project.path / "flags.txt").read_text() == "DRY_RUN\n"
    assert (project.path / "generated/out").read_text() == "dry-run"
    again, report = run_script(tmp_path / "add-cli-flag", project.path, "--flag", "dry-run", "--allow-dirty")
    assert (again, "already there" in str(report["reason"])) == (3, True)


def test_a_dry_run_changes_nothing(project: GitBuilder, tmp_path: Path) -> None:
    code, report = run_script(written(built(), tmp_path), project.path, "--flag", "x1", "--dry-run")
    assert (code, len(report["steps"])) == (0, 4)  # type: ignore[arg-type]
    assert project("status", "--porcelain") == ""


@pytest.mark.parametrize(
    "args",
    ["", "--flag --help-me", "--flag UPPER", "--flag x;rm", "--flag x --count 10", "--flag x --bad 1"],
)
def test_bad_parameters_end_with_2(project: GitBuilder, tmp_path: Path, args: str) -> None:
    assert run_script(written(built(), tmp_path), project.path, *args.split())[0] == 2


def test_an_unmet_precondition_ends_with_3_before_anything_changes(project: GitBuilder, tmp_path: Path) -> None:
    project.commit({"cli.py": "print('rewritten')\n"})
    code, report = run_script(written(built(), tmp_path), project.path, "--flag", "x1")
    assert (code, "is not there" in str(report["reason"])) == (3, True)
    assert project("status", "--porcelain") == ""


def test_uncommitted_changes_are_left_alone(project: GitBuilder, tmp_path: Path) -> None:
    project.write({"flags.txt": "mine\n"})
    assert run_script(written(built(), tmp_path), project.path, "--flag", "x1")[0] == 3


def test_a_failing_step_ends_with_4_and_own_edits_are_put_back(project: GitBuilder, tmp_path: Path) -> None:
    project.commit({"generate.py": "raise SystemExit('no')\n"})
    code, report = run_script(written(built(), tmp_path), project.path, "--flag", "x1")
    assert (code, "ended with 1: no" in str(report["reason"])) == (4, True)
    assert project("status", "--porcelain") == ""


def test_an_untrue_postcondition_ends_with_5(project: GitBuilder, tmp_path: Path) -> None:
    wrong = replace(PROCEDURE, postconditions=(Condition(kind="contains", path="flags.txt", text="elsewhere"),))
    assert run_script(written(built(wrong), tmp_path), project.path, "--flag", "x1")[0] == 5


def test_a_change_outside_the_allowed_paths_ends_with_5(project: GitBuilder, tmp_path: Path) -> None:
    assert (
        run_script(written(built(replace(PROCEDURE, paths=("cli.py",))), tmp_path), project.path, "--flag", "x1")[0]
        == 5
    )


def test_links_in_the_project_are_not_written_through(project: GitBuilder, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (project.path / "docs").symlink_to(outside)
    code, _ = run_script(written(built(), tmp_path), project.path, "--flag", "x1", "--allow-dirty")
    assert code in (3, 4)
    assert list(outside.iterdir()) == []


def test_help_names_every_parameter(tmp_path: Path) -> None:
    script = written(built(), tmp_path) / RUNNER_PATH
    done = subprocess.run([sys.executable, "-I", str(script), "--help"], capture_output=True, check=True, text=True)
    assert "--flag" in done.stdout
    assert "The flag's name" in done.stdout


def as_text(change: Callable[[str], str], path: str = SKILL_PATH) -> Callable[[dict[str, bytes]], None]:
    def apply(files: dict[str, bytes]) -> None:
        before = files[path].decode()
        files[path] = change(before).encode()
        assert files[path].decode() != before

    return apply


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (as_text(lambda t: t.replace('name: "add', 'name: !!python/name:os.system "add')), "YAML tag"),
        (as_text(lambda t: t.replace('name: "add-cli-flag"', "name: &a add-cli-flag")), "YAML anchor"),
        (as_text(lambda t: t.replace('name: "add-cli-flag"', "name: *a")), "YAML alias"),
        (as_text(lambda t: t.replace("metadata:", "a: &a [x,x]\nb: &b [*a,*a]\nmetadata:")), "YAML anchor"),
        (as_text(lambda t: t.replace("metadata:", 'name: "add-cli-flag"\nmetadata:')), "duplicate key"),
        (as_text(lambda t: t.replace('name: "add-cli-flag"', 'name: "../x"')), "not its folder's"),
        (as_text(lambda t: t.replace("Adds a flag", "Adds --- a flag", 1)), "`---` inside"),
        (as_text(lambda t: t.replace("metadata:", 'hooks: "x"\nmetadata:')), "unknown key"),
        (as_text(lambda t: t.replace("metadata:", 'allowed-tools: "Bash"\nnetwork: "true"\nmetadata:')), "unknown key"),
        (as_text(lambda t: t + "\n!`rm -rf x`\n"), "executed on loading"),
        (as_text(lambda t: t + "\nrun with $1\n"), "substituted"),
        (as_text(lambda t: t + "\nrun with $ARGUMENTS\n"), "substituted"),
        (as_text(lambda t: t + "\nsee @~/.ssh/config\n"), "pulls in"),
        (as_text(lambda t: t + "\nhidden \u202e text\n"), "hidden"),
        (as_text(lambda t: t.replace("Adds a flag", "Adds <script> a flag", 1)), "markup"),
        (as_text(lambda t: t.replace('"timeout_s": 600', '"timeout_s": 601'), PROCEDURE_PATH), "differ from what"),
        (as_text(lambda t: t + "#\n", RUNNER_PATH), "differ from what"),
        (as_text(lambda t: t + "do evil\n", OUTCOMES_PATH), "outcomes is damaged"),
        (lambda files: files.pop(SKILL_PATH), "no SKILL.md"),
        (lambda files: files.pop(RUNNER_PATH), "differ from what"),
        (lambda files: files.update({"notes.md": b"key ghp" + b"_7a" + b"Qw3rT" * 8}), "a secret"),
        (lambda files: files.update({"big": b"x" * 1_100_000}), "too large"),
    ],
)
def test_a_hostile_skill_is_refused_with_the_reason(damage: Callable[[dict[str, bytes]], object], reason: str) -> None:
    files = dict(built().files)
    damage(files)
    with pytest.raises(SkillRefused, match=reason):
        read_skill_files("add-cli-flag", files)


@pytest.mark.parametrize("name", ["../x", "A", "a--b", "-a", "a/b", "", "a" * 65, "claude", "a.b"])
def test_a_name_that_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(SkillRefused, match="not a skill's name"):
        read_skill_files(name, dict(built().files))


def changed(**values: object) -> dict[str, object]:
    return {**to_document(PROCEDURE), **values}


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (changed(steps=[{"kind": "run", "argv": ["bash", "-c", "rm -rf ."]}]), "must not start `bash`"),
        (changed(steps=[{"kind": "run", "argv": ["sudo", "ls"]}]), "must not start `sudo`"),
        (changed(steps=[{"kind": "run", "argv": ["python3", "-c", "1"]}]), "hand code"),
        (changed(steps=[{"kind": "run", "argv": ["{{mimo:flag}}"]}]), "choose the program"),
        (changed(steps=[{"kind": "run", "argv": ["git", "push"]}]), "remote"),
        (changed(steps=[{"kind": "run", "argv": "rm -rf ."}]), "breaks its schema"),
        (changed(steps=[{"kind": "write", "path": "../x", "text": ""}]), "leads outside"),
        (changed(steps=[{"kind": "write", "path": "/etc/x", "text": ""}]), "leads outside"),
        (changed(steps=[{"kind": "write", "path": ".git/hooks/x", "text": ""}]), "leads outside"),
        (changed(steps=[{"kind": "write", "path": "{{mimo:other}}", "text": ""}]), "without a parameter"),
        (changed(steps=[{"kind": "write", "path": "x", "text": "{{mimo:flag|rot13}}"}]), "unknown spelling"),
        (changed(steps=[]), "breaks its schema"),
        (changed(shell=True), "breaks its schema"),
        (changed(schema="git-mimo/procedure/2"), "breaks its schema"),
    ],
)
def test_a_procedure_that_breaks_a_rule_is_refused(document: dict[str, object], reason: str) -> None:
    with pytest.raises(SkillRefused, match=reason):
        read_procedure(json.dumps(document).encode())


@pytest.mark.parametrize("pattern", ["", "(a+)+", ".*", "[-a-z]+", "["])
def test_a_parameter_without_safe_bounds_is_refused(pattern: str) -> None:
    parameters = (Parameter(name="flag", pattern=pattern), PROCEDURE.parameters[1])
    with pytest.raises(SkillRefused, match="schema|option|for ever|not usable"):
        write_procedure(replace(PROCEDURE, parameters=parameters))


def test_duplicate_keys_and_bottomless_json_are_refused() -> None:
    text = write_procedure(PROCEDURE).decode()
    for bad in (text.replace('"name":', '"name": "x", "name":'), "[" * 100_000, "not json"):
        with pytest.raises(SkillRefused, match="not usable JSON"):
            read_procedure(bad.encode())


def test_one_byte_changed_after_approval_is_noticed(git: GitBuilder) -> None:
    skill = built()
    git.commit(dict(tree_changes(skill)))
    repository = Repository.discover(git.path)
    approved = [read_skill(repository, "HEAD", skill.name).digest]
    check_approved(read_skill(repository, "HEAD", skill.name), approved)
    used = write_outcomes(label_outcome(skill.outcomes, Label.PASSED, session="0abc", now=NOW))
    git.commit({f".mimo/skills/{skill.name}/{OUTCOMES_PATH}": used})
    check_approved(read_skill(repository, "HEAD", skill.name), approved)
    text = skill.files["references/provenance.md"]
    git.commit({f".mimo/skills/{skill.name}/references/provenance.md": text.replace(b"0abc", b"0abd")})
    with pytest.raises(SkillRefused, match="changed since"):
        check_approved(read_skill(repository, "HEAD", skill.name), approved)


def test_a_script_swapped_by_a_link_is_refused(git: GitBuilder, tmp_path: Path) -> None:
    skill = built()
    git.commit(dict(tree_changes(skill)))
    script = git.path / ".mimo/skills" / skill.name / RUNNER_PATH
    script.unlink()
    script.symlink_to("/bin/true")
    git.commit({})
    with pytest.raises(SkillRefused, match="a link in the skill"):
        read_skill(Repository.discover(git.path), "HEAD", skill.name)
    with pytest.raises(SkillRefused, match="a link in the skill"):
        read_skill_directory(script.parent.parent)


def test_foreign_skills_without_procedure_are_read() -> None:
    skill = read_skill_files(
        "notes", {SKILL_PATH: b"---\nname: notes\ndescription: Plain words, unquoted\n---\n# Notes\n"}
    )
    assert (skill.is_runnable, skill.outcomes.standing) == (False, Standing.UNVERIFIED)


def test_uses_and_judgements_are_counted_once_and_steer_the_standing() -> None:
    fresh = with_standing(Outcomes(), Standing.VERIFIED, now=NOW)
    used = label_outcome(fresh, Label.PASSED, session="a1", now=NOW)
    assert used == label_outcome(used, Label.PASSED, session="a1", now=NOW)
    assert (used.uses, used.helped, used.standing) == (1, 1, Standing.VERIFIED)
    assert label_outcome(used, Label.FAILED, session="a2", now=NOW).standing is Standing.QUARANTINED
    unmet = label_outcome(used, Label.UNMET, session="a2", now=NOW)
    assert (unmet.uses, unmet.hurt, unmet.standing) == (2, 0, Standing.VERIFIED)
    disliked = fresh
    for number in range(2):
        disliked = label_outcome(disliked, Label.REJECTED, session=f"b{number}", now=NOW)
    assert disliked.standing is Standing.QUARANTINED
    assert read_outcomes(write_outcomes(disliked)) == disliked


def test_text_from_tasks_is_made_harmless() -> None:
    text = harmless("run $1 and !`x`, see @~/secrets --- <b>`y`</b>\n$ARGUMENTS", limit=200)
    skill = read_skill_files("n", {SKILL_PATH: f'---\nname: n\ndescription: "ok"\n---\n{text}\n'.encode()})
    assert "secrets" in skill.body
