"""
WeChat tells us by API v3 that a payment succeeded or a refund ended.

204 is answered when what it says is durably stored, or is nothing we keep. After any 4xx or 5xx WeChat sends it again,
so a key that is fetched meanwhile, or a store that comes back, loses nothing.
"""

from collections.abc import Mapping
from typing import Final

from handlers.notify import NotifyHandler
from server.domain.notify import NotifyRoute, Verdict

STATUSES: Final[Mapping[Verdict, int]] = {
    Verdict.SETTLED: 204,
    Verdict.REPEAT: 204,
    Verdict.NOT_PAID: 204,
    Verdict.MALFORMED: 400,
    Verdict.REFUSED: 401,
    Verdict.CONTRADICTS: 409,
    Verdict.NOT_STORED: 503,
}


class V3NotifyHandler(NotifyHandler):
    """/wechat/notify/v3"""

    route = NotifyRoute.V3

    def reply(self, verdict: Verdict) -> None:
        self._send(STATUSES[verdict])

    def send_problem(self, status: int, code: str, detail: dict[str, object]) -> None:
        self._send(status)

    def _send(self, status: int) -> None:
        self.set_status(status)
        if status == 204:
            self.finish()
        else:
            self.finish({"code": "FAIL", "message": "try again" if status >= 500 else "refused"})
