"""What a comparison of behaviour needs to know of a programming language."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gitmimo.evaluator.behaviour.calls import Call
from gitmimo.evaluator.python_env import Layout
from gitmimo.evaluator.testbed import FreshTree

Observation = Mapping[str, Any] | None  # see `Language.replay`


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """Functions of a tree pair, as path::qualified name. `constants` stand in the changed code."""

    functions: frozenset[str] = frozenset()  # of base: their body changed, or they use something that did
    added: frozenset[str] = frozenset()  # in the product only
    constants: tuple[int | float | str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Calls that tests and documentation examples made; `failed` are examples that don't hold on this tree."""

    calls: tuple[Call, ...] = ()
    failed: frozenset[str] = frozenset()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """How calls are run: in one process, `seconds` for all and `call_s` for each; runs with other seeds differ in
    everything that is left to chance."""

    seconds: float
    call_s: float = 0.2  # of processor time
    seed: int = 0
    attributes: tuple[str, ...] = ()  # of objects: those that tests read, looked at after the last call


class Language(Protocol):
    """Finds changed functions, records their calls and runs calls again; all project code runs in the sandbox."""

    suffixes: tuple[str, ...]

    def changed(self, files: Mapping[str, tuple[bytes | None, bytes | None]]) -> Changed:
        """Compare two versions, old and new, of files by path; None where a file is not there."""

    def record(
        self, fresh: FreshTree, layout: Layout, functions: frozenset[str], cancelled: Callable[[], bool] | None
    ) -> Recording:
        """Run the tests, and the examples in the functions' files, and note each different call."""

    def invent(self, fresh: FreshTree, layout: Layout, functions: frozenset[str]) -> tuple[Call, ...]:
        """Calls of functions that nothing calls, from what their declarations say."""

    def replay(
        self,
        fresh: FreshTree,
        layout: Layout,
        calls: Sequence[Call],
        how: Replay,
        cancelled: Callable[[], bool] | None,
    ) -> tuple[Observation, ...]:
        """Run calls and say what came of each: None when there was no time.

        An observation holds `steps`, each with `value` or `error`, and `after` where arguments have changed; `state`
        of the object, `output`; `random` when chance took part; or `unbuilt` when the call isn't possible on this tree.
        """
