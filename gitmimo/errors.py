"""The tree of expected failures; each carries facts, an exit code and a hint that can be pasted.

    MimoError                     128
    ├── UsageError                129   the command line cannot be understood
    ├── ConfigError               128   the configuration cannot be used as written
    ├── RepoError                 128   git could not do it
    │   ├── NoCommits
    │   ├── RefMoved              128   somebody was faster; safe to retry
    │   └── MergeConflict           2   paths
    ├── NeedsPerson                 2   an approval or a decision is missing
    ├── ModelError                128   no usable answer after retries
    │   ├── NoModel, NoKey, WrongKey, NoRoute, UnknownModel, UnknownPrice,
    │   └── ContextOverflow, RateLimited, BadReply
    ├── LimitReached                3   a budget or limit stops the work
    ├── CheckError                128   a check could not run, so nothing is known
    ├── SandboxUnavailable        128
    ├── SecretFound               128   content that must not be committed
    ├── BadMemory                 128   a file of `.mimo/` is not what it must be
    ├── SkillRefused              128   a skill is unsafe, damaged or not approved
    └── JournalError              128   the record of what happened is damaged

A check that fails is not an error but data (`evidence.Gate`).
"""

import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Any


class MimoError(Exception):
    """An expected failure: shown as `fatal: message` with an optional hint, never as a traceback."""

    exit_code = 128

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[Any, ...]:
        """Copied between processes by what it holds, whatever the constructor of its class asks for."""
        return _copy_error, (type(self), self.args, vars(self))


def _copy_error(kind: type[MimoError], args: tuple[Any, ...], facts: Mapping[str, Any]) -> MimoError:
    error = kind.__new__(kind, *args)
    vars(error).update(facts)
    return error


class UsageError(MimoError):
    """The command line cannot be understood."""

    exit_code = 129


class ConfigError(MimoError):
    """The configuration cannot be used as written."""


class RepoError(MimoError):
    """Git could not do what was asked."""


class NoCommits(RepoError):
    """The repository has no commit that a session could start from."""


class RefMoved(RepoError):
    """A compare-and-swap failed; `expected` is what the ref should have held, None for absent."""

    def __init__(self, ref: str, *, expected: str | None, hint: str = "") -> None:
        super().__init__(f"ref has moved meanwhile: `{ref}`", hint=hint)
        self.ref = ref
        self.expected = expected


class MergeConflict(RepoError):
    """A merge needs a person; nothing was changed."""

    exit_code = 2

    def __init__(self, paths: Sequence[str]) -> None:
        listed = ", ".join(f"`{path}`" for path in paths)
        super().__init__(f"conflict in {len(paths)} file{'s' if len(paths) != 1 else ''}: {listed}")
        self.paths = tuple(paths)


class NeedsPerson(MimoError):
    """An approval or a decision is missing; the hint says how to give it."""

    exit_code = 2


class ModelError(MimoError):
    """No usable answer came from a model, after retries."""


class NoModel(ModelError):
    """No model is configured."""


class NoKey(ModelError):
    """The provider needs a key and none was found."""


class WrongKey(ModelError):
    """The provider refused the key."""


class NoRoute(ModelError):
    """The model's server cannot be reached."""


class UnknownModel(ModelError):
    """The provider does not know the model."""


class UnknownPrice(ModelError):
    """The model's price is unknown and no token limit protects the budget."""


class ContextOverflow(ModelError):
    """The prompt does not fit the model's window."""


class RateLimited(ModelError):
    """The provider still refused for load after every retry."""


class BadReply(ModelError):
    """The server answered, but not with a usable reply."""


class LimitReached(MimoError):
    """A budget or limit stops the work; `limit` names which."""

    exit_code = 3

    def __init__(self, message: str, *, limit: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.limit = limit


class CheckError(MimoError):
    """A check could not run, so nothing is known."""


class SandboxUnavailable(MimoError):
    """No sandbox is available and none was waived."""


class SecretFound(MimoError):
    """Content that must not be committed; the message never repeats the secret."""


class BadMemory(MimoError):
    """A file below `.mimo/` is damaged, too large or written in a way that is not accepted."""


class SkillRefused(MimoError):
    """A skill is unsafe, damaged, or not what was approved; the message says which."""


class JournalError(MimoError):
    """The record of what happened is damaged."""


def install_hint(extra: str) -> str:
    """A command that installs the packages of `local` or `ray` beside git-mimo.

    It names the packages, never git-mimo: what a package index holds under that name need not be this program.
    """
    import importlib.util  # takes as long as all else here

    packages = shlex.join(_packages_of(extra))
    if importlib.util.find_spec("pip") is None:
        return f"uv pip install --python {shlex.quote(sys.executable)} {packages}"
    return f"{shlex.quote(sys.executable)} -m pip install {packages}"


def _packages_of(extra: str) -> list[str]:
    """The requirements that only this extra brings."""
    import importlib.metadata

    marked = re.compile(rf"""\bextra\s*==\s*["']{re.escape(extra)}["']""")
    try:
        requirements = importlib.metadata.requires("git-mimo") or []
    except importlib.metadata.PackageNotFoundError:  # a checkout on PYTHONPATH
        return {"local": ["xllamacpp", "huggingface_hub"], "ray": ["ray"]}[extra]
    return [line.partition(";")[0].strip() for line in requirements if marked.search(line)]
