"""`git mimo serve|mcp`: this repository for a browser, and for other tools."""

import click

from gitmimo.cli import render
from gitmimo.cli.options import load_config, open_repository
from gitmimo.errors import UsageError


@click.command("serve")
@click.option("--port", type=click.IntRange(min=0, max=65535), default=0, help="Port on 127.0.0.1 (a free one).")
@click.option("--open", "open_it", is_flag=True, help="Show it in the browser.")
def serve_command(port: int, open_it: bool) -> int:
    """Show all sessions of this repository, live, on the loopback address, until interrupted.

    The address carries a random token, and nothing can be changed there.
    """
    import signal
    import webbrowser

    from gitmimo.report.server import ReviewServer

    repository = open_repository()
    try:
        server = ReviewServer(repository, port=port)
    except OSError as exc:
        raise UsageError(f"cannot listen on port {port}: {exc.strerror}", hint="git mimo serve") from exc
    with server:
        render.out(server.address)
        render.flush()
        if open_it:
            webbrowser.open(server.address)
        # a shell starts its background jobs with interrupts ignored, and a server must end on one all the same
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        try:
            server.serve_forever(poll_interval=0.2)
        except KeyboardInterrupt:
            render.say("stopped")
    return 0


@click.command("mcp")
@click.option("--allow-start", is_flag=True, help="Let the tool start sessions; the person is asked where it can ask.")
def mcp_command(allow_start: bool) -> int:
    """Serve this repository over the Model Context Protocol on stdin and stdout, until stdin ends.

    Other tools can search the memory, read skills, and read the state and results of sessions. They can start one
    only with --allow-start, or after `git config mimo.mcp.start true`.
    """
    from gitmimo.mcp import make_server

    repository = open_repository()
    allowed = allow_start or bool(load_config(repository)["mcp.start"])
    make_server(repository, lambda: load_config(repository), allow_start=allowed).run("stdio")
    return 0
