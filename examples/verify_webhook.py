"""
Receive daifu's webhooks: a verifier to copy, and a small server around it. Needs Python 3.11 and nothing else.

    WEBHOOK_SECRETS=whsec_… python examples/verify_webhook.py 9000

Webhooks follow Standard Webhooks. Three rules make a good receiver: check the signature over the bytes as they came,
answer within five seconds (do the work afterwards), and keep the ids that were seen, because the same event may come
twice.
"""

import base64
import hmac
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

TOLERANCE_S = 300  # an older signature may be an old message played again
MAX_BODY_BYTES = 1024 * 1024


class NotVerifiedError(Exception):
    """Nobody who holds a secret of ours sent this, or it is too old."""


def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], *, now_s: float) -> dict[str, Any]:
    """
    Return the event, once its signature is checked.

    Args:
        headers: Of the request, names in lower case.
        body: The bytes as received: the signature is over exactly these.
        secrets: `whsec_…`, the ones in use; while they change, the old and the new.
        now_s: Unix time in seconds.

    Raises:
        NotVerifiedError: Answer 401 and do nothing.
    """
    event_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not event_id or not timestamp.isdigit():
        raise NotVerifiedError("headers are missing")
    if abs(now_s - int(timestamp)) > TOLERANCE_S:
        raise NotVerifiedError("too old, or a clock is wrong")
    content = f"{event_id}.{timestamp}.".encode() + body
    expected = [_signature(secret, content) for secret in secrets]
    given = headers.get("webhook-signature", "").split(" ")
    # Every pair is compared, and each in constant time: how long it takes tells nothing.
    matches = [hmac.compare_digest(mine.encode(), theirs.encode()) for mine in expected for theirs in given]
    if not any(matches):
        raise NotVerifiedError("no signature matches")
    event: dict[str, Any] = json.loads(body)
    return event


def _signature(secret: str, content: bytes) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return "v1," + base64.b64encode(hmac.digest(key, content, "sha256")).decode()


class Receiver(BaseHTTPRequestHandler):
    """Prints each event once."""

    secrets: Sequence[str] = ()
    seen: set[str] = set()  # noqa: RUF012 - one for the whole server; a real one asks its database

    def do_POST(self) -> None:
        body = self.rfile.read(min(int(self.headers.get("Content-Length", 0)), MAX_BODY_BYTES))
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            event = verify(headers, body, self.secrets, now_s=time.time())
        except NotVerifiedError as error:
            self.send_error(401, str(error))
            return
        if headers["webhook-id"] not in self.seen:
            self.seen.add(headers["webhook-id"])
            order = event["data"]["order"]
            print(event["type"], order["merchant_order_no"] or order["order_id"], order["state"], flush=True)
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class calls it so
        """Quiet: what matters is printed above."""


if __name__ == "__main__":
    Receiver.secrets = os.environ["WEBHOOK_SECRETS"].split(",")
    HTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
