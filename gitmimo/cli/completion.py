"""`git mimo completion`: the shells' completions, made ahead so that printing them costs nothing."""

import click

from gitmimo.cli import render

FILES = {
    "bash": "bash-completion/completions/git-mimo",
    "zsh": "zsh/site-functions/_git-mimo",
    "fish": "fish/vendor_conf.d/git-mimo.fish",
}


@click.command("completion")
@click.argument("shell", type=click.Choice(list(FILES)))
def completion_command(shell: str) -> int:
    """Print the completions for a shell: they serve `git mimo`, `git-mimo` and `mimo`.

    They complete commands, options, sessions, candidates, models, skills and settings by reading files and
    asking git; git-mimo itself is not started.
    """
    import importlib.resources

    render.out_raw((importlib.resources.files("gitmimo") / "share" / FILES[shell]).read_text(encoding="utf-8"))
    return 0
