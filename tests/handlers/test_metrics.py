"""What /metrics says, and to whom."""

import re
from pathlib import Path

import httpx
import structlog

from handlers.logs import count_alarms
from sandbox.app import Sandbox
from server.metrics import Metrics
from tests.faults.processes import a_free_port
from tests.handlers.test_scenes import v3_settings
from tests.people import Person, a_client
from tests.running import Daifu, start_daifu


def value_of(text: str, series: str) -> float:
    """Return the value of this series; NaN if it is not there."""
    match = re.search(rf"^{re.escape(series)} (\S+)$", text, re.MULTILINE)
    return float(match[1]) if match else float("nan")


async def metrics_of(url: str) -> str:
    async with a_client(url) as http:
        answer = await http.get("/metrics")
    assert answer.status_code == 200
    return answer.text


async def test_a_payment_is_measured_from_wechat_to_the_page_once(
    daifu: Daifu, initiator: Person, friend: Person, wechat_control: httpx.AsyncClient
) -> None:
    order_id = (await initiator.place_order())["order_id"]
    pages = [await initiator.watch(order_id), await friend.watch(order_id)]
    out_trade_no = await friend.start_payment(order_id)

    await wechat_control.post("/_sim/pay", json={"out_trade_no": out_trade_no})
    for page in pages:
        await page.until_state("PAID")

    text = await metrics_of(daifu.url)
    assert value_of(text, "daifu_watchers") == 2
    assert value_of(text, "daifu_paid_to_frame_seconds_count") == 1
    assert value_of(text, 'daifu_paid_to_frame_seconds_bucket{le="5.0"}') == 1
    assert value_of(text, "daifu_frames_total") >= 4
    assert order_id not in text


async def test_what_comes_through_a_proxy_is_told_nothing(daifu: Daifu) -> None:
    async with a_client(daifu.url) as http:
        for header in ("X-Forwarded-For", "Forwarded"):
            assert (await http.get("/metrics", headers={header: "127.0.0.1"})).status_code == 404


async def test_with_a_port_of_its_own_it_is_there_and_nowhere_else(
    wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path
) -> None:
    port = a_free_port()
    merchant = (await wechat_control.get("/_sim/merchant")).json()
    server = await start_daifu(data_dir=tmp_path, wechat_url=wechat.url, merchant=merchant, metrics_port=port)
    try:
        assert "daifu_loop_lag_seconds_count" in await metrics_of(f"http://127.0.0.1:{port}")
        async with a_client(server.url) as http, a_client(f"http://127.0.0.1:{port}") as own:
            assert (await http.get("/metrics")).status_code == 404
            assert (await own.get("/healthz")).status_code == 404
    finally:
        await server.aclose()


async def test_what_the_relay_did_and_wechat_was_asked_is_counted(
    daifu: Daifu, initiator: Person, friend: Person, wechat_control: httpx.AsyncClient
) -> None:
    order_id = (await initiator.place_order())["order_id"]
    page = await initiator.watch(order_id)
    await wechat_control.post("/_sim/faults", json={"target": "notify", "kind": "drop"})
    await wechat_control.post("/_sim/pay", json={"out_trade_no": await friend.start_payment(order_id)})
    await page.until_state("PAID")
    await initiator.http.post(f"/api/orders/{order_id}/refund", json={})
    await page.until_state("REFUNDED")

    text = await metrics_of(daifu.url)
    assert value_of(text, "daifu_payments_found_total") == 1
    assert value_of(text, 'daifu_effects_total{kind="refund",outcome="done"}') == 1
    assert value_of(text, 'daifu_refunds_total{state="SUCCESS"}') == 1
    assert value_of(text, 'daifu_wechat_calls_total{call="unifiedorder",outcome="answered"}') == 1


async def test_certificates_in_use_tell_how_long_they_are_good_for(
    wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path
) -> None:
    await wechat_control.post("/_sim/keys", json={"platform": "certificate"})
    merchant = (await wechat_control.get("/_sim/merchant")).json()
    certificate = tmp_path / "apiclient_cert.pem"
    certificate.write_text(merchant["certificate_pem"])
    settings = {**v3_settings(merchant, tmp_path), "wechat_mch_cert_file": str(certificate)}
    server = await start_daifu(data_dir=tmp_path, wechat_url=wechat.url, merchant=merchant, **settings)
    text = await metrics_of(server.url)
    await server.aclose()

    for whose in ("merchant", "platform"):
        assert 1824 < value_of(text, f'daifu_certificate_days_left{{whose="{whose}"}}') <= 1825


def test_every_critical_line_is_counted_as_an_alarm() -> None:
    metrics = Metrics()
    before = structlog.get_config()
    count_alarms(metrics)
    try:
        structlog.get_logger().critical("bill_differs", day="2026-11-20")
        structlog.get_logger().error("no_alarm")
    finally:
        structlog.configure(**before)

    assert value_of(metrics.text().decode(), 'daifu_alarms_total{event="bill_differs"}') == 1
    assert b"no_alarm" not in metrics.text()
