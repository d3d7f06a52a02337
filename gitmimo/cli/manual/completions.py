"""Completions of bash, zsh and fish: one engine in sh with all commands and options, and a thin wrapper for each."""

import importlib.resources
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from gitmimo.cli.manual.entries import Entry, Parameter
from gitmimo.config import OPTIONS
from gitmimo.llm.local_models import read_registry
from gitmimo.llm.providers import PROVIDERS

_HELP = Parameter(names=("-h", "--help"), off_names=(), value="", help="Show the help and end.", kind="flag")


def write_bash(entries: Sequence[Entry]) -> str:
    """For bash: `_git_mimo` is what git's own completion calls, the other two names are completed directly."""
    return f"{_engine(entries)}\n{_read('wrapper.bash')}"


def write_zsh(entries: Sequence[Entry]) -> str:
    """For zsh: an autoloaded function, which git's own completion calls too."""
    head, _, tail = _read("wrapper.zsh").partition("@ENGINE@\n")
    return head + _engine(entries) + tail


def write_fish(entries: Sequence[Entry]) -> str:
    """For fish, which runs the engine in sh."""
    git = '__mimo_git () { git "$@"; }\n'
    script = f'{git}{_engine(entries)}__mimo_complete "$@"\n'
    quoted = script.replace("\\", "\\\\").replace("'", "\\'")
    return _read("wrapper.fish").replace("@ENGINE@", quoted)


def _engine(entries: Sequence[Entry]) -> str:
    words: Mapping[str, Iterable[str]] = {
        "SETTINGS": sorted(option.name for option in OPTIONS.values()),
        "PROVIDERS": sorted(PROVIDERS),
        "LOCAL_MODELS": sorted(read_registry()),
        "MODELS": sorted({provider.default_model for provider in PROVIDERS.values() if provider.default_model}),
    }
    text = _read("engine.sh")
    for name, values in words.items():
        text = text.replace(f"@{name}@", shlex.join(values))
    groups = [entry for entry in entries if entry.children]
    return "\n".join(
        (
            text,
            _switch("__mimo_is_group", [(f"'{entry.name}'", "return 0") for entry in groups], "return 1"),
            _switch("__mimo_words", [(f"'{e.name}'", _print(e.children)) for e in groups]),
            _switch("__mimo_options", [(f"'{e.name}'", _print(_option_rows(e))) for e in entries]),
            _switch("__mimo_kind", [pair for entry in entries for pair in _kinds(entry)], "kind="),
        )
    )


def _option_rows(entry: Entry) -> Iterator[tuple[str, str]]:
    for option in (*entry.options, *(() if any("--help" in o.names for o in entry.options) else (_HELP,))):
        for name in (*option.names, *option.off_names):
            if name.startswith("--"):
                yield name, option.help.partition(". ")[0].rstrip(".")


def _kinds(entry: Entry) -> Iterator[tuple[str, str]]:
    """Cases of `PATH OPTION` and `PATH NUMBER`; what is not said of an option is that it is a flag."""
    yield f"'{entry.name} -h'|'{entry.name} --help'", "kind=flag"
    for option in entry.options:
        names = "|".join(f"'{entry.name} {name}'" for name in (*option.names, *option.off_names))
        yield names, f"kind={_value(option)}"
    for position, argument in enumerate(entry.arguments, 1):
        pattern = f"'{entry.name} '[0-9]*" if argument.is_repeatable else f"'{entry.name} {position}'"
        yield pattern, f"kind={_value(argument)}"


def _value(parameter: Parameter) -> str:
    return shlex.quote("=" + " ".join(parameter.choices)) if parameter.choices else parameter.kind


def _print(rows: Iterable[tuple[str, str]]) -> str:
    lines = [f"\t\t'{word}\t{meaning.replace(chr(39), chr(8217))}' \\" for word, meaning in rows]
    return "\n".join(["printf '%s\\n' \\", *lines]).rstrip(" \\")


def _switch(name: str, cases: Sequence[tuple[str, str]], otherwise: str = ":") -> str:
    lines = [f"{name} () {{", '\tcase "$1" in']
    lines += [f"\t{pattern}) {action} ;;" for pattern, action in cases]
    return "\n".join([*lines, f"\t*) {otherwise} ;;", "\tesac", "}"]) + "\n"


def _read(name: str) -> str:
    return (importlib.resources.files("gitmimo.cli.manual") / name).read_text(encoding="utf-8")


WRITERS: Mapping[str, Callable[[Sequence[Entry]], str]] = {"bash": write_bash, "zsh": write_zsh, "fish": write_fish}
