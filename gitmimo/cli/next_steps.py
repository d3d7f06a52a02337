"""What a person types next, from what is still missing here: nothing is guessed, nothing is asked of the network."""

import importlib.util
from collections.abc import Iterator

from gitmimo.cli.common import load_config
from gitmimo.errors import CheckError, MimoError, ModelError, NoCommits
from gitmimo.git.repository import Repository
from gitmimo.llm.providers import open_model
from gitmimo.workflow.judging import find_test_command
from gitmimo.workflow.models import model_names, model_settings
from gitmimo.workflow.places import data_home
from gitmimo.workflow.trust import brought_commands, digest_of, is_approved

START = 'git mimo start --task "what to change, and how to know it is done"'


def next_steps(repository: Repository | None, *, commit_first: bool = False) -> list[str]:
    """The commands, in order, each with what it is for."""
    if repository is None:
        return [
            "git mimo demo    # a small repository with a bug, solved here",
            "cd YOUR-REPOSITORY && git mimo doctor",
        ]
    try:
        return list(_missing(repository, commit_first=commit_first))
    except MimoError as exc:
        return exc.hint.splitlines()


def _missing(repository: Repository, *, commit_first: bool) -> Iterator[str]:
    if commit_first:
        yield "git add .mimo && git commit -m 'mimo: project memory and defaults'"
    config = load_config(repository)
    try:
        base = repository.resolve("HEAD")
    except NoCommits:
        if not commit_first:
            yield 'git add --all && git commit -m "first commit"'
    else:
        try:
            find_test_command(repository, config, base)
        except CheckError:
            yield "git mimo config set test 'COMMAND'    # what runs your tests; git-mimo found none"
    commands = brought_commands(config)
    if commands and not is_approved(repository, digest_of(commands)):
        yield "git mimo trust    # read and approve the commands of .mimo/config.yaml"
    try:
        settings = model_settings(config)
        for name in model_names(config):
            open_model(name, settings)
    except ModelError as exc:
        yield from _ways_to_a_model(exc)
    yield START


def _ways_to_a_model(problem: ModelError) -> Iterator[str]:
    if problem.hint and not problem.message.startswith("no model"):
        yield from problem.hint.splitlines()
        return
    extra = "" if importlib.util.find_spec("xllamacpp") else "pip install 'git-mimo[local]' && "
    pull = "" if any((data_home() / "models").glob("*.gguf")) else "git mimo models pull && "
    yield f"{extra}{pull}git mimo config set --provider local    # free, on this machine"
    yield "git mimo config set --provider deepseek --api-key KEY    # or that; other providers: git mimo models list"
