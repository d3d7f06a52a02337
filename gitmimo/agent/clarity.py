"""Whether a task says what to change and how to know that it is done: a check by rules, before anything is spent."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

_MOST_QUESTIONS = 3
_MOST_READ = 20_000

_CODE_NAME = re.compile(
    r"`[^`\n]+`|\b\w+\(\)|\b[a-z]+_\w+\b|\b[a-z]+[A-Z]\w+\b|\b[A-Z][a-z0-9]+[A-Z]\w*\b|\b\w+\.\w+\.\w+\b|::|--[a-z][\w-]+"
    r"|(?<![\w/])[\w.-]+(?:/[\w.-]+)+|\b\w+\.(?:py|js|ts|tsx|go|rs|java|c|h|cpp|rb|php|sh|md|toml|ya?ml|json|html|css|sql)\b"
)
_QUOTED = re.compile(r"\"[^\"\n]{4,}\"|“[^”\n]{4,}”|Traceback|\b\w+(?:Error|Exception|Warning)\b|\b[A-Z]\d{3,4}\b")
_CHECKABLE = re.compile(
    r"\b(?:should(?:n't)?|must(?:n't)?|shall|has to|have to|needs? to|expect(?:ed|s)?|returns?|raises?|throws?|prints?"
    r"|shows?|accepts?|rejects?|refuses?|outputs?|exits?|passes|succeeds?|fails?|so that|instead of|no longer|"
    r"such that|equals?|equivalent|same as|at (?:most|least)|less than|more than|faster than|within|without|"
    r"only (?:if|when)|when(?:ever)? .+,|if .+,|acceptance|criteria|definition of done)\b"
    r"|->|=>|>=|<=|\d\s?(?:%|ms|s|MB|KB)\b",
    re.IGNORECASE,
)
_ABOUT_TESTS = re.compile(
    r"\b(?:fix|mend|repair|make|get|let)\b.{0,40}\btests?\b|\btests?\b.{0,30}\b(?:fail|pass|green|red|broken)",
    re.IGNORECASE,
)
_CONCRETE = re.compile(
    r"\b(?:add|remove|delete|rename|move|replace|support|implement|introduce|extract|split|upgrade|bump|migrate|convert|port|"
    r"document|translate|deprecate|expose|log|cache|validate|parse|sort|handle|refactor)\b",
    re.IGNORECASE,
)
_VAGUE = re.compile(
    r"\b(?:improve|enhance|optimi[sz]e|clean ?up|tidy|polish|modernize|modernise|better|nicer|faster|cleaner|"
    r"more robust|fix (?:the |all |some )?"
    r"(?:bugs?|issues?|problems?|things?|stuff|it|everything)|make it (?:work|good|better))\b",
    re.IGNORECASE,
)
_OPEN = re.compile(
    r"\betc\b|\band so on\b|\bor something\b|\bsomehow\b|\bmaybe\b|\bperhaps\b|\bpossibly\b|\bwhatever\b|\bTBD\b|\?\?|…"
    r"|\.\.\.$|\beither\b.{1,80}\bor\b",
    re.IGNORECASE,
)
_ENGLISH = re.compile(
    r"\b(?:the|a|an|to|in|of|and|is|it|for|with|on|that|this|not|fix|add|make|remove|use|when|all)\b", re.I
)
_RUNNER = re.compile(
    r"^(?:python[\d.]*\s|pytest\b|tox\b|nox\b|npm\s|npx\s|pnpm\s|yarn\s|node\s|make\b|cargo\s|go\s|"
    r"mvn\b|gradle\b|\./|bash\s|sh\s|ruff\s|mypy\b)"
)
_PROVES = re.compile(
    r"\b(?:pass|passes|succeeds?|exits? (?:with )?0|exit code 0|green|works?|must run|clean)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One thing a task leaves open, and what is assumed when nobody answers."""

    text: str
    assumption: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Clarity:
    """What a task leaves open: at most three questions, the weightiest first."""

    questions: tuple[Question, ...] = ()

    @property
    def is_clear(self) -> bool:
        return not self.questions

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What is assumed instead of asking."""
        return tuple(question.assumption for question in self.questions)


def check_clarity(
    text: str, *, paths: Collection[str] = (), has_tests: bool = False, accept_commands: Sequence[str] = ()
) -> Clarity:
    """Say what a task leaves open. `paths` are the project's files.

    Looks for names, messages and words that say how the result differs. It does not understand the task: one that names
    the wrong file passes. Of a task in another language than English only names and length are judged.
    """
    text = text[:_MOST_READ]
    questions: list[Question] = []
    words = re.findall(r"\w+", text)
    is_english = bool(_ENGLISH.search(text)) or text.isascii()
    mends_tests = bool(_ABOUT_TESTS.search(text)) and has_tests
    is_vague = bool(_VAGUE.search(text)) and not _CHECKABLE.search(text)
    names_something = _names_something(text, paths)
    if (
        not names_something
        and not mends_tests
        and (len(words) < 4 or is_vague or not _CONCRETE.search(text))
        and is_english
    ):
        questions.append(
            Question(
                text="Which part of the project is meant: a file, a function, a command, a message one sees?",
                assumption="the part to change is the one that a search for the task's own words leads to",
            )
        )
    if is_english and not _says_when_done(
        text, words, mends_tests=mends_tests, is_vague=is_vague, accept=accept_commands
    ):
        done = "the tests pass as before" if has_tests else "the project still runs as before"
        questions.append(
            Question(
                text="How can one see that it is done: an input and its result, a command that must succeed, a number?",
                assumption=f"it is done when the described change is there, new tests show it, and {done}",
            )
        )
    found = _OPEN.search(text)
    if found and is_english:
        questions.append(
            Question(
                text=f"The task leaves a choice open (`{' '.join(found[0].split())[:60]}`). Which one is wanted?",
                assumption="of the readings that the task allows, the smallest is taken and nothing beyond it",
            )
        )
    return Clarity(questions=tuple(questions[:_MOST_QUESTIONS]))


def with_answers(text: str, clarity: Clarity, answers: Sequence[str]) -> str:
    """The task with the answers added below it; questions without an answer are added as assumptions."""
    answered = [*answers, *[""] * len(clarity.questions)]
    lines = [
        f"- {question.text} {answer.strip()}" if answer.strip() else f"- Assumed: {question.assumption}."
        for question, answer in zip(clarity.questions, answered, strict=False)
    ]
    return text if not lines else f"{text.rstrip()}\n\nWhat was open:\n" + "\n".join(lines)


def propose_accept(text: str) -> tuple[str, ...]:
    """Commands in a task that it says must succeed; to be confirmed by a person before they are run.

    Only what stands between backticks, or on a line of its own after `$ `, and begins like a program that checks.
    """
    found: dict[str, None] = {}
    for line in text.split("\n"):
        prompt = re.match(r"^\s*\$ (.+)$", line)
        if prompt and _RUNNER.match(prompt[1]):
            found.setdefault(prompt[1].strip())
        if _PROVES.search(re.sub(r"`[^`]*`", "", line)):
            for command in re.findall(r"`([^`\n]+)`", line):
                if _RUNNER.match(command):
                    found.setdefault(command.strip())
    return tuple(found)[:3]


def _names_something(text: str, paths: Collection[str]) -> bool:
    if _CODE_NAME.search(text) or _QUOTED.search(text):
        return True
    stems = {part.lower() for path in paths for part in (*PurePosixPath(path).parts[:-1], PurePosixPath(path).stem)}
    said = {word.lower() for word in re.findall(r"[\w-]{3,}", text)}
    generic = {
        "src",
        "lib",
        "test",
        "tests",
        "docs",
        "main",
        "init",
        "__init__",
        "index",
        "readme",
        "the",
        "setup",
        "code",
    }
    return bool((said | {word.removesuffix("s") for word in said}) & (stems - generic))


def _says_when_done(
    text: str, words: Sequence[str], *, mends_tests: bool, is_vague: bool, accept: Sequence[str]
) -> bool:
    if accept or mends_tests or _CHECKABLE.search(text) or propose_accept(text):
        return True
    if _QUOTED.search(text) and not is_vague:  # an error to get rid of
        return True
    return bool(_CONCRETE.search(text)) and not is_vague and len(words) >= 4
