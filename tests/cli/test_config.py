"""`git mimo config`: nothing is written by halves, and no key goes to another provider's server."""

from pathlib import Path

import pytest

from tests.chat.terminal import Screen, needs_tmux
from tests.conftest import GitBuilder
from tests.project import PROJECT, TESTS, mimo
from tests.scripted_server import ScriptedServer

START = ("start", "fix add", "--sandbox", "none")


@pytest.fixture
def project(git: GitBuilder, sealed: Path) -> GitBuilder:
    git.commit(PROJECT | {"tests/test_calc.py": TESTS})
    return git


def settings(project: GitBuilder) -> str:
    return project("config", "--get-regexp", "^mimo\\.", check=False)


def test_another_provider_drops_the_address_of_the_one_before(project: GitBuilder) -> None:
    set_up = mimo("config", "set", "--model", "openai/good", "--base-url", "http://127.0.0.1:9/v1", cwd=project.path)
    assert set_up.code == 0
    assert "mimo.baseUrl = http://127.0.0.1:9/v1 (global)" in set_up.err
    changed = mimo("config", "set", "--provider", "anthropic", cwd=project.path)
    assert changed.code == 0
    assert "mimo.baseUrl http://127.0.0.1:9/v1 is dropped (global)" in changed.err
    assert "baseurl" not in settings(project)
    # the same provider keeps it, and an address that is given is kept
    url = ("--base-url", "https://proxy.example/v1")
    assert mimo("config", "set", "--provider", "anthropic", *url, cwd=project.path).code == 0
    assert mimo("config", "set", "--provider", "anthropic", cwd=project.path).code == 0
    assert "https://proxy.example/v1" in settings(project)


@pytest.mark.parametrize("how", ["flag", "GIT_MIMO_MODEL", "git config"])
def test_no_key_is_sent_to_the_server_of_another_provider(
    project: GitBuilder, llm_server: ScriptedServer, how: str
) -> None:
    project("config", "--global", "mimo.model", "openai/good")
    project("config", "--global", "mimo.baseUrl", llm_server.base_url)
    env = {"ANTHROPIC_API_KEY": "sk-ant-api03-" + "a1B2" * 8}
    model = "anthropic/claude-sonnet-5"
    flags: tuple[str, ...] = ("-m", model) if how == "flag" else ()
    if how == "GIT_MIMO_MODEL":
        env["GIT_MIMO_MODEL"] = model
    if how == "git config":
        project("config", "--global", "mimo.model", model)
    said = mimo(*START, *flags, cwd=project.path, env=env)
    assert said.code == 128, said.out + said.err
    assert "would be asked there, with the key of anthropic" in said.err
    assert "git mimo config unset --global baseUrl" in said.err
    assert llm_server.requests == []


@pytest.mark.parametrize(
    "words",
    [
        ("--provider", "deepseek", "--base-url", "foo"),
        ("--provider", "deepseek", "candidates", "many"),
        ("--provider", "deepseek", "--api-key", " "),
        ("--model", "openai/x", "nosuch", "1"),
    ],
)
def test_what_is_refused_has_written_nothing(project: GitBuilder, words: tuple[str, ...]) -> None:
    before = settings(project)
    assert mimo("config", "set", *words, cwd=project.path).code in (128, 129)
    assert settings(project) == before


def test_prices_and_scopes_are_listed(project: GitBuilder) -> None:
    assert mimo("config", "set", "price.openai/good", "1", "2", cwd=project.path).code == 0
    assert mimo("config", "set", "candidates", "5", cwd=project.path).code == 0
    listed = mimo("config", "list", "--show-origin", cwd=project.path).out
    assert "price.openai/good=1 2\n" in listed
    assert "git config (local)\tcandidates=5\n" in listed


def test_a_key_that_was_never_stored_is_not_said_to_be_forgotten(project: GitBuilder) -> None:
    assert "no key of deepseek was stored" in mimo("config", "unset", "--provider", "deepseek", cwd=project.path).err
    assert mimo("config", "set", "--provider", "deepseek", "--api-key", "-", cwd=project.path, stdin="k-1\n").code == 0
    assert "key of deepseek forgotten" in mimo("config", "unset", "--provider", "deepseek", cwd=project.path).err


def test_a_key_in_the_environment_is_used_and_named(project: GitBuilder, llm_server: ScriptedServer) -> None:
    env = {"OPENAI_API_KEY": "sk-test-0123456789", "OPENAI_API_BASE": llm_server.base_url, "GIT_MIMO_BUDGET": "0"}
    said = mimo(*START, cwd=project.path, env=env)
    assert "no model is configured; OPENAI_API_KEY is set, so openai/" in said.err
    assert said.code == 3, said.err
    assert "no model is configured" in mimo(*START, cwd=project.path).err


@needs_tmux
def test_a_key_is_asked_for_without_echo(project: GitBuilder, sealed: Path) -> None:
    import sys

    root = Path(__file__).parents[2]
    command = ["env", f"PYTHONPATH={root}", sys.executable, "-m", "gitmimo", "config", "set", "--provider", "deepseek"]
    with Screen(command, cwd=project.path, columns=100) as screen:
        screen.wait_for("API key of deepseek", "Enter skips")
        screen.type("sk-not-to-be-seen")
        seen = screen.wait_for("key of deepseek stored", "exit=0")
    assert "sk-not-to-be-seen" not in seen
    assert "sk-not-to-be-seen" in "".join(path.read_text() for path in sealed.rglob("keys.json"))
