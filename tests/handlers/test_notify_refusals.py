"""What is posted to the notify address and is not to be believed: no SUCCESS, no reason, not a byte stored."""

import sqlite3
from contextlib import closing

from sandbox import flat_xml, signing
from tests.handlers.forged_notifies import FAIL, TRANSACTION_ID, Forger, check_all_refused, check_refused, check_settles
from tests.people import Person
from tests.running import Daifu
from tests.stored import stored


class TestTheSignature:
    async def test_none_but_the_merchants_own_is_believed(self, daifu: Daifu, forger: Forger) -> None:
        fields = forger.fields()
        sign = forger.signed(fields)["sign"]
        md5 = signing.sign(fields, forger.merchant["api_key"], signing.MD5)
        guesses = [
            "",
            "0" * 64,
            "0" * 32,
            sign[:-1],
            sign + "0",
            sign.lower(),
            sign[:63] + ("0" if sign[63] != "0" else "1"),
            sign[:32],
            f" {sign}",
            f"{sign}\n",
            "签" * 64,
            "\uff10" * 64,
            md5,
            "None",
            "null",
            "[]",
            sign * 2,
        ]
        await check_all_refused(
            daifu,
            forger,
            [
                flat_xml.write(fields),
                *(flat_xml.write({**fields, "sign": guess}) for guess in guesses),
                *(flat_xml.write(forger.signed(fields, key=key)) for key in ("x" * 32, "0", forger.merchant["mch_id"])),
                flat_xml.write({**fields, "sign": signing.sign(fields, "", signing.HMAC_SHA256)}),
            ],
        )

    async def test_the_message_does_not_choose_its_algorithm(self, daifu: Daifu, forger: Forger) -> None:
        bodies = []
        for said in ("MD5", "", "md5", "hmac-sha256", "HMAC-SHA512", "SHA256", "none", "RSA"):
            fields = forger.fields(sign_type=said)
            bodies.append(flat_xml.write(forger.signed(fields, sign_type=signing.MD5)))
            if said:
                bodies.append(flat_xml.write(forger.signed(fields, sign_type=signing.HMAC_SHA256)))
        await check_all_refused(daifu, forger, bodies)

    async def test_a_field_changed_added_or_taken_away_breaks_it(self, daifu: Daifu, forger: Forger) -> None:
        fields = forger.signed(forger.fields())
        changed = [{**fields, name: value + "0"} for name, value in fields.items() if name != "return_code"]
        taken = [{name: v for name, v in fields.items() if name != left_out} for left_out in fields]
        added = [{**fields, "attach": "x"}, {**fields, "coupon_fee": "1799"}, {**fields, "zz": "1"}]
        await check_all_refused(daifu, forger, [flat_xml.write(bent) for bent in (*changed, *taken, *added)])

    async def test_a_genuine_one_may_leave_its_algorithm_unsaid(self, daifu: Daifu, forger: Forger) -> None:
        answer = await forger.post(forger.body(sign_type="", future_field="new"))
        assert b"SUCCESS" in answer.content


class TestWhatIsRightlySignedAndYetNotOurs:
    async def test_is_refused_field_by_field(self, daifu: Daifu, forger: Forger, initiator: Person) -> None:
        other = (await initiator.place_order())["order_id"]
        amounts = (
            "1799",
            "1801",
            "0",
            "-1",
            "1800.0",
            "１８００",
            " 1800",
            "1800 ",
            "+1800",
            "1_800",
            "01800",
            "0x708",
        )
        changes: list[dict[str, str]] = [
            *({"total_fee": amount} for amount in amounts),
            {"total_fee": "9" * 30},
            {"total_fee": "1,800"},
            {"total_fee": ""},
            {"fee_type": "USD"},
            {"fee_type": "cny"},
            {"appid": "wx0000000000000000"},
            {"appid": ""},
            {"mch_id": "1000000001"},
            {"mch_id": ""},
            {"sub_mch_id": "1000000001"},
            {"openid": "oForeignForeignForeignForeig"},
            {"openid": ""},
            {"openid": forger.openid.lower()},
            {"trade_type": "MICROPAY"},
            {"trade_type": "APP"},
            {"trade_type": ""},
            {"transaction_id": ""},
            {"transaction_id": "a b"},
            {"time_end": ""},
            {"time_end": "20261399000000"},
            {"time_end": "20260731120000Z"},
            {"out_trade_no": "01HZX000000000000000000000001"},
            {"out_trade_no": f"{other}001"},
            {"out_trade_no": forger.out_trade_no[:-1] + "9"},
            {"out_trade_no": forger.out_trade_no.lower()},
            {"out_trade_no": forger.out_trade_no[:26]},
            {"out_trade_no": "FOREIGN0000000000000000001"},
            {"out_trade_no": "x"},
            {"out_trade_no": ""},
            {"result_code": "success"},
            {"result_code": ""},
            {"return_code": "OK"},
            {"attach": "a&total_fee=1800"},
            {"attach": f"x&out_trade_no={forger.out_trade_no}"},
        ]
        await check_all_refused(daifu, forger, [forger.body(**change) for change in changes])

    async def test_a_failed_payment_is_acknowledged_and_changes_nothing(self, daifu: Daifu, forger: Forger) -> None:
        before = stored(daifu)
        for body in (
            forger.body(result_code="FAIL", err_code="SYSTEMERROR"),
            flat_xml.write({"return_code": "FAIL", "return_msg": "x"}),
        ):
            answer = await forger.post(body)
            assert (answer.status_code, b"SUCCESS" in answer.content) == (200, True)
        assert stored(daifu) == before
        await check_settles(daifu, forger)


async def test_no_other_method_than_post_is_taken(daifu: Daifu, forger: Forger) -> None:
    before = stored(daifu)
    for method in ("GET", "PUT", "HEAD", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"):
        answer = await forger.http.request(method, "/wechat/notify/pay", content=forger.body())
        assert answer.status_code == 405
        assert b"SUCCESS" not in answer.content
    assert stored(daifu) == before
    await check_settles(daifu, forger)


async def test_a_body_of_any_content_type_is_judged_by_its_signature_alone(daifu: Daifu, forger: Forger) -> None:
    for kind in ("application/x-www-form-urlencoded", "application/json", "", "multipart/form-data; boundary=x"):
        headers = {"Content-Type": kind, "X-Forwarded-For": "101.226.103.0"}
        body = flat_xml.write({**forger.fields(), "sign": "0" * 64})
        answer = await forger.http.post("/wechat/notify/pay", content=body, headers=headers)
        check_refused(answer, body)
    await check_settles(daifu, forger)


class TestASecondTime:
    async def test_the_same_notify_is_acknowledged_and_changes_nothing(self, daifu: Daifu, forger: Forger) -> None:
        await check_settles(daifu, forger)
        before = stored(daifu)
        for body in [forger.body()] * 3 + [forger.body(time_end="20260731130000")]:
            assert b"SUCCESS" in (await forger.post(body)).content
        assert stored(daifu) == before

    async def test_another_transaction_under_one_number_is_acknowledged_and_owed_back(
        self, daifu: Daifu, forger: Forger
    ) -> None:
        await check_settles(daifu, forger)

        answer = await forger.post(forger.body(transaction_id=TRANSACTION_ID[:-1] + "2"))

        assert b"SUCCESS" in answer.content
        order = await daifu.services.store.get(forger.out_trade_no[:26])
        owed = [refund for payment in order.payments for refund in payment.refunds]
        assert [(refund.amount, refund.state) for refund in owed] == [(1800, "DUE")]

    async def test_one_transaction_for_two_attempts_is_refused(
        self, daifu: Daifu, forger: Forger, order_id: str, friend: Person, other_friend: Person
    ) -> None:
        await friend.http.post(f"/api/orders/{order_id}/payments/{forger.out_trade_no}/cancel", json={})
        second = await other_friend.start_payment(order_id)
        await check_settles(daifu, forger)
        before = stored(daifu)
        body = forger.body(out_trade_no=second)
        check_refused(await forger.post(body), body)
        assert stored(daifu) == before


class TestWhileTheStoreIsOut:
    async def test_a_locked_file_is_not_acknowledged_and_the_next_notify_settles(
        self, daifu: Daifu, forger: Forger
    ) -> None:
        before = stored(daifu)
        path = daifu.services.settings.data_dir / "daifu.db"
        with closing(sqlite3.connect(path, isolation_level=None)) as somebody_else:
            somebody_else.execute("BEGIN EXCLUSIVE")
            answer = await forger.post(forger.body())
            somebody_else.execute("ROLLBACK")
        assert (answer.status_code, FAIL.fullmatch(answer.content) is not None) == (503, True)
        assert stored(daifu) == before
        await check_settles(daifu, forger)

    async def test_a_closed_store_is_not_acknowledged(
        self, daifu: Daifu, forger: Forger, initiator: Person, order_id: str
    ) -> None:
        await daifu.services.store.aclose()
        answer = await forger.post(forger.body())
        assert (answer.status_code, FAIL.fullmatch(answer.content) is not None) == (503, True)

        for path in (f"/api/orders/{order_id}", "/api/orders", "/readyz"):
            unavailable = await initiator.http.get(path)
            assert unavailable.status_code == 503
            assert unavailable.json()["error"]["code"] == "store_unavailable"
        assert (await initiator.http.get("/healthz")).status_code == 200
