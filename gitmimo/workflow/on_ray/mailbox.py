"""Where workers reach the driver: an actor on the driver's node that keeps messages until they are read."""

import asyncio

from gitmimo.workflow.on_ray.messages import Message, Outcome

_LONGEST_QUIET_S = 0.25


class Mailbox:
    """A Ray actor. Workers ask and tell, the driver collects and answers; both can go at any time."""

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._waiting: dict[str, asyncio.Future[Outcome]] = {}
        self._arrived = asyncio.Event()
        self._stop = ""

    async def ask(self, message: Message) -> Outcome:
        """Deliver a question and wait for its answer."""
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting[message.identity] = answer
        self._put(message)
        try:
            return await answer
        finally:
            self._waiting.pop(message.identity, None)

    async def tell(self, message: Message) -> None:
        """Deliver news."""
        self._put(message)

    async def collect(self, stop: str) -> list[Message]:
        """Hand over what arrived, after a short wait when nothing did; `stop` is why the session ends, for workers."""
        self._stop = stop or self._stop
        try:
            await asyncio.wait_for(self._arrived.wait(), _LONGEST_QUIET_S)
        except TimeoutError:
            return []
        self._arrived.clear()
        messages, self._messages = self._messages, []
        return messages

    async def answer(self, identity: str, outcome: Outcome) -> None:
        """Pass an answer on; one whose worker is gone is dropped."""
        waiting = self._waiting.get(identity)
        if waiting is not None and not waiting.done():
            waiting.set_result(outcome)

    async def stop_reason(self) -> str:
        """Why the session ends; empty while it runs."""
        return self._stop

    def _put(self, message: Message) -> None:
        self._messages.append(message)
        self._arrived.set()
