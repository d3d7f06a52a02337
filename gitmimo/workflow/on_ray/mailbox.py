"""Where workers reach the driver: an actor on the driver's node that keeps letters until they are read."""

import asyncio

from gitmimo.workflow.on_ray.letters import Letter, Outcome

_LONGEST_QUIET_S = 0.25


class Mailbox:
    """A Ray actor. Workers ask and tell, the driver collects and answers; both can go at any time."""

    def __init__(self) -> None:
        self._letters: list[Letter] = []
        self._waiting: dict[str, asyncio.Future[Outcome]] = {}
        self._arrived = asyncio.Event()
        self._stop = ""

    async def ask(self, letter: Letter) -> Outcome:
        """Deliver a question and wait for its answer."""
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting[letter.identity] = answer
        self._put(letter)
        try:
            return await answer
        finally:
            self._waiting.pop(letter.identity, None)

    async def tell(self, letter: Letter) -> None:
        """Deliver news."""
        self._put(letter)

    async def collect(self, stop: str) -> list[Letter]:
        """Hand over what arrived, after a short wait when nothing did; `stop` is why the session ends, for workers."""
        self._stop = stop or self._stop
        try:
            await asyncio.wait_for(self._arrived.wait(), _LONGEST_QUIET_S)
        except TimeoutError:
            return []
        self._arrived.clear()
        letters, self._letters = self._letters, []
        return letters

    async def answer(self, identity: str, outcome: Outcome) -> None:
        """Pass an answer on; one whose worker is gone is dropped."""
        waiting = self._waiting.get(identity)
        if waiting is not None and not waiting.done():
            waiting.set_result(outcome)

    async def stop_reason(self) -> str:
        """Why the session ends; empty while it goes on."""
        return self._stop

    def _put(self, letter: Letter) -> None:
        self._letters.append(letter)
        self._arrived.set()
