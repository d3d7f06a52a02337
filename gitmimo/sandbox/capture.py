"""Output of a command in bounded memory: its beginning and its end, whatever lies between."""

from collections import deque


class HeadTailBuffer:
    """Keeps the first and the last half of `limit` bytes; a limit of 0 keeps all."""

    def __init__(self, limit: int) -> None:
        self.total = 0
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self._head_limit = limit // 2 if limit else 1 << 62
        self._tail_limit = limit - limit // 2

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self.total += len(chunk)
        room = self._head_limit - len(self._head)
        if room > 0:
            self._head += chunk[:room]
            chunk = chunk[room:]
        if not chunk:
            return
        self._tail.append(chunk)
        self._tail_size += len(chunk)
        while self._tail_size - len(self._tail[0]) >= self._tail_limit:
            self._tail_size -= len(self._tail.popleft())

    @property
    def left_out(self) -> int:
        """How many bytes between head and tail are gone."""
        return max(0, self.total - len(self._head) - self._tail_limit)

    def text(self) -> str:
        """What was kept, as text, with a line in the middle that says how much is missing."""
        tail = b"".join(self._tail)
        if not self.left_out:
            return (bytes(self._head) + tail).decode("utf-8", "replace")
        tail = tail[len(tail) - self._tail_limit :]
        return (
            bytes(self._head).decode("utf-8", "replace")
            + f"\n[... {self.left_out} bytes left out ...]\n"
            + tail.decode("utf-8", "replace")
        )
