"""Whom a command asks: the running server where nobody else may change an order, else the stores themselves."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from pathlib import Path
from typing import IO, Any, Final, TypeVar

import click
import httpx
from msgspec import json

from handlers.operator import Answer, Asked, Progress, Refusal, carry_out
from handlers.operator_socket import SOCKET_FILE
from server.bootstrap import SQLITE_FILE, Services, build
from server.errors import ConfigError
from server.usecases.reconcile import Told, told_nobody
from settings import Settings, load_settings

# Queries one attempt after the other, each as long as WeChat may take; and from one line to the next.
ANSWER_S: Final = 300

# Completes settings with a merchant for as long as a command runs.
Complete = Callable[[Settings], AbstractAsyncContextManager[Settings]]

_said: Final[json.Decoder[Answer | Progress]] = json.Decoder(Answer | Progress)

T = TypeVar("T", bound=Answer)

data_dir_option = click.option("--data-dir", type=click.Path(path_type=Path), help="The server's folder (DATA_DIR).")


class NothingDone(click.ClickException):
    """Ends the program with this sentence and exit code 1."""

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"Nothing was done: {self.message}.", file=file, err=True)


class Desk:
    """Where one command takes its question; made by the group, handed to its commands."""

    def __init__(self, complete: Complete, data_dir: Path | None) -> None:
        self._complete = complete
        self._overrides = {} if data_dir is None else {"data_dir": data_dir}

    def ask(self, asked: Asked, kind: type[T]) -> T:
        """
        Return the answer, of this kind.

        Raises:
            NothingDone: It was refused, or nobody could be asked.
        """
        try:
            answer = asyncio.run(_reach(asked, load_settings(**self._overrides), self._complete))
        except ConfigError as error:
            raise NothingDone(str(error)) from None
        if isinstance(answer, kind):
            return answer
        raise NothingDone(answer.sentence if isinstance(answer, Refusal) else "the running daifu is another version")


async def _reach(asked: Asked, settings: Settings, complete: Complete) -> Answer:
    answer = await ask_server(asked, settings)
    if answer is not None:
        return answer
    async with own_services(settings, complete) as services:
        return await carry_out(asked, services)


async def ask_server(asked: Asked, settings: Settings, *, told: Told = told_nobody) -> Answer | None:
    """
    Return the running server's answer; None if none is running, or if it need not be asked.

    Args:
        told: Hears how far it has come, where it says so.

    Raises:
        ConfigError: It gave none.
    """
    # Servers that share their stores hear of what is changed beside them; one that is alone has to change it itself.
    return await _ask_server(asked, settings.data_dir / SOCKET_FILE, told) if settings.is_alone else None


@asynccontextmanager
async def own_services(settings: Settings, complete: Complete) -> AsyncIterator[Services]:
    """
    Yield services of this process's own.

    Raises:
        ConfigError: There is no store at this place, or it is not usable.
    """
    path = settings.data_dir / SQLITE_FILE
    if not settings.mongodb_url.get_secret_value() and not path.exists():  # or an empty one would be made
        raise ConfigError(f"{path} is not there: name the server's folder with --data-dir")
    async with complete(settings) as completed, aclosing(await build(completed)) as services:
        yield services


async def _ask_server(asked: Asked, path: Path, told: Told) -> Answer | None:
    """Return the running server's answer, None if none is running."""
    transport = httpx.AsyncHTTPTransport(uds=str(path))
    async with httpx.AsyncClient(transport=transport, timeout=ANSWER_S, trust_env=False) as http:
        try:
            async with http.stream("POST", "http://daifu/", content=json.encode(asked)) as response:
                if response.status_code != httpx.codes.OK:
                    raise ConfigError(f"the running daifu answered {response.status_code}: its log says why")
                return await _last_word(response.aiter_lines(), told)
        except httpx.ConnectError:
            return None
        except httpx.HTTPError as error:
            raise ConfigError(
                f"the running daifu broke off ({type(error).__name__}): look what became of it"
            ) from error


async def _last_word(lines: AsyncIterator[str], told: Told) -> Answer:
    async for line in lines:
        said = _said.decode(line)
        if not isinstance(said, Progress):
            return said
        told(said.stage, said.done, said.total)
    raise ConfigError("the running daifu broke off before its answer: look what became of it")
