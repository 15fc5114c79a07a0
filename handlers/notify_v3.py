"""
WeChat tells us by API v3 that a payment succeeded or a refund ended.

204 is answered when what it says is durably stored, or is nothing we keep. After any 4xx or 5xx WeChat sends it again,
so a key that is fetched meanwhile, or a store that comes back, loses nothing.
"""

from typing import Final

from handlers.notify import NotifyHandler, NotifyKind, TooLargeNotifyHandler
from handlers.replies import Reply, json_reply
from server.domain.notify import NotifyRoute, Verdict


def _reply(status: int) -> Reply:
    if status == 204:
        return Reply(status)
    return json_reply({"code": "FAIL", "message": "try again" if status >= 500 else "refused"}, status=status)


V3: Final = NotifyKind(
    NotifyRoute.V3,
    {
        Verdict.SETTLED: _reply(204),
        Verdict.REPEAT: _reply(204),
        Verdict.NOT_PAID: _reply(204),
        Verdict.MALFORMED: _reply(400),
        Verdict.REFUSED: _reply(401),
        Verdict.CONTRADICTS: _reply(409),
        Verdict.NOT_STORED: _reply(503),
    },
    _reply,
)


class V3NotifyHandler(NotifyHandler):
    """/wechat/notify/v3"""

    kind = V3


class TooLargeV3NotifyHandler(TooLargeNotifyHandler):
    """A notify beyond every limit, in API v3's shape."""

    kind = V3
