"""`git mimo help|completion`, the hidden `complete`, and the examples below each command's help."""

import importlib.resources
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import click
from click.shell_completion import ShellComplete

from gitmimo.cli import render

FILES = ":files"
# of commands whose usage does not say it all; each is parsed by a test
EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "": (
        "git mimo doctor",
        'git mimo start "parse_date accepts the 30th of February; it should raise ValueError"',
        "git mimo review",
        "git mimo merge",
    ),
    "config set": (
        "git mimo config set --provider local",
        "git mimo config set --provider deepseek --api-key -    # the key from stdin, in no history",
        "git mimo config set candidates 5",
        'git mimo config set test "python -m pytest -q"',
    ),
    "config unset": ("git mimo config unset candidates", "git mimo config unset --provider deepseek"),
    "models pull": (
        "git mimo models pull",
        "git mimo models pull qwen2.5-coder-0.5b",
        "git mimo models pull mine --path ~/models/mine.gguf",
        "git mimo models pull --from-index",
    ),
    "start": (
        'git mimo start "add returns the difference instead of the sum; fix it"',
        "git mimo start @issue.md -n 5 --budget 2",
        "git mimo start 42    # issue 42 of this repository, read by gh",
        "git mimo start -e --with-changes    # write the task in your editor; start from the checkout as it is",
        'git mimo start "drop Python 2" --accept "ruff check ." --merge',
        'git mimo start @issue.md --agent mimo:2 --agent aider --agent "cmd:./my-agent.sh" --fanout all',
        "git mimo start - --model local --model deepseek/deepseek-v4-flash --detach < issue.md",
    ),
    "attach": ("git mimo attach", "git mimo attach 2", "git mimo attach 13ibqe2j1p"),
    "hint": ('git mimo hint "the parser is in shelf/read.py" 2',),
    "diff": ("git mimo diff", "git mimo diff 13ibqe2j1p 2 --stat", "git mimo diff -w src/"),
    "log": ("git mimo log", "git mimo log 2 --full"),
    "review": ("git mimo review", "git mimo review 13ibqe2j1p --html review.html"),
    "merge": ("git mimo merge", "git mimo merge 13ibqe2j1p 2 --into develop"),
    "apply": ("git mimo apply -p", "git mimo apply 13ibqe2j1p 2 src/"),
    "pr": ("git mimo pr --body", "git mimo pr 13ibqe2j1p --into main"),
    "revise": ("git mimo revise --comments gh", "git mimo revise 13ibqe2j1p --comments review.txt"),
    "why": ("git mimo why src/app.py:12", "git mimo why src/app.py:12 --rev v1.0 --json"),
    "gc": ("git mimo gc --dry-run", "git mimo gc --expire 2.weeks"),
    "memory add": (
        'git mimo memory add "dates are stored in UTC, shown in local time"',
        'git mimo memory add "routes are declared in urls.py only" --kind architecture --source app/urls.py',
    ),
    "skill run": ("git mimo skill run bump-version VERSION=1.8.0", "git mimo skill run deploy PORT=8123 --dry-run"),
    "skill retire": ('git mimo skill retire add-a-route --reason "routes are generated now"',),
    "skill new": ("git mimo skill new release --from v1.5.0 --from v1.4.0",),
    "ci": (
        "git mimo ci",
        "git mimo ci --base origin/main --trust-base --format github",
        "git mimo ci --write junit=report.xml --write markdown=report.md",
    ),
    "chat": (
        "git mimo chat",
        "git mimo chat --model deepseek/deepseek-v4-flash --budget 2",
        "printf '%s\\n' 'where is the retry limit set?' /status | git mimo chat",
    ),
    "mcp": (
        "git mimo mcp",
        "git mimo mcp --allow-start",
        "claude mcp add git-mimo -- git mimo mcp    # docs/mcp.md has other tools",
    ),
    "completion": (
        'eval "$(git mimo completion bash)"    # in ~/.bashrc',
        "git mimo completion zsh > ~/.zfunc/_git-mimo    # ~/.zfunc must be in fpath before compinit",
        "git mimo completion fish > ~/.config/fish/conf.d/git-mimo.fish",
    ),
}


def add_examples(command: click.Command, name: str) -> click.Command:
    """Put the examples of a command, and of those below it, under its help."""
    lines = EXAMPLES.get(name, ())
    command.epilog = "\b\n" + "\n".join(["Examples:", *(f"  {line}" for line in lines)]) if lines else None
    for child in command.commands.values() if isinstance(command, click.Group) else ():
        add_examples(child, f"{name} {child.name}".strip())
    return command


def find_completions(root: click.Command, words: Sequence[str], incomplete: str) -> Iterator[tuple[str, str]]:
    """What a word that is being typed may become, with meanings; `FILES` stands for the names of files."""
    for item in ShellComplete(root, {}, "git mimo", "").get_completions(list(words), incomplete):
        meaning = " ".join((item.help or "").partition(". ")[0].split()).rstrip(".")
        yield (FILES, "") if item.type == "file" else (str(item.value), meaning)


@click.command("help")
@click.argument("command", nargs=-1)
@click.option("--install-man", is_flag=True, help="Put the manual page where `man`, and so `git help mimo`, finds it.")
@click.pass_context
def help_command(context: click.Context, command: tuple[str, ...], install_man: bool) -> int:
    """Show the help of COMMAND, as `git mimo COMMAND -h` does. The manual page is `git help mimo`."""
    if install_man:
        return _install_manual_page()
    found = context.find_root()
    for word in command:
        if not isinstance(found.command, click.Group):
            context.fail(f"`{found.command_path}` has no commands of its own")
        _, child, _ = found.command.resolve_command(found, [word])
        if child is not None:
            found = click.Context(child, parent=found, info_name=word)
    render.out(found.get_help())
    return 0


def _install_manual_page() -> int:
    """Copy the page into the user's own manual, which `man` looks through beside ~/.local/bin."""
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    target = Path(data).expanduser() / "man" / "man1" / "git-mimo.1"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(_shared("man/man1/git-mimo.1"), encoding="utf-8")
    render.say(f"wrote {target}")
    render.hint("git help mimo")
    return 0


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> int:
    """Print the completions for a shell: they serve `git mimo`, `git-mimo` and `mimo`.

    They complete commands, options, sessions, candidates, models, skills and settings.
    """
    render.out_raw(_shared(f"completions/git-mimo.{shell}"))
    return 0


def _shared(name: str) -> str:
    return importlib.resources.files("gitmimo").joinpath("share", name).read_text(encoding="utf-8")


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
