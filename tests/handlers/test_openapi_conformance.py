"""Requests that somebody made up from the API's description, right ones and wrong ones: every answer is described."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from sandbox.app import Sandbox
from tests.handlers.merchants import MerchantServer, a_key
from tests.people import PATIENCE_S, Person
from tests.running import Daifu, start_daifu

CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# Few of each, because there are some forty operations; `make fuzz-api` makes up many.
EXAMPLES: Final = max(1, hypothesis_settings().max_examples // 20)
STRANGER_ID: Final = "01HZX000000000000000000000"
NO_LIMITS: Final[dict[str, Any]] = {
    f"rate_{kind}_per_min": 0 for kind in ("orders", "payments", "guest_payments", "logins", "merchant")
}


@dataclass(frozen=True)
class World:
    """Who may ask here, by cookie or key, and what there is to ask for."""

    url: str
    proofs: Sequence[tuple[dict[str, str], dict[str, str]]]
    order_ids: Sequence[str]
    out_trade_nos: Sequence[str]


@pytest.fixture
async def world(wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path) -> AsyncIterator[World]:
    """An order that waits for 小明, one that he has paid, and one of the merchant's."""
    key, line = a_key("shop")
    merchant = (await wechat_control.get("/_sim/merchant")).json()
    daifu = await start_daifu(
        data_dir=tmp_path, wechat_url=wechat.url, merchant=merchant, merchant_api_keys=line, **NO_LIMITS
    )
    async with Person("小红", daifu.url) as initiator, Person("小明", daifu.url) as friend:
        shop = MerchantServer(daifu.url, key)
        yield await _furnish(daifu, initiator, friend, shop, wechat_control)
        await shop.http.aclose()
    await daifu.aclose()


async def _furnish(
    daifu: Daifu, initiator: Person, friend: Person, shop: MerchantServer, wechat_control: httpx.AsyncClient
) -> World:
    for person in (initiator, friend):
        await person.log_in()
    order_ids = [(await initiator.place_order())["order_id"] for _ in range(2)]
    order_ids.append((await shop.placed())["order_id"])
    out_trade_nos = [await friend.start_payment(order_id) for order_id in order_ids[:2]]
    await wechat_control.post("/_sim/pay", json={"out_trade_no": out_trade_nos[1]})
    return World(
        url=daifu.url,
        proofs=[
            ({}, dict(initiator.http.cookies)),
            ({}, dict(friend.http.cookies)),
            ({"Authorization": shop.http.headers["Authorization"]}, {}),
            ({}, {}),
        ],
        order_ids=order_ids,
        out_trade_nos=out_trade_nos,
    )


# Hypothesis sees the server, in the loop of this same process, throw its dice for pauses and jitter.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module:hypothesis.errors.HypothesisDeprecationWarning")
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
async def test_no_request_gets_an_answer_that_is_not_described(world: World, mode: GenerationMode) -> None:
    async with httpx.AsyncClient(trust_env=False, verify=False) as http:
        schema = schemathesis.openapi.from_dict((await http.get(f"{world.url}/openapi.json")).json())

    await asyncio.to_thread(_ask_everything, schema, world, mode)


def _ask_everything(schema: Any, world: World, mode: GenerationMode) -> None:
    asked = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        if mode is GenerationMode.NEGATIVE and not _can_be_asked_wrongly(operation):
            continue
        _ask(operation, world, mode)
        asked += 1
    assert asked > 25


def _can_be_asked_wrongly(operation: Any) -> bool:
    return any((operation.path_parameters, operation.query, operation.headers, operation.body))


def _ask(operation: Any, world: World, mode: GenerationMode) -> None:
    @seed(20261122)
    @hypothesis_settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        case=operation.as_strategy(generation_mode=mode),
        proof=st.sampled_from(world.proofs),
        order_id=st.sampled_from([*world.order_ids, STRANGER_ID]),
        out_trade_no=st.sampled_from(world.out_trade_nos),
    )
    def ask(case: Case[Any], proof: tuple[dict[str, str], dict[str, str]], order_id: str, out_trade_no: str) -> None:
        _aim(case, order_id, out_trade_no)
        headers, cookies = proof
        case.headers.pop("Authorization", None)
        case.cookies.clear()
        response = case.call(base_url=world.url, headers=headers, cookies=cookies, timeout=PATIENCE_S)
        case.validate_response(response, checks=CHECKS)

    ask()


def _aim(case: Case[Any], order_id: str, out_trade_no: str) -> None:
    """Ask for what is there: nobody guesses an order's id. What would go on for long asks for what is not."""
    aims = {"order_id": order_id, "number": order_id, "out_trade_no": out_trade_no}
    if case.path.endswith("/events"):
        aims["order_id"] = STRANGER_ID
    case.path_parameters.update({name: aim for name, aim in aims.items() if name in case.path_parameters})
    case.query.pop("wait", None)
