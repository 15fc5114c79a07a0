"""The API's description, for programs and for people."""

from functools import cache
from typing import Any

from handlers.base import BaseHandler
from handlers.openapi.document import openapi_document
from handlers.pages import PageHandler

_document = cache(openapi_document)  # anybody may ask for it, and it costs some milliseconds to make


class OpenApiHandler(BaseHandler):
    """/openapi.json"""

    def get(self) -> None:
        self.answer(self._described())

    def _described(self) -> dict[str, Any]:
        return _document(
            origin=self.services.settings.origin,
            session_cookie=self.sessions.cookie_name(),
            guest_cookie=self.sessions.guest_cookie_name,
            operator_cookie=self.sessions.operator_cookie_name,
        )


class ReferencePageHandler(PageHandler):
    """/docs"""

    def get(self) -> None:
        if not self.leave_for_origin():
            self.show("docs.html")
