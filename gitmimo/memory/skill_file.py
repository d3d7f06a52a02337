"""A skill as files: SKILL.md by the Agent Skills specification, for some a script, and what it depends on.

A skill's folder is read as a whole and refused as a whole. Covered: the header's form, names that lead elsewhere, text
that clients execute or expand when they load a skill, links, files too many or too large, secrets. Not covered: prompt
injection in prose; such a skill came in by a commit that somebody reviewed.
"""

import hashlib
import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gitmimo.errors import BadMemory, SkillRefused
from gitmimo.git.repository import LINK, TREE, Repository
from gitmimo.git.run import clean_environment
from gitmimo.memory.front_matter import read_document, write_document
from gitmimo.redact import find_secrets

SKILLS_DIR = ".mimo/skills"
SKILL_PATH = "SKILL.md"
MAX_ACTIVE = 30
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\Z")
_MAX_FILES, _MAX_FILE, _MAX_ALL = 60, 1_000_000, 4_000_000
_SHAPE = {
    "type": "object",
    "required": ["name", "description"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string"},
        "description": {"type": "string", "minLength": 1, "maxLength": 1024},
        "license": {"type": "string"},
        "compatibility": {"type": "string", "maxLength": 500},
        "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
        "allowed-tools": {"type": "string"},
    },
}
_HAZARDS = (
    (re.compile(r"!`"), "an exclamation mark before a backtick is executed on loading"),
    (re.compile(r"```!"), "a code block with an exclamation mark is executed on loading"),
    (re.compile(r"\$(?:\{?ARGUMENTS|\d)"), "`$1` and `$ARGUMENTS` are substituted on loading"),
    (re.compile(r"\$\{CLAUDE_[A-Z_]+\}"), "`${CLAUDE_…}` is substituted on loading"),
    (re.compile(r"(?:^|\s)@[\w~-]*[./~][\w./~-]*", re.M), "`@path` pulls in a file on loading"),
)
_PARAMETER = re.compile(r"\$\{([A-Z][A-Z0-9_]*):\?")
LINK_DIRECTORIES = (".agents/skills", ".claude/skills")
_TOOLS = (
    "python3",
    "python",
    "node",
    "npm",
    "cargo",
    "go",
    "docker",
    "podman",
    "make",
    "uv",
    "ruby",
    "java",
    "sqlite3",
)
_KEY = "git-mimo.tools"
_PATH = re.compile(r"^- \[ \] `([^`*]+)`", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Skill:
    """A skill that passed every check. `digest` names its whole content."""

    name: str
    description: str
    body: str
    files: Mapping[str, bytes]
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The content that an approval covers: changes with any byte, name or file of the skill."""
        return skill_digest(self.files)

    @property
    def script(self) -> str | None:
        """The text of `scripts/<name>.sh`, which does the work without a model; None for a skill to read."""
        data = self.files.get(script_path(self.name))
        return None if data is None else data.decode(errors="replace")

    @property
    def parameters(self) -> tuple[str, ...]:
        """The variables that the script can't do without, in the order of their first use."""
        return tuple(dict.fromkeys(_PARAMETER.findall(self.script or "")))

    @property
    def commits(self) -> tuple[str, ...]:
        """The changes it was made from, newest first."""
        return tuple(self.metadata.get("git-mimo.commits", "").split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """All skills of one commit, and those that are refused, each with the reason."""

    skills: tuple[Skill, ...]
    problems: tuple[tuple[str, str], ...] = ()

    def get(self, name: str) -> Skill:
        """Return a skill by name; SkillRefused when it is absent or refused."""
        for skill in self.skills:
            if skill.name == name:
                return skill
        reason = dict(self.problems).get(name)
        if reason:
            raise SkillRefused(reason)
        raise SkillRefused(f"no such skill: `{name}`", hint="git mimo skill list")


def script_path(name: str) -> str:
    """The path of a skill's script in its folder."""
    return f"scripts/{name}.sh"


def skill_digest(files: Mapping[str, bytes]) -> str:
    """Return the SHA-256 of names and contents."""
    found = hashlib.sha256()
    for path in sorted(files):
        found.update(f"{path}\0{len(files[path])}\0".encode() + files[path])
    return found.hexdigest()


def make_skill(
    name: str, description: str, body: str, *, metadata: Mapping[str, str] | None = None, script: str | None = None
) -> Skill:
    """Build a skill's files and read them back; SkillRefused when they break a rule."""
    header: dict[str, str | Mapping[str, str]] = {"name": name, "description": description, "metadata": metadata or {}}
    try:
        files = {SKILL_PATH: write_document(header, body)}
    except BadMemory as exc:
        raise SkillRefused(f"SKILL.md of `{name}`: {exc.message}") from exc
    if script is not None:
        files[script_path(name)] = script.encode()
    return read_skill_files(name, files)


def skill_changes(skill: Skill) -> dict[str, bytes | None]:
    """Return the skill's files by their path in the tree."""
    return {f"{SKILLS_DIR}/{skill.name}/{path}": data for path, data in skill.files.items()}


def removal_of(repository: Repository, commit: str, name: str) -> dict[str, bytes | None]:
    """Return the change that removes a skill, also one that is refused."""
    root = repository.find_entry(commit, f"{SKILLS_DIR}/{check_name(name)}")
    if root is None or root.mode != TREE:
        raise SkillRefused(f"no such skill: `{name}`", hint="git mimo skill list")
    return {f"{SKILLS_DIR}/{name}/{entry.path}": None for entry in repository.list_paths(root.oid)}


def read_library(repository: Repository, commit: str) -> Library:
    """Read every skill of a commit or tree; what is unsafe or damaged is named, not raised."""
    root = repository.find_entry(commit, SKILLS_DIR)
    names = sorted(repository.read_tree(root.oid)) if root is not None and root.mode == TREE else []
    skills, problems = [], []
    for name in names:
        try:
            skills.append(read_skill(repository, commit, name))
        except SkillRefused as exc:
            problems.append((name, exc.message))
    return Library(skills=tuple(skills), problems=tuple(problems))


def read_skill(repository: Repository, commit: str, name: str) -> Skill:
    """Read a skill from a commit or tree. SkillRefused when it is absent, unsafe or damaged."""
    check_name(name)
    root = repository.find_entry(commit, f"{SKILLS_DIR}/{name}")
    if root is None:
        raise SkillRefused(f"no such skill: `{name}`", hint="git mimo skill list")
    files: dict[str, bytes] = {}
    for entry in repository.list_paths(root.oid) if root.mode == TREE else ():
        if entry.mode not in (0o100644, 0o100755):
            raise SkillRefused(f"a {'link' if entry.mode == LINK else 'submodule'} in the skill: `{entry.path}`")
        if len(files) >= _MAX_FILES:
            raise SkillRefused(f"more than {_MAX_FILES} files in the skill: `{name}`")
        files[entry.path] = repository.read_object(entry.oid)
    return read_skill_files(name, files)


def read_skill_files(name: str, files: Mapping[str, bytes]) -> Skill:
    """Check a skill's files as a whole; `name` is its folder's. SkillRefused names what is wrong and where."""
    check_name(name)
    if SKILL_PATH not in files:
        raise SkillRefused(f"no SKILL.md in the skill: `{name}`")
    if any(len(data) > _MAX_FILE for data in files.values()) or sum(map(len, files.values())) > _MAX_ALL:
        raise SkillRefused(f"the skill is too large: `{name}`")
    import jsonschema  # takes 0.2 s to load

    try:
        header, body = read_document(files[SKILL_PATH], max_bytes=200_000)
        jsonschema.validate(header, _SHAPE)
    except BadMemory as exc:
        raise SkillRefused(f"SKILL.md of `{name}`: {exc.message}") from exc
    except jsonschema.ValidationError as exc:
        raise SkillRefused(f"SKILL.md of `{name}`: {exc.json_path}: {exc.message[:200]}") from exc
    if header["name"] != name:
        raise SkillRefused(f"the skill's name is not its folder's: `{header['name'][:80]}`")
    _check_texts(name, header["description"], body)
    _check_secrets(name, files)
    return Skill(
        name=name,
        description=" ".join(header["description"].split()),
        body=body,
        files=dict(files),
        metadata=dict(header.get("metadata", {})),
    )


def check_name(name: str) -> str:
    """SkillRefused unless the name is lower-case words joined by single hyphens, at most 64 characters."""
    if len(name) > 64 or not _NAME.match(name) or name in ("synced", "claude", "anthropic"):
        raise SkillRefused(f"not a skill's name: `{name[:80]}`", hint="use lower-case words and single hyphens")
    return name


def strip_markup(text: str, *, limit: int) -> str:
    """Return the text on one line without anything that clients would execute, expand or take for markup."""
    text = " ".join(text.split())
    text = re.sub(r"[<>]", "", text.replace("!`", "! `"))
    text = re.sub(r"\$(?=\{?ARGUMENTS|\d|\{CLAUDE)", "", text)
    text = re.sub(r"(^|\s)@(?=[\w~-]*[./~])", r"\1", text).replace("---", "-")
    return text if len(text) <= limit else text[: limit - 1].rsplit(" ", 1)[0] + "…"


def _check_texts(name: str, description: str, body: str) -> None:
    if re.search(r"<[A-Za-z/!]", description):
        raise SkillRefused(f"the description of `{name}` contains markup")
    for text in (description, body):
        for pattern, meaning in _HAZARDS:
            found = pattern.search(text)
            if found:
                raise SkillRefused(f"SKILL.md of `{name}`: {meaning}: `{found.group().strip()[:40]}`")


def _check_secrets(name: str, files: Mapping[str, bytes]) -> None:
    for path, data in files.items():
        found = [finding for finding in find_secrets(data) if finding.certain]
        if found:
            raise SkillRefused(f"a secret in the skill `{name}`: {path}, line {found[0].line}, {found[0].rule}")


def link_skills(work_tree: Path, names: Sequence[str]) -> dict[str, str]:
    """Link the checkout's skills of these names; return each link's path with `linked`, or `foreign` for what stays.

    SkillRefused when a link would leave the checkout.
    """
    found = {}
    for name in names:
        skill = work_tree / SKILLS_DIR / name
        for parent in LINK_DIRECTORIES if skill.is_dir() and not skill.is_symlink() else ():
            if not (work_tree / parent).resolve().is_relative_to(work_tree.resolve()):
                raise SkillRefused(f"a link leads out of the checkout: `{parent}`")
            target = work_tree / parent / name
            if not os.path.lexists(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(os.path.relpath(skill, target.parent), target_is_directory=True)
            is_ours = target.is_symlink() and (target.parent / target.readlink()).resolve() == skill.resolve()
            found[f"{parent}/{name}"] = "linked" if is_ours else "foreign"
    return found


def note_tools(commands: Iterable[str]) -> dict[str, str]:
    """Return the metadata that records the versions of the tools which these commands start."""
    names = sorted({word for command in commands for word in re.findall(r"[\w.-]+", command) if word in _TOOLS})
    found = " ".join(f"{name}={version}" for name in names if (version := _version(name)))
    return {_KEY: found} if found else {}


def unmet_requirements(repository: Repository, commit: str, skill: Skill) -> tuple[str, ...]:
    """Return the skill's dependencies that differ here, one phrase each; nothing when all match."""
    reasons = []
    for path in _PATH.findall(skill.body):
        if repository.find_entry(commit, path) is None:
            reasons.append(f"`{path}` is no longer there")
    for pair in skill.metadata.get(_KEY, "").split():
        name, _, before = pair.partition("=")
        now = _version(name) if name in _TOOLS else before
        if now != before:
            reasons.append(f"it was made with {name} {before}, here is {now or 'none'}")
    return tuple(reasons)


def _version(tool: str) -> str:
    """The tool's version, two numbers; empty when it isn't there or doesn't say."""
    argument = "version" if tool == "go" else "--version"
    try:
        done = subprocess.run(
            [tool, argument], capture_output=True, text=True, timeout=5, check=False, env=clean_environment()
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    found = re.search(r"\d+\.\d+", done.stdout + done.stderr)
    return found[0] if found else ""
