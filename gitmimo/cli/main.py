"""The entry point: subcommands loaded when named, errors and signals turned into exit codes."""

import errno
import importlib
import io
import signal
import sys
from typing import Any

import click
from click.shell_completion import CompletionItem

from gitmimo import __version__
from gitmimo.cli import render
from gitmimo.cli.help import add_examples
from gitmimo.errors import MimoError, NeedsPerson

_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)
_INTERRUPTED = 130
_PLACE_ERRORS = (errno.ENOENT, errno.EACCES, errno.EISDIR, errno.ENOTDIR, errno.EPERM)

# section of the help -> name -> (module, one line of help). The help is here so that `git mimo -h` loads no command.
SECTIONS: dict[str, dict[str, tuple[str, str]]] = {
    "Set up": {
        "demo": ("demo", "make a small repository with a bug and solve it"),
        "doctor": ("doctor", "check this machine and repository"),
        "init": ("init", "prepare a repository: `.mimo/` and its merge rules"),
        "config": ("config", "read and write settings, keys included"),
        "models": ("models", "list, fetch and find models"),
        "trust": ("init", "approve the commands that a repository brings"),
    },
    "Solve a task": {
        "start": ("start", "solve a task with several candidates"),
        "chat": ("chat", "talk: tasks become sessions, questions are answered"),
        "status": ("sessions", "show the state of sessions"),
        "list": ("sessions", "list the sessions of this repository"),
        "show": ("sessions", "show one session: candidates, evidence, verdict"),
        "attach": ("sessions", "follow a session that runs in the background"),
        "stop": ("sessions", "stop a running session; its work is kept"),
        "hint": ("sessions", "tell candidates something while they work"),
        "resume": ("start", "go on with a session that was cut off"),
    },
    "Review and merge": {
        "review": ("review", "read a session as a reviewer would"),
        "diff": ("review", "show what a session or candidate changed"),
        "log": ("review", "read how a candidate worked, step by step"),
        "merge": ("merge", "merge a result into its branch, re-tested if the branch moved"),
        "apply": ("merge", "take a result's changes into the files of the checkout"),
        "undo": ("merge", "take back what the last command moved"),
        "pr": ("merge", "push a result with its evidence and open a draft pull request"),
        "revise": ("merge", "work review comments in, from the result branch on"),
        "reject": ("merge", "record that a result is not wanted, and why"),
    },
    "Learn": {
        "dream": ("skill", "turn sessions and changes into notes and skills"),
        "memory": ("memory", "notes that later sessions should know"),
        "skill": ("skill", "how this project did a chore before"),
    },
    "Look back": {
        "why": ("blame", "say where a line came from: session, step, model, evidence"),
        "bisect": ("blame", "find the step that broke a test"),
        "cost": ("gc", "say what was spent, by session, model and day"),
        "serve": ("serve", "show all sessions in a browser on this machine"),
        "drop": ("gc", "forget a session, its branches and its steps"),
        "gc": ("gc", "remove what dead and old sessions left"),
    },
    "Connect": {
        "ci": ("ci", "test a branch again and compare the result with its note"),
        "mcp": ("serve", "serve memory, skills and sessions to other tools over MCP"),
        "completion": ("help", "print the completions of bash, zsh or fish"),
        "help": ("help", "show the help of a command"),
    },
}
_HIDDEN = {  # what only scripts call
    "hook": ("init", "answer a git hook; `git mimo init --hooks` installs them"),
    "complete": ("help", "say what a word that is being typed may become"),
}
HIDDEN = frozenset(_HIDDEN)
COMMANDS = {name: command for commands in (*SECTIONS.values(), _HIDDEN) for name, command in commands.items()}
ALIASES = {"blame": "why", "watch": "attach"}  # words that people type first

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class LazyGroup(click.Group):
    """A group whose commands are imported only when one of them runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which a person meets them."""
        return list(COMMANDS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the words begin with, also by its other name; a usage error names the nearest."""
        name = ALIASES.get(args[0], args[0])
        if name not in COMMANDS and not name.startswith("-"):
            raise click.exceptions.NoSuchCommand(name, possibilities=COMMANDS, ctx=ctx)
        return super().resolve_command(ctx, [name, *args[1:]])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module; None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"gitmimo.cli.{COMMANDS[cmd_name][0]}")
        command = getattr(module, f"{cmd_name}_command", None)
        return add_examples(command, cmd_name) if isinstance(command, click.Command) else None

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the commands without importing them."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        names = [name for name in COMMANDS if name not in HIDDEN and name.startswith(incomplete)]
        return [CompletionItem(name, help=COMMANDS[name][1]) for name in names]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands with their lines without importing them."""
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(10), line) for name, (_, line) in commands.items()])


@click.group(cls=LazyGroup, context_settings=CONTEXT)
@click.version_option(__version__, message="git-mimo %(version)s")
@click.option("-v", "--verbose", is_flag=True, help="Log what happens to stderr.")
def cli(verbose: bool) -> None:
    """A coding agent that lives in git.

    Several candidates solve a task, each in its own worktree; the project's tests decide which one may be merged.
    `git mimo COMMAND -h` explains a command; `git mimo doctor` says what is still missing here.
    """
    if verbose:
        import logging

        logging.basicConfig(level=logging.DEBUG, format="%(levelname)s %(name)s: %(message)s")
        for noisy in ("httpx", "httpcore", "LiteLLM"):
            logging.getLogger(noisy).setLevel(logging.INFO)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with git's codes: 0, 1, 2, 3, 128, 129 or 130."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # in order with stderr, where both go to one file or pipe
    code = run(sys.argv[1:] if arguments is None else arguments)
    if code == _INTERRUPTED:  # the key press that ended it may arrive a second time, from git
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run the command line and return its exit code."""
    try:
        code: Any = cli.main(args=arguments, prog_name="git mimo", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as exc:
        return exc.exit_code
    except click.exceptions.NoArgsIsHelpError as exc:
        render.out(exc.format_message())
        return 129
    except click.UsageError as exc:
        said = " ".join(exc.format_message().split())
        render.fatal(said, hint=f"{exc.ctx.command_path if exc.ctx else 'git mimo'} -h", word="error")
        return 129
    except click.Abort:
        return _INTERRUPTED
    except MimoError as exc:
        render.fatal(exc.message, hint=exc.hint, word="error" if isinstance(exc, NeedsPerson) else "fatal")
        return exc.exit_code
    except KeyboardInterrupt:
        render.say("interrupted")
        return _INTERRUPTED
    except BrokenPipeError:
        render.detach_stdout()
        return 128
    except OSError as exc:
        where = f": `{exc.filename}`" if exc.filename else ""
        if exc.errno in _DISK_ERRORS:
            render.fatal(f"the disk fails: {exc.strerror}{where}", hint="git mimo gc   # once there is room again")
        elif exc.errno in _PLACE_ERRORS and exc.filename:
            render.fatal(f"{(exc.strerror or str(exc)).lower()}{where}")
        else:
            render.bug(exc)
        return 128
    except Exception as exc:  # noqa: BLE001  the one handler that turns a bug into a message
        import logging

        logging.getLogger(__name__).debug("unexpected", exc_info=True)
        render.bug(exc)
        return 128
