"""`git mimo help`: the help of a command, as other programs have it."""

import click

from gitmimo.cli import render


@click.command("help")
@click.argument("command", nargs=-1)
@click.pass_context
def help_command(context: click.Context, command: tuple[str, ...]) -> int:
    """Show the help of COMMAND, as `git mimo COMMAND -h` does. The manual page is `git help mimo`."""
    found = context.find_root()
    for word in command:
        if not isinstance(found.command, click.Group):
            context.fail(f"`{found.command_path}` has no commands of its own")
        _, child, _ = found.command.resolve_command(found, [word])
        if child is not None:
            found = click.Context(child, parent=found, info_name=word)
    render.out(found.get_help())
    return 0
