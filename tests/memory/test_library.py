"""The library: what fits a task and what does not, how many may be active, and where other agents find skills."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gitmimo.errors import SkillRefused
from gitmimo.git.repository import Repository
from gitmimo.memory.library import (
    MOST_ACTIVE,
    confirm,
    quarantine,
    read_library,
    record_use,
    remove,
    retire,
    retire_surplus,
)
from gitmimo.memory.links import check_links, link_skills, unlink_skills
from gitmimo.memory.matching import match_task
from gitmimo.memory.outcomes import Label, Outcomes, Standing, label_outcome, with_standing
from gitmimo.memory.procedure import Change, Example, Parameter, Procedure, ProcedureStep
from gitmimo.memory.recall import recall
from gitmimo.memory.skill_file import SKILLS_DIR, Skill, make_skill, tree_changes
from gitmimo.memory.store import ATTRIBUTES
from tests.conftest import GitBuilder
from tests.memory.trajectories import NOW

FLAG = Parameter(name="flag", description="the flag", pattern="[a-z][a-z0-9-]{0,30}", max_length=31)
TASK = "Add a flag `--dry-run` to the export command, with a test"


def skill(
    name: str = "add-flag",
    *,
    task: str = TASK,
    days_ago: int = 0,
    standing: Standing = Standing.VERIFIED,
    helped: int = 0,
) -> Skill:
    values = {"flag": "dry-run"} if "dry-run" in task else {}
    procedure = Procedure(
        name=name,
        description=f"Does: {name}. Use it when asked.",
        parameters=(FLAG,) if values else (),
        steps=(ProcedureStep(kind="edit", path="cli.py", changes=(Change(old="END", new=f"{name}\nEND"),)),),
        paths=("cli.py",),
        examples=(Example(task=task, parameters=values),),
    )
    then = NOW - timedelta(days=days_ago)
    outcomes = with_standing(Outcomes(), standing, now=then)
    for number in range(helped):
        outcomes = label_outcome(outcomes, Label.MERGED, session=f"s{number}", now=then)
    return make_skill(procedure, provenance="x\n", metadata={}, outcomes=outcomes)


@pytest.mark.parametrize(
    ("task", "flag"),
    [
        (TASK, "dry-run"),
        ("Add a flag `--no-color` to the export command, with a test", "no-color"),
        ("add a flag --verbose to the export command with a test.", "verbose"),
        ("Please add the flag 'quiet' to the export command, with a test", "quiet"),
        ("Add flag --x9 to export command with test", "x9"),
    ],
)
def test_a_task_that_reads_the_same_is_matched_with_its_parameters(task: str, flag: str) -> None:
    match = match_task([skill()], task)
    assert match is not None
    assert dict(match.parameters) == {"flag": flag}
    assert "%" in match.reason


@pytest.mark.parametrize(
    "task",
    [
        "Remove the flag `--dry-run` from the import command and its tests",
        "Don't add a flag `--dry-run` to the export command, with a test",
        "Add a flag to the export command, with a test",
        "Add a flag `--Bad Flag;rm` to the export command, with a test",
        "Add a flag `--dry-run` to the export command of app/v2.py, with a test",
        "Write a parser",
        "",
        "Add a flag `--dry-run` to the export command, with a test. " + "And rewrite the parser in Rust. " * 20,
    ],
)
def test_doubt_means_that_no_skill_is_tried(task: str) -> None:
    assert match_task([skill()], task) is None


def test_names_must_be_the_same_where_no_parameter_stands() -> None:
    fixed = skill("mend", task="Mend the rounding of page_count so that the last page is shown again to everybody")
    assert match_task(
        [fixed], "Please mend the rounding of page_count so that the last page is shown again to everybody"
    )
    assert not match_task([fixed], "Mend the rounding of row_count so that the last page is shown again to everybody")


@pytest.mark.parametrize("standing", [Standing.QUARANTINED, Standing.RETIRED, Standing.UNVERIFIED])
def test_only_verified_skills_are_tried(standing: Standing) -> None:
    assert match_task([skill(standing=standing)], TASK) is None


def test_the_more_useful_of_two_equal_skills_is_tried() -> None:
    match = match_task([skill("a"), skill("b", helped=3)], TASK)
    assert match is not None
    assert match.skill.name == "b"


def test_standing_changes_are_written_and_read_back(git: GitBuilder) -> None:
    git.commit(dict(tree_changes(skill())))
    repository = Repository.discover(git.path)

    def now_is(changes: dict[str, bytes | None]) -> Skill:
        git.commit(dict(changes))
        return read_library(repository, "HEAD").get("add-flag")

    found = read_library(repository, "HEAD").get("add-flag")
    assert now_is(record_use(found, Label.PASSED, session="0a", now=NOW)).outcomes.uses == 1
    found = now_is(quarantine(found, "an anchor is gone"))
    assert (found.outcomes.standing, found.outcomes.reason) == (Standing.QUARANTINED, "an anchor is gone")
    found = now_is(confirm(found, now=NOW))
    assert (found.outcomes.standing, found.outcomes.reason) == (Standing.VERIFIED, "")
    assert now_is(retire(found, "not wanted")).outcomes.standing is Standing.RETIRED
    git.commit(dict(remove(found)))
    with pytest.raises(SkillRefused, match="no such skill"):
        read_library(repository, "HEAD").get("add-flag")


def test_branches_that_both_used_a_skill_merge_and_count_every_use_once(git: GitBuilder) -> None:
    shared = skill()
    base = git.commit({**tree_changes(shared), ".mimo/.gitattributes": ATTRIBUTES})
    git.commit(dict(record_use(shared, Label.PASSED, session="0a", now=NOW)))
    git("checkout", "--quiet", "-b", "other", base)
    git.commit(dict(record_use(shared, Label.FAILED, session="0b", now=NOW, reason="step 2 failed")))
    git("merge", "--quiet", "--no-edit", "main")
    found = read_library(Repository.discover(git.path), "HEAD").get("add-flag")
    assert (found.outcomes.uses, found.outcomes.helped, found.outcomes.hurt) == (2, 1, 1)
    assert (found.outcomes.standing, found.outcomes.reason) == (Standing.QUARANTINED, "step 2 failed")
    git("merge", "--quiet", "--no-edit", "main")
    assert read_library(Repository.discover(git.path), "HEAD").get("add-flag").outcomes == found.outcomes


def test_a_hostile_skill_hides_only_itself(git: GitBuilder) -> None:
    git.commit(
        {**tree_changes(skill()), f"{SKILLS_DIR}/evil/SKILL.md": "---\nname: &a evil\n---\n", f"{SKILLS_DIR}/x.md": "x"}
    )
    library = read_library(Repository.discover(git.path), "HEAD")
    assert [s.name for s in library.skills] == ["add-flag"]
    assert library.problems[0][0] == "evil"
    with pytest.raises(SkillRefused, match="YAML anchor"):
        library.get("evil")


def test_skills_are_recalled_beside_facts(git: GitBuilder) -> None:
    git.commit(dict(tree_changes(skill())))
    hits = recall(Repository.discover(git.path), "HEAD", "add-flag")
    assert [(hit.kind, hit.id) for hit in hits] == [("skill", "add-flag")]


def test_at_most_thirty_stay_active_and_the_least_useful_retire() -> None:
    skills = [skill(f"s{n}", helped=n % 7, days_ago=n) for n in range(MOST_ACTIVE + 3)]
    retired = retire_surplus(skills, now=NOW, arriving=1)
    assert len(retired) == 4
    assert all(b"retired" in (data or b"") for data in retired.values())
    gone = {path.split("/")[2] for path in retired}
    assert gone <= {f"s{n}" for n in range(MOST_ACTIVE + 3) if n % 7 == 0}
    assert retire_surplus(skills[:3], now=NOW) == {}


def test_what_nobody_used_for_half_a_year_retires() -> None:
    changes = retire_surplus([skill("old", days_ago=200), skill("fresh", days_ago=20)], now=NOW)
    assert [path.split("/")[2] for path in changes] == ["old"]
    old = skill("old", days_ago=200)
    used = label_outcome(old.outcomes, Label.PASSED, session="s", now=NOW - timedelta(days=3))
    assert retire_surplus([replace(old, outcomes=used)], now=NOW) == {}


@pytest.fixture
def checkout(git: GitBuilder) -> Path:
    git.commit(dict(tree_changes(skill())))
    return git.path


def test_links_are_relative_and_show_the_skill(checkout: Path) -> None:
    assert {link.state for link in link_skills(checkout, ["add-flag"])} == {"linked"}
    for place in (".agents/skills", ".claude/skills"):
        link = checkout / place / "add-flag"
        assert not link.readlink().is_absolute()
        assert (link / "SKILL.md").is_file()
    assert {link.state for link in link_skills(checkout, ["add-flag"])} == {"linked"}
    assert {link.state for link in unlink_skills(checkout, ["add-flag"])} == {"missing"}


def test_copies_follow_the_skill_and_keep_what_somebody_changed(checkout: Path) -> None:
    assert {link.state for link in link_skills(checkout, ["add-flag"], copy=True)} == {"copied"}
    for path, data in tree_changes(skill(helped=5)).items():
        (checkout / path).write_bytes(data or b"")
    assert {link.state for link in check_links(checkout, ["add-flag"])} == {"outdated"}
    assert {link.state for link in link_skills(checkout, ["add-flag"], copy=True)} == {"copied"}
    mine = checkout / ".agents/skills/add-flag/SKILL.md"
    mine.write_text(mine.read_text() + "mine\n")
    assert [link.state for link in link_skills(checkout, ["add-flag"], copy=True)] == ["drifted", "copied"]
    assert mine.read_text().endswith("mine\n")


def test_a_foreign_folder_of_the_same_name_stays(checkout: Path) -> None:
    own = checkout / ".claude/skills/add-flag"
    own.mkdir(parents=True)
    (own / "SKILL.md").write_text("somebody's")
    assert [link.state for link in link_skills(checkout, ["add-flag"])] == ["linked", "foreign"]
    assert (own / "SKILL.md").read_text() == "somebody's"


def test_nothing_is_written_through_a_link_that_leads_out(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (checkout / ".agents").symlink_to(tmp_path / "outside")
    with pytest.raises(SkillRefused, match="leads out"):
        link_skills(checkout, ["add-flag"])
    assert list((tmp_path / "outside").iterdir()) == []


def test_an_unsafe_skill_is_not_offered_to_anybody(checkout: Path) -> None:
    path = checkout / SKILLS_DIR / "add-flag/SKILL.md"
    path.write_text(path.read_text() + "!`id`\n")
    with pytest.raises(SkillRefused, match="executed on loading"):
        link_skills(checkout, ["add-flag"])
