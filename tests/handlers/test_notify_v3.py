"""API v3's notifies at the door: believed only rightly signed, counted by reason, and never mixed with API v2's."""

import json
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from sandbox.app import Sandbox
from server.domain.effects import EffectKind
from server.domain.events import RefundRequested
from server.domain.order import apply
from server.errors import StoreUnavailable
from tests.handlers.forged_notifies import Forger, check_refused
from tests.people import a_client
from tests.running import Daifu, start_daifu
from tests.stored import stored
from tests.wechat.v3_vectors import SERIAL_NO, T10_KEY, T12_SIGNATURE, sample_key
from tests.wechat.v3_wire import KEY_ID, OTHER_V3_KEY, TRANSACTION, a_v3_notify, certificate_key, signed_headers


@pytest.fixture
async def daifu(wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path) -> AsyncIterator[Daifu]:
    """daifu that hears both APIs; WeChat's key is the sample key."""
    (tmp_path / "ours.pem").write_bytes(sample_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = sample_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "wechat.pem").write_bytes(public)
    server = await start_daifu(
        data_dir=tmp_path,
        wechat_url=wechat.url,
        merchant=(await wechat_control.get("/_sim/merchant")).json(),
        wechat_api_v3_keys=T10_KEY,
        wechat_mch_serial=SERIAL_NO,
        wechat_mch_private_key_file=str(tmp_path / "ours.pem"),
        wechat_public_keys=f"{KEY_ID}={tmp_path / 'wechat.pem'}",
    )
    yield server
    await server.aclose()


@dataclass(frozen=True)
class V3Forger:
    """Has WeChat's own key."""

    daifu: Daifu
    v2: Forger

    def body(self, **changes: Any) -> bytes:
        """Return the notify of 小明's payment, some of it changed."""
        mine = {
            "appid": self.v2.merchant["appid"],
            "mchid": self.v2.merchant["mch_id"],
            "out_trade_no": self.v2.out_trade_no,
            "payer": {"openid": self.v2.openid},
            "amount": {"total": 1800, "currency": "CNY"},
        }
        return a_v3_notify({**TRANSACTION, **mine, **changes})

    async def post(self, body: bytes, headers: Mapping[str, str] | None = None) -> httpx.Response:
        given = signed_headers(body, now_s=int(time.time())) if headers is None else headers
        return await self.v2.http.post("/wechat/notify/v3", content=body, headers=given)

    def counted(self) -> dict[tuple[str, str], int]:
        """Return how many notifies of API v3 were answered so far, by verdict and reason."""
        (metric,) = self.daifu.services.metrics.notifies.collect()
        return {
            (sample.labels["verdict"], sample.labels["reason"]): int(sample.value)
            for sample in metric.samples
            if sample.name.endswith("_total") and sample.labels["route"] == "v3"
        }


@pytest.fixture
def v3(daifu: Daifu, forger: Forger) -> V3Forger:
    return V3Forger(daifu, forger)


def check_v3_refused(answer: httpx.Response, status: int) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.json()["code"] == "FAIL"
    assert set(answer.json()) == {"code", "message"}


async def test_a_payment_is_settled_and_told_again_changes_nothing(daifu: Daifu, v3: V3Forger) -> None:
    body = v3.body()

    first = await v3.post(body)
    order = await daifu.services.store.get(v3.v2.out_trade_no[:26])
    again = await v3.post(body)

    assert (first.status_code, first.content) == (204, b"")
    assert again.status_code == 204
    assert (order.state, order.payments[0].transaction_id) == ("PAID", TRANSACTION["transaction_id"])
    assert (await daifu.services.store.get(order.order_id)).payments == order.payments


async def test_an_answer_without_a_body_is_the_same_with_and_without_a_handler(daifu: Daifu, v3: V3Forger) -> None:
    body = v3.body()
    headers = signed_headers(body, now_s=int(time.time()))
    for path in ("/wechat/notify/v3", "/wechat/notify/v3?through-the-handler"):
        answer = await v3.v2.http.post(path, content=body, headers=headers)
        assert (answer.status_code, answer.content) == (204, b"")
        assert not {"content-type", "content-length"} & set(answer.headers)


async def test_what_is_not_believed_is_refused_stores_nothing_and_is_counted_by_reason(
    daifu: Daifu, v3: V3Forger
) -> None:
    body = v3.body()
    now_s = int(time.time())
    right = signed_headers(body, now_s=now_s)
    respelled = json.dumps(json.loads(body), separators=(",", ":")).encode()
    before = stored(daifu)
    cases: list[tuple[int, str, bytes, Mapping[str, str]]] = [
        (401, "SignatureMismatch", body.replace(b"SUCCESS", b"SUCCESs"), right),
        (401, "SignatureMismatch", respelled, right),
        (401, "SignatureMismatch", body, signed_headers(body, now_s=now_s, key=certificate_key())),
        (401, "SignatureProbe", body, {**right, "Wechatpay-Signature": f"WECHATPAY/SIGNTEST/{T12_SIGNATURE}"}),
        (401, "UnknownSerial", body, {**right, "Wechatpay-Serial": "PUB_KEY_ID_0"}),
        (401, "StaleNotify", body, signed_headers(body, now_s=now_s - 301)),
        (400, "Wechatpay-Nonce", body, {name: right[name] for name in right if name != "Wechatpay-Nonce"}),
        (400, "Wechatpay-Timestamp", body, {}),
        (401, "SealBroken", *self_signed(a_v3_notify(key=OTHER_V3_KEY))),
        (401, "mchid", *self_signed(v3.body(mchid="1900000001"))),
        (401, "appid", *self_signed(v3.body(appid="wx0000000000000000"))),
        (400, "trade_state", *self_signed(v3.body(trade_state="NOTPAY"))),
        (400, "event_type", *self_signed(b"{}")),
    ]
    for status, reason, content, headers in cases:
        verdict = ("malformed" if status == 400 else "refused", reason)
        counted = v3.counted()
        check_v3_refused(await v3.post(content, headers), status)
        now = v3.counted()
        assert now.get(verdict) == counted.get(verdict, 0) + 1, (reason, now)

    assert stored(daifu) == before
    assert (await v3.post(body, right)).status_code == 204


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"amount": {"total": 1, "currency": "CNY"}}, "AmountMismatch"),
        ({"amount": {"total": 1800, "currency": "USD"}}, "AmountMismatch"),
        ({"payer": {"openid": "somebody-else"}}, "PayerMismatch"),
        ({"out_trade_no": "01K75X8QZ3M4N5P6R7S8T9V0WA001"}, "OrderNotFound"),
    ],
)
async def test_what_contradicts_the_order_is_refused_and_somebody_is_called(
    daifu: Daifu, v3: V3Forger, changes: dict[str, Any], error: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = stored(daifu)

    check_v3_refused(await v3.post(v3.body(**changes)), 409)

    assert stored(daifu) == before
    assert v3.counted()[("contradicts", error)] == 1
    assert any("notify_contradicts" in record.getMessage() for record in caplog.records)


async def test_each_apis_notify_is_refused_at_the_others_door(daifu: Daifu, v3: V3Forger) -> None:
    before = stored(daifu)
    body = v3.body()

    for path in ("pay", "refund"):
        answer = await v3.v2.http.post(
            f"/wechat/notify/{path}", content=body, headers=signed_headers(body, now_s=int(time.time()))
        )
        check_refused(answer, body)
    check_v3_refused(await v3.post(v3.v2.body(), {"Content-Type": "text/xml"}), 400)
    check_v3_refused(await v3.post(v3.v2.body()), 400)  # even if WeChat had signed it

    assert stored(daifu) == before


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"x" * 65_537, 413), (b"", 400), (b"{", 400), (b"[]", 400), (b"<xml></xml>", 400)],
    ids=["oversized", "empty", "cut", "list", "xml"],
)
async def test_what_is_no_notify_at_all_is_answered_in_wechats_shape_as_well(
    daifu: Daifu, v3: V3Forger, content: bytes, status: int
) -> None:
    before = stored(daifu)

    check_v3_refused(await v3.post(content), status)

    assert stored(daifu) == before


async def test_another_method_is_answered_in_wechats_shape_as_well(v3: V3Forger) -> None:
    check_v3_refused(await v3.v2.http.get("/wechat/notify/v3"), 405)


async def test_another_event_is_acknowledged(daifu: Daifu, v3: V3Forger) -> None:
    before = stored(daifu)

    assert (await v3.post(a_v3_notify({}, event_type="PAYSCORE.USER_OPEN_SERVICE"))).status_code == 204
    assert stored(daifu) == before


async def test_the_end_of_a_refund_is_asked_after_at_once(daifu: Daifu, v3: V3Forger) -> None:
    await v3.post(v3.body())
    await daifu.services.relay.aclose()
    order_id = v3.v2.out_trade_no[:26]
    store = daifu.services.store
    before = await store.get(order_id)
    now_ms = daifu.services.clock.now_ms()
    order = apply(before, RefundRequested(), now_ms=now_ms)
    assert await store.replace(order, was_rev=before.rev)
    refund = order.payments[0].refunds[0]
    news = {
        "mchid": v3.v2.merchant["mch_id"],
        "transaction_id": order.payments[0].transaction_id,
        "out_trade_no": v3.v2.out_trade_no,
        "refund_id": "50000408942018111907145868882",
        "out_refund_no": refund.out_refund_no,
        "refund_status": "SUCCESS",
        "amount": {"total": 1800, "refund": 1800, "payer_total": 1800, "payer_refund": 1800},
    }

    assert (await v3.post(a_v3_notify(news, event_type="REFUND.SUCCESS"))).status_code == 204

    kinds = {effect.kind: effect.due_at_ms for effect in (await store.get(order_id)).effects}
    assert kinds[EffectKind.QUERY_REFUND] <= daifu.services.clock.now_ms()


async def test_a_store_that_does_not_answer_has_it_sent_again(
    daifu: Daifu, v3: V3Forger, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unavailable(order_id: str) -> None:
        raise StoreUnavailable("cut off")

    with monkeypatch.context() as patch:
        patch.setattr(daifu.services.store, "get", unavailable)
        check_v3_refused(await v3.post(v3.body()), 503)

    assert (await v3.post(v3.body())).status_code == 204


async def test_without_the_keys_of_api_v3_nothing_is_believed(
    wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path
) -> None:
    merchant = (await wechat_control.get("/_sim/merchant")).json()
    daifu = await start_daifu(data_dir=tmp_path, wechat_url=wechat.url, merchant=merchant)
    try:
        async with a_client(daifu.url) as http:
            check_v3_refused(await http.post("/wechat/notify/v3", content=a_v3_notify()), 401)
    finally:
        await daifu.aclose()


def self_signed(body: bytes) -> tuple[bytes, dict[str, str]]:
    return body, signed_headers(body, now_s=int(time.time()))
