"""`python run.py webhooks …`: the log of webhooks, read and changed beside a server that may be running."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime

import click

from operator_commands.reach import NothingDone
from server.bootstrap import SystemClock, open_deliveries
from server.domain.delivery import Delivery, DeliveryState
from server.errors import ConfigError, DeliveryNotFound, StoreError
from server.usecases.resend_webhook import resend_parked, resend_webhook
from settings import load_settings


@click.group()
def webhooks() -> None:
    """What the merchant's endpoints were told, and what they still have to hear."""


@webhooks.command("list")
@click.option("--state", type=click.Choice([*DeliveryState]), help="Only these.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
def list_webhooks(state: str | None, limit: int) -> None:
    """The newest deliveries, newest first."""
    try:
        found = asyncio.run(_latest(None if state is None else DeliveryState(state), limit))
    except (ConfigError, StoreError) as error:
        raise NothingDone(str(error)) from None
    for delivery in found:
        click.echo(" ".join(_words(delivery)))


@webhooks.command()
@click.argument("delivery_id")
def resend(delivery_id: str) -> None:
    """Send one again, whatever became of it: the same event, under the same id."""
    try:
        asyncio.run(_resend(delivery_id))
    except (ConfigError, StoreError, DeliveryNotFound) as error:
        raise NothingDone(str(error)) from None
    click.echo(f"{delivery_id} is due now: a running server sends it within a second.")


@webhooks.command("resend-parked")
@click.argument("endpoint")
def resend_all_parked(endpoint: str) -> None:
    """Send everything again that ENDPOINT (host and port, as the list names it) missed for good."""
    try:
        count = asyncio.run(_resend_parked(endpoint))
    except (ConfigError, StoreError) as error:
        raise NothingDone(str(error)) from None
    click.echo(f"{count} deliveries to {endpoint} are due now.")


async def _latest(state: DeliveryState | None, limit: int) -> Sequence[Delivery]:
    async with open_deliveries(load_settings()) as deliveries:
        return await deliveries.latest(state=state, limit=limit)


async def _resend(delivery_id: str) -> None:
    async with open_deliveries(load_settings()) as deliveries:
        await resend_webhook(delivery_id, deliveries=deliveries, clock=SystemClock())


async def _resend_parked(endpoint: str) -> int:
    async with open_deliveries(load_settings()) as deliveries:
        return await resend_parked(endpoint, deliveries=deliveries, clock=SystemClock())


def _words(delivery: Delivery) -> Iterator[str]:
    yield _time(delivery.created_at_ms)
    yield f"{delivery.state:9}"
    yield f"{delivery.event:15}"
    yield delivery.delivery_id
    yield f"tries={delivery.tries}"
    if delivery.reason:
        yield delivery.reason
    if delivery.due_at_ms is not None:
        yield f"next={_time(delivery.due_at_ms)}"


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000).astimezone().isoformat(timespec="seconds")
