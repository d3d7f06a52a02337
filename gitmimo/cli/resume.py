"""`git mimo resume`: go on with a session that was cut off."""

import sys
from typing import Any

import click

from gitmimo.cli import render
from gitmimo.cli.common import json_option, load_config, open_repository, session_argument
from gitmimo.cli.live import watching
from gitmimo.cli.start import EXIT_CODES, report, signals
from gitmimo.workflow.land import result_json
from gitmimo.workflow.progress import Interrupt
from gitmimo.workflow.resume import find_cut_off, resume_session
from gitmimo.workflow.settings import restore


@click.command("resume")
@session_argument
@click.option("--budget", type=click.FloatRange(min=0), help="USD the whole session may spend.", metavar="USD")
@click.option("--max-tokens", "maxTokens", type=click.IntRange(min=1), help="Tokens of the whole session.", metavar="N")
@click.option("--max-steps", "maxSteps", type=click.IntRange(min=1), help="Steps a candidate may take.", metavar="N")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), help="Limit from now on.", metavar="SECONDS")
@click.option("--sandbox", type=click.Choice(["auto", "bwrap", "landlock", "none"]), help="Where commands run.")
@json_option
def resume_command(session: str | None, as_json: bool, **flags: Any) -> int:
    """Go on with a session that was killed, interrupted or out of budget.

    Candidates that had finished keep their results; one in flight goes on after its last step. The session keeps the
    settings it was started with; limits are read anew and can be given here.
    """
    repository = open_repository()
    config = load_config(repository, flags)
    state = find_cut_off(repository, session)
    interrupt = Interrupt(timeout_s=restore(config, state.settings).seconds("timeout"))
    with watching(stream=sys.stderr, quiet=as_json and not sys.stderr.isatty()) as observe, signals(interrupt):
        result = resume_session(repository, config, state, observe=observe, interrupt=interrupt, warn=render.say)
    if as_json:
        render.emit_json(result_json(result))
    else:
        report(result)
    return EXIT_CODES[result.status]
