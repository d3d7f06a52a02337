"""A skill as files: SKILL.md by the Agent Skills specification, for some a script, and what it depends on.

A skill's folder is read as a whole and refused as a whole. Covered: the header's form, names that lead elsewhere, text
that clients execute or expand when they load a skill, links, files too many or too large, secrets. Not covered: prompt
injection in prose; such a skill came in by a commit that somebody reviewed.
"""

import contextlib
import hashlib
import math
import re
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from gitmimo.errors import BadMemory, SkillRefused
from gitmimo.git.repository import LINK, TREE, Entry, Repository
from gitmimo.git.run import clean_environment
from gitmimo.redact import find_secrets
from gitmimo.text import hidden_characters

SKILLS_DIR = ".mimo/skills"
SKILL_PATH = "SKILL.md"
MAX_ACTIVE = 30
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\Z")
_MAX_FILES, _MAX_FILE, _MAX_ALL, _MAX_HEADER = 60, 1_000_000, 4_000_000, 32_768
_REFUSED = (yaml.AliasToken, yaml.AnchorToken, yaml.TagToken)
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
_TOOLS = frozenset(re.findall(r"\w+", "python3 python node npm cargo go docker podman make uv ruby java sqlite3"))
_TOOLS_KEY = "git-mimo.tools"
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
        """The SHA-256 that an approval covers: changes with any byte, name or file of the skill."""
        found = hashlib.sha256()
        for path in sorted(self.files):
            found.update(f"{path}\0{len(self.files[path])}\0".encode() + self.files[path])
        return found.hexdigest()

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


def make_skill(
    name: str, description: str, body: str, *, metadata: Mapping[str, str] | None = None, script: str | None = None
) -> Skill:
    """Build a skill's files and read them back; SkillRefused when they break a rule."""
    header = {"name": name, "description": description, "metadata": dict(metadata or {})}
    text = yaml.safe_dump(header, allow_unicode=True, sort_keys=False, width=math.inf)
    files = {SKILL_PATH: "\n".join(["---", f"{text}---", body.strip("\n"), ""]).encode()}
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
    entries = repository.read_tree(root.oid) if root is not None and root.mode == TREE else {}
    skills, problems = [], []
    for name, entry in sorted(entries.items()):
        try:
            skills.append(_read_skill(repository, name, entry))
        except SkillRefused as exc:
            problems.append((name, exc.message))
    return Library(skills=tuple(skills), problems=tuple(problems))


def _read_skill(repository: Repository, name: str, entry: Entry) -> Skill:
    check_name(name)
    files: dict[str, bytes] = {}
    for found in repository.list_paths(entry.oid) if entry.mode == TREE else ():
        if found.mode not in (0o100644, 0o100755):
            raise SkillRefused(f"a {'link' if found.mode == LINK else 'submodule'} in the skill: `{found.path}`")
        if len(files) >= _MAX_FILES:
            raise SkillRefused(f"more than {_MAX_FILES} files in the skill: `{name}`")
        files[found.path] = repository.read_object(found.oid)
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
        header, body = read_document(files[SKILL_PATH])
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


def note_tools(commands: Iterable[str]) -> dict[str, str]:
    """Return the metadata that records the versions of the tools which these commands start."""
    names = sorted({word for command in commands for word in re.findall(r"[\w.-]+", command) if word in _TOOLS})
    found = " ".join(f"{name}={version}" for name in names if (version := _version(name)))
    return {_TOOLS_KEY: found} if found else {}


def unmet_requirements(repository: Repository, commit: str, skill: Skill) -> tuple[str, ...]:
    """Return the skill's dependencies that differ here, one phrase each; nothing when all match."""
    paths = [path for path in _PATH.findall(skill.body) if repository.find_entry(commit, path) is None]
    reasons = [f"`{path}` is no longer there" for path in paths]
    for pair in skill.metadata.get(_TOOLS_KEY, "").split():
        name, _, before = pair.partition("=")
        if name in _TOOLS and (now := _version(name)) != before:
            reasons.append(f"it was made with {name} {before}, here is {now or 'none'}")
    return tuple(reasons)


def _version(tool: str) -> str:
    """The tool's version, two numbers; empty when it isn't there or doesn't say."""
    command = [tool, "version" if tool == "go" else "--version"]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False, env=clean_environment())
        if found := re.search(r"\d+\.\d+", done.stdout + done.stderr):
            return found[0]
    return ""


def read_document(data: bytes) -> tuple[dict[str, Any], str]:
    """Return header and body of a Markdown file, every scalar as the text it is.

    BadMemory for tags, anchors, aliases, a key that comes twice and hidden characters: what YAML readers differ on.
    """
    try:
        text = data.decode().replace("\r\n", "\n")
    except UnicodeDecodeError as exc:
        raise BadMemory("not UTF-8") from exc
    if hidden := hidden_characters(text):
        raise BadMemory(f"hidden characters: {', '.join(hidden[:3])}")
    opening, _, rest = text.partition("\n")
    header, end, body = rest.partition("\n---\n")
    if opening.rstrip() != "---" or not end or len(header) > _MAX_HEADER:
        raise BadMemory(f"no header of at most {_MAX_HEADER} characters between two lines `---`")
    try:
        if any(isinstance(token, _REFUSED) for token in yaml.scan(header)):
            raise BadMemory("the header uses tags, anchors or aliases")
        _refuse_duplicates(yaml.compose(header, Loader=yaml.BaseLoader))
        found = yaml.load(header, Loader=yaml.BaseLoader)  # makes texts, lists and maps only
    except (yaml.YAMLError, RecursionError) as exc:
        raise BadMemory(f"the header is not valid YAML: {' '.join(str(exc).split())[:200]}") from exc
    if not isinstance(found, dict):
        raise BadMemory("the header is not a map")
    return found, body


def _refuse_duplicates(node: yaml.Node | None) -> None:
    if isinstance(node, yaml.MappingNode):
        keys = [key.value for key, _ in node.value]
        if duplicate := next((key for key in keys if keys.count(key) > 1), None):
            raise BadMemory(f"the header names `{duplicate}` twice")
    for child in node.value if isinstance(node, yaml.CollectionNode) else ():
        for part in child if isinstance(child, tuple) else (child,):
            _refuse_duplicates(part)
