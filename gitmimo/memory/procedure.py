"""What a runnable skill does, as records; `procedure_file` gives them their JSON form."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gitmimo.memory.skill_runner import fill, glob_pattern


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Where a value stands in the project: in a file, between two texts of which the first stands there once."""

    path: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A named value with bounds: an integer between two numbers, or a text by pattern or choice.

    With a `probe` it is read from the project when it isn't given.
    """

    name: str
    description: str = ""
    type: str = "string"  # or integer
    pattern: str = ""
    choices: tuple[str, ...] = ()
    max_length: int = 80
    minimum: int = 0
    maximum: int = 1_000_000
    default: str | None = None
    probe: Probe | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One place in a file, found by its old text."""

    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcedureStep:
    """One step. Fields that a kind doesn't use stay empty.

    run: `argv`, `cwd`, `timeout_s`. edit: `path`, `changes`. write: `path`, `text`, `new`, `executable`. delete:
    `path`. move: `path`, `to`. replace: `paths`, `changes` (one), `whole_word`.
    """

    kind: str
    path: str = ""
    to: str = ""
    text: str = ""
    changes: tuple[Change, ...] = ()
    argv: tuple[str, ...] = ()
    cwd: str = ""
    timeout_s: float = 120.0
    paths: tuple[str, ...] = ()
    whole_word: bool = False
    new: bool = False
    executable: bool = False

    @property
    def summary(self) -> str:
        """The step in a few words."""
        if self.kind == "run":
            return f"run `{' '.join(self.argv)[:200]}`"
        if self.kind == "replace":
            return f"replace `{self.changes[0].old.strip()[:80]}` in `{', '.join(self.paths)}`"
        return f"{self.kind} `{self.path}`" + (f" to `{self.to}`" if self.to else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Something that must hold. Kinds: exists, absent, contains, lacks, tool, run."""

    kind: str
    path: str = ""
    text: str = ""
    program: str = ""
    argv: tuple[str, ...] = ()
    exit_code: int = 0
    timeout_s: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A past task in its own words, and the parameters that it meant."""

    task: str
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Procedure:
    """A skill's steps with all that bounds them. `paths` are the patterns of what may change."""

    name: str
    description: str
    steps: tuple[ProcedureStep, ...]
    paths: tuple[str, ...]
    parameters: tuple[Parameter, ...] = ()
    preconditions: tuple[Condition, ...] = ()
    postconditions: tuple[Condition, ...] = ()
    examples: tuple[Example, ...] = ()
    network: bool = False
    timeout_s: float = 600.0

    def allows(self, path: str, values: Mapping[str, str]) -> bool:
        """Whether a path may change, under these parameters."""
        from_values = (fill_pattern(pattern, values) for pattern in self.paths)
        return any(re.fullmatch(glob_pattern(pattern), path) for pattern in from_values)


def fill_pattern(pattern: str, values: Mapping[str, str]) -> str:
    """Put parameters into a path pattern; their own wildcards mean nothing."""
    return fill(pattern, {name: re.sub(r"[*?]", "", value) for name, value in values.items()})
