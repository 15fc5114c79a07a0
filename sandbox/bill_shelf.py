"""Bills that wait to be fetched, five minutes by the simulator's clock; a restart forgets them."""

import secrets
from dataclasses import dataclass
from typing import Final

from sandbox.clock import Clock

TOKEN_LIFE_MS: Final = 5 * 60 * 1000


@dataclass(frozen=True)
class Shelved:
    """The file as it is sent; an empty `content_type` means text."""

    content: bytes
    content_type: str


class BillShelf:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._files: dict[str, tuple[Shelved, float]] = {}

    def put(self, file: Shelved) -> str:
        """Return the token that fetches the file; those that have run out are cleared away."""
        now_ms = self._clock.now_ms()
        self._files = {token: entry for token, entry in self._files.items() if now_ms < entry[1]}
        token = secrets.token_urlsafe(48)
        self._files[token] = (file, now_ms + TOKEN_LIFE_MS)
        return token

    def get(self, token: str) -> Shelved | None:
        file, until_ms = self._files.get(token, (None, 0.0))
        return file if self._clock.now_ms() < until_ms else None
