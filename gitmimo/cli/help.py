"""Help of command groups: full lines, examples, suggestions for unknown words."""

from collections.abc import Sequence

import click

from gitmimo.cli import render
from gitmimo.cli.completion import complete_commands
from gitmimo.cli.examples import epilog


class Group(click.Group):
    """A group whose list of commands is not cut, and which suggests the nearest name for an unknown word."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List every command with the first sentence of its help."""
        found = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        rows = [(name, command.get_short_help_str(limit=200)) for name, command in found if command is not None]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Find a command, its examples added to its help."""
        command = super().get_command(ctx, cmd_name)
        return with_examples(command, (*_path(ctx), cmd_name)) if command else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the words begin with; a usage error names the nearest."""
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            import difflib

            near = difflib.get_close_matches(args[0].lower(), self.list_commands(ctx), n=3, cutoff=0.6)
            also = "; did you mean " + " or ".join(f"`{name}`" for name in near) + "?" if near else ""
            ctx.fail(f"`{ctx.command_path}` has no command `{args[0]}`{also}")
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Without any word show the help: nothing was done, so the exit code says usage."""
        if not args and self.no_args_is_help and not ctx.resilient_parsing:
            render.out(ctx.get_help())
            ctx.exit(129)
        return super().parse_args(ctx, args)


def with_examples(command: click.Command, path: Sequence[str]) -> click.Command:
    """Put the examples of a command below its help."""
    if not command.epilog:
        command.epilog = epilog(" ".join(path)) or None
    return command


def _install_manual_page() -> int:
    """Copy the page into the user's own manual, which `man` looks through beside ~/.local/bin."""
    import importlib.resources
    import os
    from pathlib import Path

    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    target = Path(data).expanduser() / "man" / "man1" / "git-mimo.1"
    page = importlib.resources.files("gitmimo") / "share" / "man" / "man1" / "git-mimo.1"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(page.read_bytes())
    render.say(f"wrote {target}")
    render.hint("git help mimo")
    return 0


def _path(ctx: click.Context) -> tuple[str, ...]:
    """The words of this group's name, without `git mimo`."""
    return tuple(ctx.command_path.split()[2:])


@click.command("help")
@click.argument("command", nargs=-1, shell_complete=complete_commands)
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
