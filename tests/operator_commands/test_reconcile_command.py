"""`run.py reconcile`: what it prints, what it writes, how it ends."""

import asyncio
import csv
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

from handlers.operator import Reconciled, ReconcileDay
from handlers.operator_socket import OperatorSocket
from operator_commands.reach import ask_server
from operator_commands.reconcile import Exit, reconcile
from sandbox.app import Sandbox
from server.bootstrap import Services, build
from server.domain.bill import BillDay
from server.domain.document import OrderState, Payment
from server.domain.events import Evidence, PaymentConfirmed, PaymentUnpaid
from server.errors import ConfigError
from settings import Settings, load_settings
from tests.running import SESSION_SECRET
from tests.usecases.relay_rig import NOBODY, RelayRig

NOON_MS = 12 * 3_600_000


@pytest.fixture
async def settings(wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path) -> Settings:
    merchant = (await wechat_control.get("/_sim/merchant")).json()
    return load_settings(
        _env_file=None,
        public_url=NOBODY.partition("/wechat")[0],  # no notify is ever delivered
        data_dir=tmp_path,
        session_secrets=SESSION_SECRET,
        wechat_appid=merchant["appid"],
        wechat_app_secret=merchant["app_secret"],
        wechat_mchid=merchant["mch_id"],
        wechat_api_keys=merchant["api_key"],
        wechat_base_urls=wechat.url,
    )


@pytest.fixture
async def services(settings: Settings) -> AsyncIterator[Services]:
    async with aclosing(await build(settings)) as services:
        yield services


@pytest.fixture
async def day(services: Services, wechat_control: httpx.AsyncClient) -> tuple[Services, BillDay, str]:
    """Services on the morning after a day on which one order was paid, unheard; and the order's id."""
    rig = RelayRig(services.store, services.deliveries, services.gateway, wechat_control)
    services = replace(services, clock=rig.clock)
    day = BillDay.of(rig.clock.now_ms()).earlier(-1)
    await rig.advance((day.start_ms + NOON_MS - rig.clock.now_ms()) / 1000)
    order_id = await rig.place()
    await rig.pay(await rig.press(order_id))
    await rig.advance((day.bill_from_ms - rig.clock.now_ms()) / 1000)
    return services, day, order_id


async def run(settings: Settings, *arguments: str) -> Result:
    """Run the command in the server's folder, and with its merchant where the server is gone."""

    @asynccontextmanager
    async def as_the_server(_: Settings) -> AsyncIterator[Settings]:
        yield settings

    all_arguments = ["--data-dir", str(settings.data_dir), *arguments]
    return await asyncio.to_thread(
        CliRunner().invoke, reconcile, all_arguments, obj=as_the_server, catch_exceptions=False
    )


@pytest.fixture
async def server(day: tuple[Services, BillDay, str]) -> AsyncIterator[None]:
    """The running server's ear for commands; it is the morning after the day."""
    async with aclosing(OperatorSocket(day[0])):
        yield


async def test_a_dry_run_shows_what_differs_and_changes_nothing(
    server: None, settings: Settings, day: tuple[Services, BillDay, str], tmp_path: Path
) -> None:
    services, the_day, order_id = day
    before = await services.store.get(order_id)

    result = await run(settings, "--dry-run", "--csv", str(tmp_path / "differences.csv"))

    assert result.exit_code == Exit.PERSON
    assert result.stdout.startswith(f"{the_day}: 1 rows of the bill against 1 orders here\n")
    assert before.payments[0].out_trade_no in result.stdout
    with (tmp_path / "differences.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    said = [row[name] for name in ("day", "difference", "cure", "outcome", "here_fen", "there_fen")]
    assert said == [str(the_day), "not_paid_here", "query_payment", "left", "", "100"]
    assert row["out_trade_no"] == before.payments[0].out_trade_no
    assert await services.store.get(order_id) == before
    assert await services.reconciliations.newest(limit=1) == []


async def test_what_is_cured_ends_well_is_kept_and_differs_no_more(
    server: None, settings: Settings, day: tuple[Services, BillDay, str]
) -> None:
    services, the_day, order_id = day

    first, second = await run(settings), await run(settings, "--date", str(the_day))

    assert "orders" in first.stderr
    assert "differences" in first.stderr
    assert (first.exit_code, second.exit_code) == (Exit.EQUAL, Exit.EQUAL)
    assert "No difference." in second.stdout
    assert (await services.store.get(order_id)).state is OrderState.PAID
    assert [report.day for report in await services.reconciliations.newest(limit=9)] == [str(the_day)]


async def test_the_running_server_tells_how_far_it_is_while_it_is_at_it(
    settings: Settings, day: tuple[Services, BillDay, str]
) -> None:
    """Only the command alone with its file drew a bar; beside a server it was silent for minutes."""
    services, the_day, _ = day
    told: list[tuple[str, int, int]] = []
    heard, at_the_cure, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def tell(stage: str, done: int, total: int) -> None:
        told.append((stage, done, total))
        heard.set()

    class Slow:
        def __getattr__(self, name: str) -> object:
            return getattr(services.gateway, name)

        async def query(self, payment: Payment, *, evidence: Evidence) -> PaymentConfirmed | PaymentUnpaid:
            at_the_cure.set()
            await go_on.wait()
            return await services.gateway.query(payment, evidence=evidence)

    slow = replace(services, gateway=Slow())  # type: ignore[arg-type]
    async with aclosing(OperatorSocket(slow)), asyncio.timeout(10):
        asked = ReconcileDay(the_day, is_dry_run=False)
        asking = asyncio.create_task(ask_server(asked, settings, told=tell))
        await at_the_cure.wait()
        await heard.wait()
        assert not asking.done()
        assert {stage for stage, _, _ in told} == {"orders"}
        go_on.set()
        assert isinstance(await asking, Reconciled)

    assert told[-1] == ("differences", 1, 1)


async def test_a_server_that_breaks_off_half_way_gave_no_answer(
    settings: Settings, day: tuple[Services, BillDay, str]
) -> None:
    services, the_day, _ = day

    class Ending:
        def __getattr__(self, name: str) -> object:
            return getattr(services.gateway, name)

        async def query(self, payment: Payment, *, evidence: Evidence) -> PaymentConfirmed | PaymentUnpaid:
            await socket.aclose()
            return await services.gateway.query(payment, evidence=evidence)

    socket = OperatorSocket(replace(services, gateway=Ending()))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="broke off"):
        await ask_server(ReconcileDay(the_day, is_dry_run=False), settings)


async def test_what_a_person_has_to_see_to_ends_with_one(
    server: None, settings: Settings, wechat_control: httpx.AsyncClient
) -> None:
    strange = {"target": "downloadbill", "kind": "extra", "out_trade_no": "\x1b[31mSTRANGE"}
    (await wechat_control.post("/_sim/faults", json=strange)).raise_for_status()

    result = await run(settings)

    assert result.exit_code == Exit.PERSON
    assert "unknown_payment" in result.stdout
    assert "\x1b[31m" not in result.stdout


async def test_a_file_that_cannot_be_written_is_said_after_the_work_was_done(
    server: None, settings: Settings, day: tuple[Services, BillDay, str], tmp_path: Path
) -> None:
    services, _, order_id = day

    result = await run(settings, "--csv", str(tmp_path / "absent" / "x.csv"))

    assert result.exit_code == Exit.NOT_DONE
    assert "cannot be written" in result.stderr
    assert (await services.store.get(order_id)).state is OrderState.PAID


@pytest.mark.parametrize("has_server", [True, False])
async def test_a_day_without_its_bill_yet_is_not_done_here_or_there(
    has_server: bool, services: Services, settings: Settings
) -> None:
    if has_server:
        async with aclosing(OperatorSocket(services)):
            result = await run(settings, "--date", "2100-01-01")
    else:
        await services.aclose()
        result = await run(settings, "--date", "2100-01-01")

    assert result.exit_code == Exit.NOT_DONE
    assert result.stderr.endswith("there is one from 10:00 the next morning in Beijing.\n")


async def test_a_folder_without_orders_is_not_done(settings: Settings) -> None:
    result = await run(settings)

    assert result.exit_code == Exit.NOT_DONE
    assert "daifu.db is not there" in result.stderr
