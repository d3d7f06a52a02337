"""Configuration is merged by source, typed, and refuses what it does not understand."""

import pytest

from gitmimo.config import OPTIONS, resolve
from gitmimo.errors import ConfigError


def test_the_nearest_source_wins_and_says_where_it_came_from() -> None:
    committed = "candidates: 2\nmaxSteps: 9\nworktree:\n  copy: [.env]\n"
    config = resolve(
        flags={"candidates": 5, "test": None},
        environ={"GIT_MIMO_CANDIDATES": "4", "GIT_MIMO_TEST": "make check"},
        git_config={"candidates": ["3"], "maxsteps": ["8"], "price.openai/x": ["1 2"]},
        committed=committed,
    )
    assert (config["candidates"], config.origin("candidates")) == (5, "flag")
    assert (config.text("test"), config.origin("test")) == ("make check", "environment GIT_MIMO_TEST")
    assert (config.count("maxSteps"), config.origin("maxSteps")) == (8, "git config")
    assert (config.texts("worktree.copy"), config.origin("worktree.copy")) == ((".env",), ".mimo/config.yaml")
    assert config.origin("budget") == "default"
    assert config.prices == {"openai/x": "1 2"}


@pytest.mark.parametrize(
    ("committed", "says"),
    [
        ("colour: red", "unknown option"),
        ("model: openai/x", "belongs to the person"),
        ("candidates: 0", "whole number of at least 1"),
        ("candidates: [1]", "whole number"),
        ("fanout: some", "one of `auto`, `all`"),
        ("test: !!python/object:os.system x", "tags"),
        ("a: &a [1]\nb: *a", "anchors"),
        ("- x", "mapping"),
        ("test: [", "not valid YAML"),
        ("timeout: 0", "above zero"),
        ("test: safe\ntest: evil", "twice: `test`"),
        ("test: safe\nTest: evil", "twice: `test`"),
        ("worktree: {copy: [a]}\nworktree.copy: [b]", "twice: `worktree.copy`"),
        ("worktree: {copy: [a]}\nworktree: {copy: [b]}", "twice: `worktree.copy`"),
    ],
)
def test_a_bad_committed_file_is_refused_with_the_reason(committed: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says.replace("`", ".")):
        resolve(flags={}, environ={}, git_config={}, committed=committed)


def test_commands_keep_their_commas_and_lists_of_names_split() -> None:
    config = resolve(
        flags={"accept": ("run a,b", "c"), "model": ("openai/x,local/y",)}, environ={}, git_config={}, committed=""
    )
    assert config.texts("accept") == ("run a,b", "c")
    config = resolve(flags={}, environ={"GIT_MIMO_MODEL": "openai/x, local/y"}, git_config={})
    assert config.texts("model") == ("openai/x", "local/y")


def test_no_two_options_share_a_variable() -> None:
    assert len({option.variable for option in OPTIONS.values()}) == len(OPTIONS)
    assert OPTIONS["maxtokens"].variable == "GIT_MIMO_MAX_TOKENS"
    assert OPTIONS["budget.day"].variable == "GIT_MIMO_BUDGET_DAY"
