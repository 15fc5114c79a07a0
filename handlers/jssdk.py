"""What a page hands to WeChat's JS-SDK, so that it may set its share card."""

from typing import Final
from urllib.parse import urlsplit

from handlers.base import BaseHandler, is_own_origin
from handlers.requests import BadRequest
from settings import Settings

MAX_URL: Final = 2048


class JssdkHandler(BaseHandler):
    """/api/jssdk?url=<the page's address as the browser reports it>"""

    async def get(self) -> None:
        self.session()
        url = signed_part(self.get_query_argument("url", "", strip=False), self.services.settings)
        self.answer(await self.services.official.sign_page(url))


def signed_part(url: str, settings: Settings) -> str:
    """
    Return the address without its fragment, unchanged: WeChat signs every byte of it, its own `from=` included.

    Raises:
        BadRequest: It is missing, too long, no address, or not one of ours: nobody else's page is signed for.
    """
    url = url.partition("#")[0]
    if not url:
        raise BadRequest("url", "missing")
    if len(url) > MAX_URL:
        raise BadRequest("url", "max_length", limit=MAX_URL)
    if not url.isprintable() or " " in url:  # what urlsplit would quietly take out
        raise BadRequest("url", "control")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise BadRequest("url", "foreign") from None
    if not is_own_origin(f"{parts.scheme}://{parts.netloc}", settings):
        raise BadRequest("url", "foreign")
    return url
