"""`git mimo mcp`: serve memory, skills and sessions to other tools."""

import click

from gitmimo.cli.options import load_config, open_repository


@click.command("mcp")
@click.option("--allow-start", is_flag=True, help="Let the tool start sessions; the person is asked where it can ask.")
def mcp_command(allow_start: bool) -> int:
    """Serve this repository over the Model Context Protocol on stdin and stdout, until stdin ends.

    Other tools can search the memory, read skills, and read the state and results of sessions. They can start one
    only with --allow-start, or after `git config mimo.mcp.start true`.
    """
    from gitmimo.mcp.server import make_server

    repository = open_repository()
    allowed = allow_start or bool(load_config(repository)["mcp.start"])
    make_server(repository, lambda: load_config(repository), allow_start=allowed).run("stdio")
    return 0
