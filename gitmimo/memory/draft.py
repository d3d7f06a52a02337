"""Drafts of skills, made from a group of changes without a model: which commit to follow, what to touch and run."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Sequence

from gitmimo.errors import LimitReached, ModelError, SkillRefused
from gitmimo.git.repository import Repository
from gitmimo.ids import Oid
from gitmimo.llm.model import ChatRequest, Model
from gitmimo.memory.changes import Change, Group, find_groups, read_changes
from gitmimo.memory.commands import Operation
from gitmimo.memory.notes import Note
from gitmimo.memory.skill_file import Skill, check_name, make_skill, note_tools, read_library, strip_markup
from gitmimo.records import Message
from gitmimo.text import hidden_characters, words_of

MAX_LINES = 60
_MOST_COMMITS = 5
_MOST_TOUCHED, _MOST_COMMANDS, _MOST_KNOWN = 20, 8, 5
_ASK = """Name a chore that was done several times in a project, so that others find it. Answer with one JSON object and
nothing else: {"name": "two to five lower-case words joined by hyphens", "description": "one sentence that says what
it does, then one that begins with 'Use when' and says for which tasks"}. Do not give any instruction."""
DRAFTED = re.compile(r"-[0-9a-f]{4}\Z")  # the name of a skill that a dream drafted


def draft_skill(
    group: Group, *, notes: Sequence[Note] = (), name: str = "", description: str = "", script: str | None = None,
    task: str = "",
) -> Skill:  # fmt: skip
    """Write a group's skill, at most `MAX_LINES` lines. Name and description, if not given, follow from the changes.

    `task` is the template of the tasks that the script does.
    """
    commands, touched = group.commands[:_MOST_COMMANDS], group.places[:_MOST_TOUCHED]
    newest, *others = [change.commit[:10] for change in group.changes[:_MOST_COMMITS]]
    before = f" ({', '.join(others)} before it)" if others else ""
    follow = f"`git show {newest}` is the newest of {len(group.changes)}; follow it file by file{before}."
    lines = ["## Last time", "", follow, "", "## Touch", ""]
    lines += [_touch_line(feature, group.changes) for feature in touched]
    if commands:
        lines += ["", "## Run", "", *(f"- `{strip_markup(command, limit=160)}`" for command in commands)]
    known = [note for note in notes if _is_about(note, [*touched, *commands])][:_MOST_KNOWN]
    if known:
        lines += ["", "## Know", "", *(f"- {strip_markup(note.text, limit=300)}" for note in known)]
    lines += ["", "## Done when", "", "- the project's tests pass"]
    lines += ["- nothing of the list above is left out without a reason"]
    lines += ["- the commands above exit with 0 and leave no further change"] if commands else []
    body = "\n".join(lines[: MAX_LINES - 12])
    description = description or _description(group)
    about = {
        "git-mimo.commits": " ".join([newest, *others]),
        **note_tools(commands),
        **({"git-mimo.task": task} if task else {}),
    }
    said = "\0".join([description, body, *map("=".join, about.items()), script or ""])
    name = name or f"{_name(group)}-{hashlib.sha256(said.encode()).hexdigest()[:4]}"
    return make_skill(name, description, body, metadata=about, script=script)


def draft_operation(operation: Operation, session: str) -> Skill:
    """Write the skill of an operation: how its script is run, what it needs, how to know that it worked."""
    name = _slug(_plain_words(re.sub(r"\{\w+\}|[\w./-]*/[\w./-]*", " ", operation.task))) or "operation"
    typed = " ".join(f"{key}={value}" for key, value in operation.values.items())
    task = strip_markup(_plain_slots(operation.task), limit=400)
    lines = ["## Run", "", f"- `git mimo skill run {name}{f' {typed}' if typed else ''}`"]
    lines += [f"- it may reach: {', '.join(operation.grants)}"] if operation.grants else []
    lines += ["", "## Last time", "", f"Session {session}: {task}", "", "## Done when", ""]
    lines += [f"- `{strip_markup(_plain_slots(command), limit=200)}` exits with 0" for command in operation.accept]
    metadata = {
        "git-mimo.task": strip_markup(operation.task, limit=1_000),
        "git-mimo.accept": "\n".join(operation.accept),
        **({"git-mimo.grants": " ".join(operation.grants)} if operation.grants else {}),
        **note_tools(operation.script.splitlines()),
    }
    description = strip_markup(f"Runs an operation without a model. Use it to: {task}", limit=600)
    return make_skill(name, description, "\n".join(lines), metadata=metadata, script=operation.script)


def name_group(model: Model, group: Group) -> tuple[str, str]:
    """Return a model's name and description; empty when it fails, is over budget, or answers out of line."""
    asked = "\n".join(f"- {strip_markup(change.subject, limit=200)}" for change in group.changes[:5])
    about = f"What was asked:\n{asked}\n\nWhat it touched:\n" + "\n".join(f"- {item}" for item in group.shared[:20])
    messages = (Message(role="system", content=_ASK), Message(role="user", content=about))
    try:
        reply = model.complete(ChatRequest(messages=messages, temperature=0.0)).text
        answer = json.loads(reply[reply.find("{") : reply.rfind("}") + 1])
        name, description = check_name(str(answer["name"])), strip_markup(str(answer["description"]), limit=500)
    except (ModelError, LimitReached, ValueError, KeyError, TypeError, SkillRefused):
        return "", ""
    is_about_it = len(description) > 20 and set(words_of(description)) & set(words_of(about))
    return (name, description) if is_about_it and not hidden_characters(description) else ("", "")


def find_doubles(repository: Repository, at: Oid) -> tuple[str, ...]:
    """The skills that a merge of two branches left beside another of the same changes: of each kind one stays.

    It stays that has a script, then the one from more changes. What a person named is never one of them.
    """
    skills = [skill for skill in read_library(repository, at).skills if skill.commits]
    skills.sort(key=lambda skill: (skill.script is None, -len(skill.commits), skill.name))
    doubled: set[str] = set()
    for group in find_groups(read_changes(repository, at)):
        of_group = [s for s in skills if any(change.commit.startswith(s.commits) for change in group.changes)]
        doubled.update(skill.name for skill in of_group[1:])
    return tuple(sorted(name for name in doubled if DRAFTED.search(name)))


def _name(group: Group) -> str:
    """Two to four words that the changes' subjects share, else the most significant of what they touch.

    A draft adds four digits of its text: two branches that learn of the same kind don't write the same file.
    """
    counts = Counter(word for change in group.changes for word in dict.fromkeys(_plain_words(change.subject)))
    least = len(group.changes) if len(group.changes) < 3 else len(group.changes) * 2 / 3
    words = [word for word, count in counts.items() if count >= least]
    if len(words) < 2:
        words += [word for path in group.places for word in _plain_words(path.rpartition(".")[0].lstrip("+-"))]
    return _slug(words) or f"chore-{group.changes[0].commit[:8]}"


def _description(group: Group) -> str:
    """The former tasks, so that matching finds the skill by their words."""
    subjects = list(dict.fromkeys(change.subject for change in group.changes))[:3]
    touched = [place.lstrip("+-") for place in group.places[:4]]
    asked = "; ".join(strip_markup(subject, limit=120) for subject in subjects)
    return strip_markup(f"Use for a task like: {asked}. It touches {', '.join(touched)}.", limit=600)


def _touch_line(feature: str, changes: Sequence[Change]) -> str:
    if not feature.startswith(("+", "-")):
        return f"- [ ] `{feature}`"
    status, word = ("A", "new") if feature.startswith("+") else ("D", "remove")
    directory, _, ending = feature[1:].rpartition("/*")
    examples = [
        path.rpartition("/")[2]
        for change in changes
        for found, path in change.files
        if found == status and path.rpartition("/")[0] == directory and path.endswith(ending)
    ]
    return f"- [ ] {word} `{feature[1:]}` ({', '.join(dict.fromkeys(examples[:3]))})"


def _is_about(note: Note, features: Sequence[str]) -> bool:
    names = {feature.lstrip("+-").rpartition("/")[2] for feature in features} | set(note.sources) & set(features)
    scripts = {word.rpartition("/")[2] for feature in features for word in feature.split() if "/" in word}
    return any(name and "*" not in name and name in note.text for name in names | scripts)


def _plain_words(text: str) -> list[str]:
    significant = set(words_of(text))
    words = [word for word in re.findall(r"[a-z]+", text.lower()) if len(word) > 2]
    return [word for word in words if set(words_of(word)) & significant]


def _slug(words: Sequence[str]) -> str:
    return "-".join(list(dict.fromkeys(words))[:4])[:60].strip("-")


def _plain_slots(text: str) -> str:
    """A template as prose: names in place of what a client would substitute."""
    return re.sub(r"\$?\{([A-Z][A-Z0-9_]*)\}", r"\1", text)
