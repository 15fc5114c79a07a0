"""What every request of an operator goes through."""

from handlers.base import BaseHandler
from handlers.problems import ApiError


class OperatorHandler(BaseHandler):
    """A request that only an operator may send."""

    def prepare(self) -> None:
        standing = self.web.operators.standing(self.request)
        if standing != "in":
            raise ApiError(401, "operator_login") if standing == "out" else ApiError(403, "operator_refused")

    def guard_write(self) -> None:
        """As everywhere, and no other site at all: the listed ones may pay, not rule."""
        super().guard_write()
        guard_own_origin(self)


def guard_own_origin(handler: BaseHandler) -> None:
    """
    Raises:
        ApiError: 403 for a page of any other site.
    """
    origin = handler.request.headers.get("Origin")
    if origin is not None and origin != handler.services.settings.origin:
        raise ApiError(403, "foreign_origin")
