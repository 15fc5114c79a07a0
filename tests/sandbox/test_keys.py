"""Keys: what a client is told of them, what is changed in the merchant platform, and that a restart keeps it all."""

from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from sandbox.app import start
from tests.sandbox.rig import FAIL, SUCCESS, Rig, a_shop, rig_at
from tests.sandbox.v3_rig import V3Merchant, certificate_in, is_rightly_signed, public_key_of


@pytest.fixture
async def merchant(rig: Rig) -> V3Merchant:
    return V3Merchant(rig)


async def change(rig: Rig, **asked: object) -> None:
    """Change keys and let the rig know them."""
    response = await rig.http.post("/_sim/keys", json=asked)
    assert response.status_code == 200, response.text
    rig.merchant = response.json()


async def certificates(merchant: V3Merchant) -> list[dict[str, Any]]:
    answer = await merchant.send("GET", "/v3/certificates")
    assert answer.status_code == 200, answer.text
    data: list[dict[str, Any]] = answer.json()["data"]
    return data


def test_a_client_is_told_all_it_needs(rig: Rig) -> None:
    told = rig.merchant
    certificate = x509.load_pem_x509_certificate(told["certificate_pem"].encode())
    private_key: Any = load_pem_private_key(told["private_key_pem"].encode(), password=None)

    assert f"{certificate.serial_number:X}" == told["serial_no"]
    assert certificate.public_key() == private_key.public_key()
    assert len({told["appid"], told["miniprogram_appid"], told["open_appid"]}) == 3
    assert [len(told[name]) for name in ("api_key", "api_v3_key", "miniprogram_secret", "serial_no")] == [
        32,
        32,
        32,
        40,
    ]
    assert told["platform"]["public_key_id"].startswith("PUB_KEY_ID_")
    assert "BEGIN PUBLIC KEY" in told["platform"]["public_key_pem"]


async def test_a_merchant_with_a_public_key_has_no_certificates(rig: Rig, merchant: V3Merchant) -> None:
    answer = await merchant.send("GET", "/v3/certificates")

    assert (answer.status_code, answer.json()["code"]) == (404, "RESOURCE_NOT_EXISTS")
    assert is_rightly_signed(public_key_of(rig), answer.headers, answer.content)


async def test_a_renewed_certificate_signs_while_the_former_is_still_given_out(rig: Rig, merchant: V3Merchant) -> None:
    await change(rig, platform="certificate")
    await change(rig, certificate="renew")
    listed = await certificates(merchant)
    answer = await merchant.send("GET", "/v3/certificates")
    opened = [certificate_in(entry["encrypt_certificate"], rig.merchant["api_v3_key"]) for entry in listed]

    assert [entry["serial_no"] for entry in listed] == rig.merchant["platform"]["certificate_serials"]
    assert [f"{certificate.serial_number:X}" for certificate in opened] == [entry["serial_no"] for entry in listed]
    assert answer.headers["Wechatpay-Serial"] == listed[0]["serial_no"]
    assert is_rightly_signed(opened[0].public_key(), answer.headers, answer.content)
    assert not is_rightly_signed(opened[1].public_key(), answer.headers, answer.content)


async def test_notifies_move_to_the_public_key_by_the_percent(rig: Rig, merchant: V3Merchant) -> None:
    serials = []
    moves: list[dict[str, object]] = [
        {"platform": "certificate"},
        {"public_key_percent": 100},
        {"public_key_percent": 0},
    ]
    for n, asked in enumerate(moves):
        await change(rig, **asked)
        number = f"ORDER00000{n}"
        await merchant.send("POST", "/v3/pay/transactions/native", merchant.order_body(out_trade_no=number))
        await rig.paid(number)
        serials.append((await rig.shop.wait_for_letters(n + 1))[n][0]["Wechatpay-Serial"])

    platform = rig.merchant["platform"]
    assert serials == [
        platform["certificate_serials"][0],
        platform["public_key_id"],
        platform["certificate_serials"][0],
    ]


async def test_another_v2_key_signs_at_once_also_what_is_still_to_be_sent(rig: Rig) -> None:
    rig.shop.reply = FAIL
    await rig.ordered()
    await rig.paid()
    await rig.pending_of(2)
    former = rig.merchant
    await change(rig, api_key="k" * 32)
    rig.shop.reply = SUCCESS
    await rig.advance(15)
    _, second = await rig.shop.wait_for(2)

    assert (await rig.query())["trade_state"] == "SUCCESS"  # `call` checks the answer's signature by the new key
    assert rig.signed(second)["sign"] == second["sign"]
    rig.merchant = former
    assert (await rig.query())["return_msg"] == "签名错误"


async def test_another_v3_key_seals_the_next_notify(rig: Rig, merchant: V3Merchant) -> None:
    await change(rig, api_v3_key=None)
    await merchant.paid()
    await rig.shop.wait_for_letters()

    assert (await merchant.heard())["resource"]["trade_state"] == "SUCCESS"


@pytest.mark.parametrize(
    "asked",
    [
        {"api_key": "short"},
        {"api_v3_key": 7},
        {"platform": "none"},
        {"platform": ["certificate"]},
        {"public_key_percent": 101},
        {"public_key_percent": True},
        {"certificate": "old"},
        {"api_kye": None},
    ],
)
async def test_what_is_wrong_changes_nothing_and_is_named(rig: Rig, asked: dict[str, object]) -> None:
    response = await rig.http.post("/_sim/keys", json=asked)

    assert (response.status_code, response.json()["error"]["code"]) == (400, "bad_keys")
    assert next(iter(asked)) in response.json()["error"]["message"]
    assert (await rig.http.get("/_sim/merchant")).json() == rig.merchant


async def test_a_restart_keeps_keys_orders_payers_and_undelivered_notifies(tmp_path: Path) -> None:
    async with a_shop() as shop:
        shop.v3_status = 500
        sandbox = await start(data_dir=tmp_path)
        async with rig_at(sandbox.url, shop) as before:
            await change(before, platform="certificate", public_key_percent=30, certificate="renew", api_v3_key=None)
            merchant = V3Merchant(before)
            await merchant.send("POST", "/v3/pay/transactions/native", merchant.order_body())
            await before.pay(out_trade_no="ORDER000001", outcome="cancel", openid=await before.openid("老王"))
            await before.pay(out_trade_no="ORDER000001")
            await before.pending_of(2)
            ledger = await before.ledger()
        await sandbox.aclose()

        shop.v3_status = 204
        sandbox = await start(data_dir=tmp_path)
        async with rig_at(sandbox.url, shop) as after:
            assert after.merchant == before.merchant
            assert await after.ledger() == ledger
            assert ledger["orders"][0]["openid"] == await after.openid("老王")
            await after.advance(15)
            await shop.wait_for_letters(2)
            assert (await V3Merchant(after).query())["trade_state"] == "SUCCESS"
            await after.pending_of()
        await sandbox.aclose()
