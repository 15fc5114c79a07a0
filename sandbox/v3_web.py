"""What every call of API v3 shares: the request's signature, JSON both ways, and answers that WeChat signs."""

import secrets
from http import HTTPStatus
from typing import Any, Final, TypeVar

import msgspec

from sandbox import v3_signing
from sandbox.order import OrderRefused
from sandbox.v3_errors import NO_NUMBER, V3Refused, bad_field, of_ledger
from sandbox.v3_request import check_request
from sandbox.web import Answer, WeChatCallHandler

T = TypeVar("T")

_JSON: Final = "application/json; charset=utf-8"


class V3Handler(WeChatCallHandler):
    """A subclass turns a trusted request into the answer's own fields; None is answered 204."""

    content_type = _JSON
    out_trade_no = ""
    out_refund_no = ""

    def act(self, *names: str) -> dict[str, Any] | None:
        """
        Do what was asked.

        Args:
            names: The variable parts of the path.

        Raises:
            V3Refused, OrderRefused: Answered with a code and its HTTP status.
        """
        raise NotImplementedError

    def perform(self) -> Answer:
        try:
            self.check_trust()
            told = self.act(*self.path_args)
        except V3Refused as refused:
            return self._refusal(refused)
        except OrderRefused as refused:
            return self._refusal(of_ledger(refused))
        if told is None:
            return self._seal(b"", "SUCCESS", status=HTTPStatus.NO_CONTENT)
        return self._seal(msgspec.json.encode(told), "SUCCESS")

    def refuse(self, code: str | int, message: str) -> Answer:
        return self._refusal(V3Refused(str(code), message))

    def check_trust(self) -> None:
        """
        Return when the merchant has signed this request.

        Raises:
            V3Refused: SIGN_ERROR or PARAM_ERROR.
        """
        request = self.request
        method, uri = request.method or "", request.uri or ""
        now_s = self.world.clock.real_s()
        keys = self.world.keys
        check_request(request.headers, method=method, uri=uri, body=request.body, keys=keys, now_s=now_s)

    def read(self, body_type: type[T]) -> T:
        """
        Return the request's JSON.

        Raises:
            V3Refused: PARAM_ERROR, naming the field by its path.
        """
        try:
            return msgspec.json.decode(self.request.body, type=body_type)
        except msgspec.ValidationError as error:
            issue, _, path = str(error).partition(" - at `$")
            raise bad_field(path.rstrip("`").strip(".") or "body", issue) from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise V3Refused("PARAM_ERROR", "请求体不是合法的JSON") from error

    def check_mchid(self, mchid: str, *, location: str = "body") -> None:
        """
        Return when this is the merchant who signed.

        Raises:
            V3Refused: PARAM_ERROR.
        """
        if mchid != self.world.merchant.mch_id:
            raise bad_field("mchid", "与签名商户不一致", value=mchid, location=location)

    def write_error(self, status_code: int, **kwargs: object) -> None:
        self.set_header("Content-Type", _JSON)
        self.finish(V3Refused("INVALID_REQUEST", self._reason).as_json())

    def _refusal(self, refused: V3Refused) -> Answer:
        body = msgspec.json.encode(refused.as_json())
        return self._seal(body, refused.code, status=refused.status, number=refused.number)

    def _seal(self, body: bytes, summary: str, *, status: int = HTTPStatus.OK, number: str = NO_NUMBER) -> Answer:
        pair = self.world.keys.answer_pair(self.request.headers.get("Wechatpay-Serial", ""))
        spoilt = self.fault.kind if self.fault else ""
        signed = v3_signing.signature_headers(pair, body, now_s=self.world.clock.real_s(), spoilt=spoilt)
        return Answer(
            body,
            summary,
            out_trade_no=self.out_trade_no,
            out_refund_no=self.out_refund_no,
            status=status,
            headers={"Request-ID": f"{secrets.token_hex(12).upper()}-{number}", **signed},
        )


class V3GetHandler(V3Handler):
    async def get(self, *names: str) -> None:
        await self.answer_call()


class V3PostHandler(V3Handler):
    async def post(self, *names: str) -> None:
        await self.answer_call()
