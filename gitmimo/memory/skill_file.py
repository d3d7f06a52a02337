"""A skill as files: SKILL.md by the Agent Skills specification, and what belongs to a runnable one.

A skill's folder is read as a whole and refused as a whole. Covered: tags, anchors, duplicate keys and `---` in the
header, names that lead elsewhere, text that clients execute or expand when they load a skill, links, files too many or
too large, secrets, and a procedure that breaks its rules. Not covered: prose that talks a reader into something.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gitmimo.errors import BadMemory, SkillRefused
from gitmimo.git.objects import LINK
from gitmimo.git.repository import Repository
from gitmimo.memory import skill_runner
from gitmimo.memory.front_matter import Value, read_document, refuse_unknown, text_of, write_document
from gitmimo.memory.outcomes import Outcomes, read_outcomes, write_outcomes
from gitmimo.memory.procedure import Procedure
from gitmimo.memory.procedure_file import read_procedure, write_procedure
from gitmimo.redact import find_secrets

SKILLS_DIR = ".mimo/skills"
SKILL_PATH, PROCEDURE_PATH, RUNNER_PATH = "SKILL.md", "assets/procedure.json", "scripts/run.py"
PROVENANCE_PATH, OUTCOMES_PATH = "references/provenance.md", "assets/outcomes.log"
_FIELDS = ("name", "description", "license", "compatibility", "metadata", "allowed-tools")
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\Z")
_MAX_FILES, _MAX_FILE, _MAX_ALL = 60, 1_000_000, 4_000_000
_HAZARDS = (
    (re.compile(r"!`"), "an exclamation mark before a backtick is executed on loading"),
    (re.compile(r"```!"), "a code block with an exclamation mark is executed on loading"),
    (re.compile(r"\$(?:\{?ARGUMENTS|\d)"), "`$1` and `$ARGUMENTS` are substituted on loading"),
    (re.compile(r"\$\{CLAUDE_[A-Z_]+\}"), "`${CLAUDE_…}` is substituted on loading"),
    (re.compile(r"(?:^|\s)@[\w~-]*[./~][\w./~-]*", re.M), "`@path` pulls in a file on loading"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Skill:
    """A skill that passed every check. `digest` names its content; outcomes are not part of it."""

    name: str
    description: str
    body: str
    files: Mapping[str, bytes]
    metadata: Mapping[str, str] = field(default_factory=dict)
    procedure: Procedure | None = None
    outcomes: Outcomes = field(default_factory=Outcomes)

    @property
    def digest(self) -> str:
        """What an approval is given for: changes with any byte, name or file of the skill except its outcomes."""
        return skill_digest(self.files)

    @property
    def is_runnable(self) -> bool:
        return self.procedure is not None


def skill_digest(files: Mapping[str, bytes]) -> str:
    """Return the SHA-256 of names and contents, without the outcomes."""
    found = hashlib.sha256()
    for path in sorted(files):
        if path != OUTCOMES_PATH:
            found.update(f"{path}\0{len(files[path])}\0".encode() + files[path])
    return found.hexdigest()


def check_approved(skill: Skill, approved: Iterable[str]) -> None:
    """SkillRefused unless exactly this content was approved."""
    if skill.digest not in set(approved):
        raise SkillRefused(
            f"the skill is not approved, or has changed since: `{skill.name}`",
            hint=f"git mimo skill show {skill.name} && git mimo skill verify {skill.name}",
        )


def make_skill(
    procedure: Procedure,
    *,
    provenance: str,
    metadata: Mapping[str, str],
    outcomes: Outcomes,
    pitfalls: tuple[str, ...] = (),
) -> Skill:
    """Build a runnable skill's files and read them back; SkillRefused when they break a rule."""
    document = write_procedure(procedure)
    runner = Path(skill_runner.__file__).read_bytes()
    files = {PROCEDURE_PATH: document, RUNNER_PATH: runner, PROVENANCE_PATH: provenance.encode()}
    header: dict[str, Value] = {
        "name": procedure.name,
        "description": procedure.description,
        "compatibility": "Python 3.11 or later, standard library only",
        "metadata": {
            "git-mimo.schema": "git-mimo/skill/1",
            "git-mimo.entry": RUNNER_PATH,
            "git-mimo.procedure": PROCEDURE_PATH,
            "git-mimo.sha256": hashlib.sha256(document + runner).hexdigest(),
            **metadata,
        },
    }
    files[SKILL_PATH] = write_document(header, _body(procedure, pitfalls))
    files[OUTCOMES_PATH] = write_outcomes(outcomes)
    return read_skill_files(procedure.name, files)


def new_skill(name: str, description: str) -> Skill:
    """Make the beginning of a skill without a procedure, for a person to fill in."""
    check_name(name)
    body = f"# {name}\n\n{harmless(description, limit=600)}\n\n## Steps\n\n1. \n\n## When not\n\n- \n"
    header: dict[str, Value] = {"name": name, "description": description}
    return read_skill_files(name, {SKILL_PATH: write_document(header, body)})


def tree_changes(skill: Skill) -> dict[str, bytes | None]:
    """Return the skill's files by their path in the tree."""
    return {f"{SKILLS_DIR}/{skill.name}/{path}": data for path, data in skill.files.items()}


def read_skill(repository: Repository, commit: str, name: str) -> Skill:
    """Read a skill from a commit or tree. SkillRefused when it is absent, unsafe or damaged."""
    check_name(name)
    root = repository.find_entry(commit, f"{SKILLS_DIR}/{name}")
    if root is None:
        raise SkillRefused(f"no such skill: `{name}`", hint="git mimo skill list")
    files: dict[str, bytes] = {}
    for entry in repository.list_paths(root.oid) if root.mode == 0o040000 else ():
        if entry.mode not in (0o100644, 0o100755):
            raise SkillRefused(f"a {'link' if entry.mode == LINK else 'submodule'} in the skill: `{entry.path}`")
        if len(files) >= _MAX_FILES:
            raise SkillRefused(f"more than {_MAX_FILES} files in the skill: `{name}`")
        files[entry.path] = repository.read_object(entry.oid)
    return read_skill_files(name, files)


def read_skill_directory(directory: Path) -> Skill:
    """Read a skill from a directory on disk, no link followed. SkillRefused as for `read_skill`."""
    if directory.is_symlink() or not directory.is_dir():
        raise SkillRefused(f"not a directory: `{directory}`")
    files: dict[str, bytes] = {}
    for path in sorted(directory.rglob("*")):
        if path.is_symlink():
            raise SkillRefused(f"a link in the skill: `{path.relative_to(directory).as_posix()}`")
        if path.is_file():
            if len(files) >= _MAX_FILES or path.stat().st_size > _MAX_FILE:
                raise SkillRefused(f"too many or too large files in the skill: `{directory.name}`")
            files[path.relative_to(directory).as_posix()] = path.read_bytes()
    return read_skill_files(directory.name, files)


def read_skill_files(name: str, files: Mapping[str, bytes]) -> Skill:
    """Check a skill's files as a whole; `name` is its folder's. SkillRefused names what is wrong and where."""
    check_name(name)
    if SKILL_PATH not in files:
        raise SkillRefused(f"no SKILL.md in the skill: `{name}`")
    if any(len(data) > _MAX_FILE for data in files.values()) or sum(map(len, files.values())) > _MAX_ALL:
        raise SkillRefused(f"the skill is too large: `{name}`")
    try:
        document = read_document(files[SKILL_PATH], max_bytes=200_000)
        refuse_unknown(document, _FIELDS)
        said, description = text_of(document, "name"), text_of(document, "description")
        for key in ("license", "compatibility", "allowed-tools"):
            text_of(document, key, "")
        metadata = document.header.get("metadata", {})
    except BadMemory as exc:
        raise SkillRefused(f"SKILL.md of `{name}`: {exc.message}") from exc
    if said != name:
        raise SkillRefused(f"the skill's name is not its folder's: `{said[:80]}`")
    if not isinstance(metadata, Mapping):
        raise SkillRefused(f"SKILL.md of `{name}`: `metadata` must map texts to texts")
    _check_texts(name, description, document.body)
    _check_secrets(name, files)
    procedure = _read_own_procedure(name, files, metadata)
    outcomes = read_outcomes(files[OUTCOMES_PATH]) if OUTCOMES_PATH in files else Outcomes()
    return Skill(
        name=name,
        description=description,
        body=document.body,
        files=dict(files),
        metadata=dict(metadata),
        procedure=procedure,
        outcomes=outcomes,
    )


def check_name(name: str) -> str:
    """SkillRefused unless the name is lower-case words joined by single hyphens, at most 64 characters."""
    if len(name) > 64 or not _NAME.match(name) or name in ("synced", "claude", "anthropic"):
        raise SkillRefused(f"not a skill's name: `{name[:80]}`", hint="use lower-case words and single hyphens")
    return name


def harmless(text: str, *, limit: int) -> str:
    """Return a text on one line without what clients would execute, expand or take for markup."""
    text = " ".join(text.split())
    text = re.sub(r"[<>]", "", text.replace("!`", "! `").replace("`", "'"))
    text = re.sub(r"\$(?=\{?ARGUMENTS|\d|\{CLAUDE)", "", text)
    text = re.sub(r"(^|\s)@(?=[\w~-]*[./~])", r"\1", text).replace("---", "-")
    return text if len(text) <= limit else text[: limit - 1].rsplit(" ", 1)[0] + "…"


# --- helpers ---------------------------------------------------------------------------------------------------------


def _check_texts(name: str, description: str, body: str) -> None:
    if not description.strip() or len(description) > 1024 or re.search(r"<[A-Za-z/!]", description):
        raise SkillRefused(f"the description of `{name}` is empty, too long or holds markup")
    for text in (description, body):
        for pattern, meaning in _HAZARDS:
            found = pattern.search(text)
            if found:
                raise SkillRefused(f"SKILL.md of `{name}`: {meaning}: `{found.group().strip()[:40]}`")


def _check_secrets(name: str, files: Mapping[str, bytes]) -> None:
    for path, data in files.items():
        found = [finding for finding in find_secrets(data) if finding.certain] if path != RUNNER_PATH else []
        if found:
            raise SkillRefused(f"a secret in the skill `{name}`: {path}, line {found[0].line}, {found[0].rule}")


def _read_own_procedure(name: str, files: Mapping[str, bytes], metadata: Mapping[str, str]) -> Procedure | None:
    if PROCEDURE_PATH not in files:
        return None
    procedure = read_procedure(files[PROCEDURE_PATH])
    if procedure.name != name:
        raise SkillRefused(f"the procedure is another skill's: `{procedure.name}`")
    recorded = metadata.get("git-mimo.sha256", "")
    if hashlib.sha256(files[PROCEDURE_PATH] + files.get(RUNNER_PATH, b"")).hexdigest() != recorded:
        raise SkillRefused(f"procedure or script differ from what SKILL.md records: `{name}`")
    return procedure


def _body(procedure: Procedure, pitfalls: tuple[str, ...]) -> str:
    flags = "".join(f" --{parameter.name.replace('_', '-')} VALUE" for parameter in procedure.parameters)
    lines = [f"# {procedure.name}", "", harmless(procedure.description, limit=600), "", "## Run it", ""]
    lines += [f"    python3 scripts/run.py --root PROJECT{flags}", ""]
    lines += ["`--dry-run` checks everything and changes nothing. The answer is one JSON object on stdout.", ""]
    if procedure.parameters:
        lines += ["## Parameters", ""]
        lines += [f"- `{item.name}`: {harmless(item.description, limit=200)}" for item in procedure.parameters]
        lines += [""]
    lines += ["## What it does", ""]
    lines += [f"{n}. {_step_line(step.summary)}" for n, step in enumerate(procedure.steps[:40], 1)]
    lines += ["", "## When not", ""]
    lines += ["- a precondition is unmet (exit code 3): the project has changed since; do the task by hand"]
    lines += [f"- {harmless(text, limit=200)}" for text in pitfalls[:3]]
    lines += ["", "## When it fails", ""]
    lines += ["Exit codes: 0 done, 2 bad parameters, 3 precondition unmet, 4 step failed, 5 postcondition failed."]
    lines += ["Files that it edited are put back; what programs changed is for `git status` to show."]
    if procedure.examples:
        lines += ["", "## Past tasks", ""]
        lines += [f"- {harmless(example.task, limit=300)}" for example in procedure.examples[:3]]
    return "\n".join(lines)


def _step_line(summary: str) -> str:
    return f"`{harmless(summary.replace('`', ''), limit=160)}`"
