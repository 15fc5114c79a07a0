"""The toys do what they are measured at. The signatures are WeChat's own examples."""

import json

import pytest

from benchmarks.contestant import notify_body
from benchmarks.peers.toy import READERS, Toy, order_id, read_strictly, sign
from sandbox import signing

KEY = "192006250b4c09247ec02edce69f6a2d"
MERCHANT = {"appid": "wxd930ea5d5a258f4f", "mch_id": "10000100", "api_key": KEY}
GENUINE = notify_body(MERCHANT, order_id(0) + "01", "oBenchmarkFriend000000000000", signing.MD5)


def a_toy(reader: str = "strict") -> Toy:
    return Toy("toy", orders=2, reader=reader, api_key=KEY)


def test_the_signature_is_the_one_wechat_publishes() -> None:
    fields = {
        "nonce_str": "ibuaiVcKdpRxkhJA",
        "body": "test",
        "device_info": "1000",
        "mch_id": "10000100",
        "appid": "wxd930ea5d5a258f4f",
    }

    assert sign({**fields, "attach": "", "sign": "anything"}, KEY) == "9A0A8659F005D6984697E2CA0A9CF3B7"


@pytest.mark.parametrize("reader", READERS)
def test_a_genuine_notify_settles_its_order_once(reader: str) -> None:
    toy = a_toy(reader)

    assert toy.settle(GENUINE) == order_id(0)
    assert toy.settle(GENUINE) == order_id(0)
    paid = json.loads(toy.answer(order_id(0)) or b"")["order"]
    assert (paid["state"], paid["rev"], paid["paid_amount"]) == ("PAID", 2, 1800)
    assert '"state":"OPEN"' in (toy.frame(order_id(1)) or "")


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "body",
    [
        GENUINE.replace(b"1800", b"1801"),
        GENUINE.replace(order_id(0).encode(), order_id(7).encode()),
        notify_body({**MERCHANT, "api_key": "another"}, order_id(0) + "01", "o", signing.MD5),
        b"<xml></xml>",
    ],
)
def test_a_forged_notify_settles_nothing(reader: str, body: bytes) -> None:
    toy = a_toy(reader)

    assert toy.settle(body) is None
    assert '"state":"OPEN"' in (toy.frame(order_id(0)) or "")


@pytest.mark.parametrize(
    "body", [b"<xml><a>1</a><a>2</a></xml>", b"<xml><a><b>1</b></a></xml>", b"<xml><a>&x;</a></xml>", b"<a>1</a>"]
)
def test_the_strict_reader_knows_flat_documents_only(body: bytes) -> None:
    with pytest.raises(ValueError, match="not flat"):
        read_strictly(body)
