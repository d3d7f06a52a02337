"""What a shell completes: click finds the commands and options, the functions here list what their values may be."""

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import click
from click.shell_completion import CompletionItem, ShellComplete

from gitmimo.cli import render
from gitmimo.errors import MimoError

SHELLS = ("bash", "zsh", "fish")
FILES = ":files"
Listing = Callable[[click.Context], Iterable[str]]
Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def offer(values: Listing) -> Completer:
    """Make click's callback of a function that lists values: those that begin as the word does, none on an error."""

    @functools.wraps(values)
    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        try:
            return [CompletionItem(value) for value in dict.fromkeys(values(context)) if value.startswith(incomplete)]
        except (MimoError, OSError):
            return []

    return complete


def complete_files(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Leave it to the shell."""
    return [CompletionItem(incomplete, type="file")]


@offer
def complete_sessions(context: click.Context) -> Iterable[str]:
    """Ids, newest first."""
    from gitmimo.git.discovery import find_repository
    from gitmimo.workflow.directories import sessions_directory

    return sorted((path.name for path in sessions_directory(find_repository(Path.cwd())).iterdir()), reverse=True)


@offer
def complete_candidates(context: click.Context) -> Iterable[str]:
    """Numbers of the session that was typed before, else of all."""
    return sorted(_git_refs(4, f"refs/mimo/candidates/{context.params.get('session') or '*'}*/*"), key=int)


@offer
def complete_skills(context: click.Context) -> Iterable[str]:
    """Names of the checkout's skills."""
    top = Path(*_git("rev-parse", "--show-toplevel"))
    return sorted(path.name for path in (top / ".mimo" / "skills").iterdir())


@offer
def complete_settings(context: click.Context) -> Iterable[str]:
    """Names of options of the configuration."""
    from gitmimo.config import OPTIONS

    return sorted(option.name for option in OPTIONS.values())


@offer
def complete_providers(context: click.Context) -> Iterable[str]:
    """Names of providers."""
    from gitmimo.llm.providers import PROVIDERS

    return sorted(PROVIDERS)


@offer
def complete_models(context: click.Context) -> Iterable[str]:
    """The models that are set, the embedded ones, and each provider's default."""
    from gitmimo.llm.providers import PROVIDERS

    defaults = sorted({provider.default_model for provider in PROVIDERS.values() if provider.default_model})
    return [*_git("config", "--get-all", "mimo.model"), *(f"local/{name}" for name in _local_models()), *defaults]


@offer
def complete_commands(context: click.Context) -> Iterable[str]:
    """Words after `git mimo`."""
    root = context.find_root()
    return [item.value for item in root.command.shell_complete(root, "")]


complete_branches = offer(lambda context: _git_refs(2, "refs/heads"))
complete_revisions = offer(lambda context: ["HEAD", *_git_refs(2, "refs/heads", "refs/tags", "refs/remotes")])
complete_operations = offer(lambda context: _git_refs(3, "refs/mimo/ops"))
complete_remotes = offer(lambda context: _git("remote"))
complete_local_models = offer(lambda context: _local_models())


def find_completions(root: click.Command, words: Sequence[str], incomplete: str) -> Iterator[tuple[str, str]]:
    """What a word that is being typed may become, with meanings; `FILES` stands for the names of files."""
    for item in ShellComplete(root, {}, "git mimo", "").get_completions(list(words), incomplete):
        meaning = " ".join((item.help or "").partition(". ")[0].split()).rstrip(".")
        yield (FILES, "") if item.type == "file" else (str(item.value), meaning)


def _local_models() -> list[str]:
    from gitmimo.llm.local_models import list_models
    from gitmimo.workflow.directories import data_home

    return [model.name for model in list_models(data_home() / "models")]


def _git_refs(strip: int, *patterns: str) -> list[str]:
    return _git("for-each-ref", f"--format=%(refname:lstrip={strip})", *patterns)


def _git(*args: str) -> list[str]:
    from gitmimo.git.run import run_git

    return run_git(args, cwd=Path.cwd(), check=False).text.splitlines()


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
def completion_command(shell: str) -> int:
    """Print the completions for a shell: they serve `git mimo`, `git-mimo` and `mimo`.

    They complete commands, options, sessions, candidates, models, skills and settings.
    """
    import importlib.resources

    script = importlib.resources.files("gitmimo") / "share" / "completions" / f"git-mimo.{shell}"
    render.out_raw(script.read_text(encoding="utf-8"))
    return 0


@click.command("complete", hidden=True, context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def complete_command(context: click.Context, words: tuple[str, ...]) -> int:
    """Print what the last of WORDS, which follow `git mimo`, may become: a line each, its meaning after a tab.

    `:files` stands for the names of files. The scripts of the shells call this.
    """
    *before, incomplete = words or ("",)
    for value, meaning in find_completions(context.find_root().command, before, incomplete):
        render.out_raw(f"{value}\t{meaning}\n" if value != FILES else f"{FILES}\n")
    return 0
