"""Changes of one kind are found by what they touch, and become a draft; others stay alone."""

from gitmimo.git.repository import Repository
from gitmimo.ids import Oid
from gitmimo.memory.changes import Change, find_groups, read_changes
from gitmimo.memory.draft import MAX_LINES, draft_skill
from gitmimo.memory.notes import NoteKind, new_note
from gitmimo.memory.recall import find_skill, prefix_text, skill_text
from gitmimo.memory.skill_file import skill_changes
from tests.conftest import GitBuilder


def match_text(repository: Repository, commit: str, task: str) -> str:
    """The text that a task gets of the skill which fits it; empty where none fits."""
    skill = find_skill(repository, commit, task)
    return skill_text(repository, commit, skill) if skill is not None else ""


def change(number: int, subject: str, **files: str) -> Change:
    """A change whose keyword arguments' values are paths by status letter: `A="x.py y.py"`."""
    pairs = tuple((status[0], path) for status, paths in files.items() for path in paths.split())
    return Change(commit=Oid(f"{number:040x}"), message=subject, files=pairs, session=f"s{number}")


WIDGETS = [
    change(1, "Add the gauge widget", A="ui/widgets/gauge.ts", M="ui/index.ts docs/widgets.md CHANGELOG.md"),
    change(2, "we also want a dial", A="ui/widgets/dial.ts", M="ui/index.ts docs/widgets.md CHANGELOG.md theme.css"),
    change(3, "Implement the slider control", A="ui/widgets/slider.ts", M="ui/index.ts docs/widgets.md CHANGELOG.md"),
]
FIXES = [
    change(4, "dates are off by one", M="core/dates.ts tests/dates.test.ts CHANGELOG.md"),
    change(5, "dates before 1970", M="core/dates.ts tests/dates.test.ts CHANGELOG.md"),
    change(6, "typo", M="README.md"),
    change(7, "retry on 503", M="core/http.ts tests/http.test.ts CHANGELOG.md"),
]


def test_a_kind_is_found_whatever_the_words_and_two_fixes_in_a_file_are_none() -> None:
    groups = find_groups([*reversed(FIXES), *reversed(WIDGETS)])
    assert [[item.commit for item in group.changes] for group in groups] == [[c.commit for c in reversed(WIDGETS)]]
    assert groups[0].shared[0] in ("+ui/widgets/*.ts", "docs/widgets.md", "ui/index.ts")


def test_commands_bind_changes_of_sessions_and_are_in_the_draft() -> None:
    first = change(1, "add users to the api", M="api.yaml schema.sql")
    second = change(2, "orders", M="api.yaml schema.sql CHANGELOG.md")
    commands = {"s1": ("python tools/gen.py", "make lock"), "s2": ("python tools/gen.py",)}
    (group,) = find_groups([second, first, *FIXES], commands)
    notes = [new_note(NoteKind.FACT, "schema.sql is read by the loader"), new_note(NoteKind.FACT, "the moon is far")]
    text = draft_skill(group, notes=notes).files["SKILL.md"].decode()
    assert "- `python tools/gen.py`" in text
    assert "make lock" not in text
    assert "- schema.sql is read by the loader" in text
    assert "moon" not in text


def test_a_draft_is_short_and_names_the_commit_to_follow() -> None:
    many = " ".join(f"src/{n}.py" for n in range(39))
    (group,) = find_groups([change(2, "sweep b", M=many), change(1, "sweep a", M=many), *FIXES])
    skill = draft_skill(group)
    assert len(skill.files["SKILL.md"].decode().splitlines()) <= MAX_LINES
    assert "`git show 0000000000`" in skill.body
    assert draft_skill(group, name="sweep").name == "sweep"


def repository_with_widgets(git: GitBuilder) -> tuple[Repository, str]:
    git.commit({"ui/index.ts": "\n", "docs/widgets.md": "\n", "core/dates.ts": "0\n", "core/http.ts": "0\n"}, "begin")
    for number, name in enumerate(("gauge", "dial", "slider")):
        widget = {f"ui/widgets/{name}.ts": f"export class {name}Widget {{ render() {{}} }}\n"}
        both = {"ui/index.ts": f"// {number}\n", "docs/widgets.md": f"# {number}\nThe {name} widget shows a value.\n"}
        git.commit({**widget, **both}, f"Add the {name} widget")
        git.commit({"core/dates.ts": f"{number}\n"}, f"dates: fix {number}")
        git.commit({"core/http.ts": f"retry({number})\n"}, f"http: retry on 50{number}")
    repository = Repository.discover(git.path)
    (group,) = find_groups(read_changes(repository, "HEAD"))
    return repository, git.commit(dict(skill_changes(draft_skill(group))), "skill")  # type: ignore[arg-type]


def test_the_log_is_read_without_merges_reverts_and_what_they_took_back(git: GitBuilder) -> None:
    git.commit({"a": "1\n"}, "one")
    git.commit({"a": "2\n", "b": "1\n"}, "two")
    git("revert", "--no-edit", "HEAD")
    git("mv", "a", "c")
    git("commit", "-qm", "moved")
    git.commit({".mimo/MEMORY.md": "x\n"}, "memory only")
    found = read_changes(Repository.discover(git.path), "HEAD")
    assert [(item.subject, item.files) for item in found] == [("moved", (("R", "c"),)), ("one", (("A", "a"),))]


def test_the_body_of_the_skill_that_fits_is_in_the_prompt_and_of_no_other_task(git: GitBuilder) -> None:
    repository, head = repository_with_widgets(git)
    assert "- add-" in prefix_text(repository, head)
    for task in ("Add a knob widget", "We need a thermometer to render a value", "please implement the clock widgets"):
        assert "ui/widgets/*.ts" in match_text(repository, head, task), task
    for task in ("dates in leap years are wrong", "http: honour Retry-After on 503", "translate the README to French"):
        assert match_text(repository, head, task) == "", task


def test_what_a_skill_depends_on_is_checked_when_it_is_shown(git: GitBuilder) -> None:
    repository, head = repository_with_widgets(git)
    assert "no longer there" not in match_text(repository, head, "Add a knob widget")
    head = git.commit({"docs/widgets.md": None}, "docs moved away")
    assert "`docs/widgets.md` is no longer there" in match_text(repository, head, "Add a knob widget")


def test_stale_notes_are_named_in_the_prompt(git: GitBuilder) -> None:
    first = git.commit({"a.py": "x = 1\n", "AGENTS.md": "Be brief.\n"})
    git.commit({".mimo/MEMORY.md": f"## Facts\n\n- x is one [{first}; a.py]\n- y is two\n"})
    repository = Repository.discover(git.path)
    text = prefix_text(repository, git.commit({"a.py": "x = 2\n"}))
    assert "Be brief." in text
    assert text.count("y is two") == 1
    assert "## Stale" in text
    assert text.count("x is one") == 2
