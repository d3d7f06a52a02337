"""One conversation in one repository: each line goes to a command, a session, an answer or the notes."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gitmimo.agent.sizes import is_small
from gitmimo.chat import commands, conversation, dreaming
from gitmimo.chat.conversation import Conversation, Turn
from gitmimo.chat.intent import Intent, intent_of, note_text
from gitmimo.chat.money import Purse
from gitmimo.chat.questions import answer_question
from gitmimo.chat.screen import Screen
from gitmimo.chat.sight import Sight
from gitmimo.chat.wording import count, first_line, has_option, is_yes, last_part, usd
from gitmimo.errors import JournalError, MimoError, UsageError
from gitmimo.git.repository import Repository
from gitmimo.llm.providers import open_model
from gitmimo.records import SessionId, new_session_id
from gitmimo.redact import known_secrets, redact
from gitmimo.workflow.history import read_session
from gitmimo.workflow.models import model_names, model_settings

_ROOM, _SMALL_ROOM = 6_000, 400  # tokens of conversation before older turns become facts
_KEPT_TURNS = 4


@dataclass(slots=True)
class Chat:
    """Takes lines, one at a time. `flags` are the settings of this conversation alone."""

    repository: Repository
    screen: Screen
    talk: Conversation
    directory: Path
    others: Mapping[str, str]  # the further git-mimo commands, by name
    flags: dict[str, Any] = field(default_factory=dict)
    asks_first: bool = True
    is_over: bool = False
    _plan: tuple[str, str] = ("", "")  # a task and how it would be done
    _purse: Purse = field(init=False)

    def __post_init__(self) -> None:
        began = [SessionId(name) for name in self.talk.sessions]
        self._purse = Purse(repository=self.repository, conversation=SessionId(self.talk.id), sessions=began)

    def handle(self, text: str) -> int:
        """Do what a line asks for and return git's exit code for it; expected failures are said."""
        if not text.strip():
            return 0
        try:
            line = commands.parse_slash(text)
            return self._plain(text.strip()) if line is None else self._command(line)
        except MimoError as exc:
            self.screen.piece("")
            self.screen.say(f"error: {exc.message}")
            for remedy in exc.hint.splitlines():
                self.screen.hint(remedy)
            return exc.exit_code
        except KeyboardInterrupt:
            self.screen.piece("")
            self.screen.say("interrupted")
            return 130

    def limit(self, usd: float | None) -> None:
        """Set what the whole conversation may spend."""
        self._purse.limit_usd = usd

    def close(self) -> None:
        """Let go of models and the ledger."""
        self._purse.close()

    @property
    def standing(self) -> tuple[str, str, str, str]:
        """Branch, model, money and context, for the line below the prompt."""
        model = next(iter(self._models()), "no model")
        spent, limit = self._purse.spent_usd, self._purse.limit_usd
        money = usd(spent) + (f" of {usd(limit)}" if limit is not None else "")
        return self.repository.head_branch() or "detached HEAD", model, money, f"context {count(self.talk.tokens)}"

    # --- plain lines -------------------------------------------------------------------------------------------------

    def _plain(self, text: str) -> int:
        intent = intent_of(text)
        if intent is Intent.UNCLEAR:
            intent = self._clear_up()
        match intent:
            case Intent.TASK:
                return self._confirmed_start(text)
            case Intent.NOTE:
                self._add(Turn(kind="note", said=note_text(text)))
                self.screen.say("noted for this conversation; /dream offers it to the memory")
                return 0
            case Intent.QUESTION:
                return self._answer(text)
            case _:
                return 0

    def _clear_up(self) -> Intent:
        if not self.screen.is_terminal:
            return Intent.QUESTION  # answering changes nothing
        answer = self.screen.ask("a task (t) or a question (q)? ") or ""
        return {"t": Intent.TASK, "q": Intent.QUESTION}.get(answer.strip().lower()[:1], Intent.UNCLEAR)

    def _confirmed_start(self, text: str) -> int:
        config = self._config()
        names = ", ".join(last_part(name) for name in model_names(config))
        if self.asks_first and not self.screen.is_terminal:
            self.screen.say("a task, and nobody is here to confirm it")
            self.screen.hint(f"/start {first_line(text)}")
            self.screen.hint("git mimo chat --yes   # starts tasks without asking")
            return 2
        room = self._purse.room_usd(config)
        money = f", at most {usd(room)}" if room is not None else ""
        most = config.count("candidates")
        how_many = "1 candidate" if most == 1 else f"up to {most} candidates"
        if self.asks_first and not is_yes(
            self.screen.ask(f"start a session: {how_many} of {names}{money}? [Y/n] "), default=True
        ):
            self.screen.say("not started")
            return 0
        return self._start([], text)

    def _start(self, options: list[str], task: str) -> int:
        session = new_session_id()
        words = ["start", *options, f"--task={task}", f"--session-id={session}"]
        words += [f"--model={name}" for name in self.flags.get("model", ()) if not has_option(options, "-m", "--model")]
        room = self._purse.room_usd(self._config())
        if room is not None and not has_option(options, "--budget"):
            self._purse.require_room(room)
            words.append(f"--budget={room:.9f}".rstrip("0"))
        self._purse.sessions.append(session)
        code = self.screen.run(words)
        self._plan = ("", "")
        try:
            self._add(conversation.task_turn(read_session(self.repository, session).result))
        except JournalError:
            self._purse.sessions.remove(session)  # it never began
        return code

    def _answer(self, question: str, *, plan: bool = False) -> int:
        config = self._config()
        model = self._purse.model(config)
        self._make_room(small=is_small(model.name))
        secrets = known_secrets(os.environ)
        sight = Sight(repository=self.repository, commit=self.repository.resolve("HEAD"), known_secrets=secrets)
        clean, _ = redact(question, secrets)
        told: list[str] = []

        def on_text(text: str) -> None:
            told.append(text)
            self.screen.piece(text)

        with self.screen.interruptible() as is_stopped:
            answer = answer_question(
                model, sight, clean, known=self.talk.text, plan=plan, on_text=on_text, cancelled=is_stopped,
                on_look=lambda what: self.screen.status(f"asking {last_part(model.name)}: {what}"),
            )  # fmt: skip
        self.screen.status("")
        if not "".join(told).strip().endswith(answer.text):  # a reply that was cut and asked for again
            self.screen.piece(("\n\n" if told else "") + answer.text)
        self.screen.piece("")
        if answer.cancelled:
            self.screen.say("stopped")
            return 130
        if not answer.text:
            self.screen.say("the model had nothing to say")
            return 1
        self._add(Turn(kind="plan" if plan else "question", said=clean, answer=answer.text, paths=answer.paths))
        if plan:
            self._plan = (question, answer.text)
            self.screen.say("/start begins it with this plan")
        return 0

    # --- slash commands ----------------------------------------------------------------------------------------------

    def _command(self, line: commands.Line) -> int:
        match line.name:
            case "help":
                for row in commands.help_lines(self.others):
                    self.screen.out(row)
            case "quit":
                self.is_over = True
            case "start":
                return self._start_command(line.rest)
            case "plan":
                if not line.rest:
                    raise UsageError("what is to be planned?", hint="/plan TASK")
                return self._answer(line.rest, plan=True)
            case "dream":
                return self._dream(commands.split_words(line.rest))
            case "model":
                return self._set_model(line.rest)
            case "budget":
                return self._set_budget(line.rest)
            case "cost":
                code = self.screen.run(commands.as_words(line))
                self.screen.say(f"this conversation: {self.standing[2]}")
                return code
            case name if name in commands.SLASHES or name in self.others:
                return self.screen.run(commands.as_words(line))
            case _:
                raise UsageError(f"there is no command `/{line.name}`", hint="/help")
        return 0

    def _start_command(self, rest: str) -> int:
        options, task = commands.split_options(rest)
        planned, plan = self._plan
        if not task and planned:
            task = f"{planned}\n\nThe plan that was agreed on:\n{plan}"
        if not task:
            raise UsageError("which task?", hint="/start TASK")
        return self._start(options, task)

    def _dream(self, words: list[str]) -> int:
        merges = "--merge" in words
        before = self.talk
        self.talk = dreaming.condense(self.repository, self.talk)
        self._keep()
        if before.turns:
            freed = f"context {count(before.tokens)} -> {count(self.talk.tokens)} tokens"
            self.screen.say(f"condensed {len(before.turns)} turns to facts; {freed}")
        if self.screen.is_terminal:
            self._offer_rules()
        names = [word for word in words if word != "--merge"]
        return dreaming.dream(self.repository, self._config(), self.screen, names, merges=merges)

    def _offer_rules(self) -> None:
        for rule in self.talk.rules:
            if is_yes(self.screen.ask(f"commit to the memory: {first_line(rule)}? [y/N] "), default=False):
                self.screen.run(["memory", "add", "--kind=rule", "--", rule])
        self.talk = replace(self.talk, rules=())
        self._keep()

    def _set_model(self, name: str) -> int:
        if name:
            opened = open_model(name, model_settings(self._config()))
            opened.close()
            self.flags["model"] = (opened.name,)
            self._purse.forget_models()
        for known in self._models() or ("no model is configured",):
            self.screen.out(known)
        return 0

    def _set_budget(self, text: str) -> int:
        if text:
            amount = text.lstrip("$").replace(",", ".")
            if amount != "none" and not amount.replace(".", "", 1).isdigit():
                raise UsageError(f"not an amount in USD: `{text}`", hint="/budget 2.50   or   /budget none")
            self._purse.limit_usd = None if amount == "none" else float(amount)
            self._purse.forget_models()
        self.screen.out(self.standing[2] + ("" if self._purse.limit_usd is not None else " spent, no limit of its own"))
        return 0

    # --- what is kept ------------------------------------------------------------------------------------------------

    def _add(self, turn: Turn) -> None:
        secrets = known_secrets(os.environ)
        clean = replace(turn, said=redact(turn.said, secrets)[0], answer=redact(turn.answer, secrets)[0])
        self.talk = self.talk.add(clean)
        self._keep()

    def _make_room(self, *, small: bool) -> None:
        """Older turns become facts before they crowd out the question."""
        if self.talk.tokens > (_SMALL_ROOM if small else _ROOM):
            self.talk = self.talk.condensed(keep=0 if small else _KEPT_TURNS)
            self._keep()

    def _keep(self) -> None:
        self.talk = replace(self.talk, sessions=tuple(self._purse.sessions))
        conversation.save(self.directory, self.talk)

    def _config(self) -> Any:
        return self.screen.config(self.flags)

    def _models(self) -> Iterable[str]:
        try:
            return model_names(self._config())
        except MimoError:
            return ()
