"""Records of a comparison of behaviour: which inputs were tried, what base answered, and what each product answers."""

import enum
from dataclasses import dataclass

from gitmimo.ids import Oid

SCHEMA = "git-mimo/behaviour/1"


class DifferenceKind(enum.StrEnum):
    """How an answer differs from the one before the change."""

    NOW_ANSWERS = "now answers"  # base raised an error or did not end
    OTHER_ANSWER = "answers otherwise"
    NOW_ERROR = "now an error"  # or does not end
    OTHER_ERROR = "another error"
    CHANGED_ARGUMENT = "changes its argument"  # the answer is the same
    OTHER_OUTPUT = "prints something else"  # the answer is the same


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One input on which a product does not do what base does. Texts are in the syntax of the language, at most 200
    characters each."""

    function: str  # path::qualified name of the changed function that is called
    call: str
    before: str
    after: str
    kind: DifferenceKind
    test: str = ""  # id of the test that makes this call, or one like it; empty for inputs from annotations
    is_variant: bool = False  # grown from the call of `test`; otherwise the call itself
    is_near_fixed: bool = False  # `test` failed on base and is to be fixed


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductBehaviour:
    """What one product does on all inputs, against base and the other products. Counts are of inputs.

    An input is *valid* when base or more than half of the products answer it; `agreement` is taken over valid inputs.
    """

    tree: Oid
    differences: tuple[Difference, ...] = ()  # the most telling first, at most 20
    changed: int = 0  # inputs with any difference
    changed_outside: int = 0  # of them, those that no fixed test makes, and that base answered
    spill: int = 0  # of those, inputs made by or grown from tests that passed on base
    spill_inputs: int = 0  # how many such inputs there are
    unasked: tuple[str, ...] = ()  # functions of which several answers differ and that no fixed test calls
    dead_arguments: tuple[str, ...] = ()  # `number or name of function`: made a difference on base, and makes none
    new_errors: int = 0  # base answers, the product raises an error or does not end
    dirty: int = 0  # changes an argument that base leaves as it was
    fixed_changed: int = 0  # calls that only fixed tests make, and on which the product differs from base
    near_fixed: int = 0  # inputs grown from the calls of fixed tests
    near_fixed_changed: int = 0  # of them, those on which the product differs from base
    errors: int = 0  # valid inputs on which it raises an error or does not end
    odd_types: int = 0  # valid inputs on which it answers another type than on the tests' own calls
    agreement: float = 1.0  # mean share, 0 to 1, of the other products that do the same
    agreement_of_failed: float = 0.0  # the same of products that did not pass, where they answer
    problem: str = ""  # why it could not be run

    def support(self, valid: int) -> float:
        """Agreement less the share of errors and odd types among the report's valid inputs: at most 1, more is
        better."""
        return self.agreement - (self.errors + self.odd_types) / max(1, valid)

    @property
    def is_narrow(self) -> bool:
        """Whether little but the fixed tests' own calls changed: what hard-coded answers look like."""
        return is_narrow(self.near_fixed, self.near_fixed_changed)


def is_narrow(inputs: int, changed: int) -> bool:
    """Whether so few of the answers changed that the fixed calls alone may be meant."""
    return inputs >= 8 and changed * 10 <= inputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a group of products answers to one input."""

    trees: tuple[Oid, ...]
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """One valid input that tells products apart; answers of the largest group first."""

    function: str
    call: str
    before: str
    answers: tuple[Answer, ...]
    test: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BehaviourReport:
    """How products behave next to base and each other.

    `groups` holds products that do the same on every valid input, largest group first. Nothing is compared when there
    is no changed function that something can call; `problem` says why, and `groups` holds those of the same code.
    """

    base: Oid
    schema: str = SCHEMA
    functions: tuple[str, ...] = ()  # path::qualified name: changed in a product, and called
    unreached: tuple[str, ...] = ()  # changed, but no input was found
    calls: int = 0  # taken from tests and documentation examples
    fixed_calls: int = 0  # of them, those that only tests make that are to be fixed
    inner_fixed_calls: int = 0  # of these, those that the project itself makes: what they change may show elsewhere
    passing_on_base: tuple[str, ...] = ()  # tests to be fixed that passed on base when it was run for this comparison
    inputs: int = 0  # compared: calls, their variants, and those made from annotations
    valid: int = 0
    dropped: int = 0  # not compared: base answers differently from one run to the next
    products: tuple[ProductBehaviour, ...] = ()
    groups: tuple[tuple[Oid, ...], ...] = ()
    splits: tuple[Split, ...] = ()  # at most 5, the simplest first
    problem: str = ""
    seconds: float = 0.0

    def of(self, tree: Oid) -> ProductBehaviour | None:
        """The behaviour of one product tree."""
        return next((product for product in self.products if product.tree == tree), None)

    def group_of(self, tree: Oid) -> tuple[Oid, ...]:
        """Products that behave like this one, itself among them; empty when it was not compared."""
        return next((group for group in self.groups if tree in group), ())
