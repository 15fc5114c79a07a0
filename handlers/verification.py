"""The files by which WeChat sees that the domain is ours: handed out by name, as they were given to us."""

from pathlib import Path

from handlers.base import BaseHandler
from handlers.problems import ApiError


class VerificationHandler(BaseHandler):
    """/MP_verify_….txt: only what WECHAT_VERIFY_FILES names."""

    def get(self, name: str) -> None:
        # Read each time: WeChat asks a few times in a life, and a file may be replaced.
        file = next(
            (Path(each) for each in self.services.settings.wechat_verify_files if Path(each).name == name), None
        )
        if file is None:
            raise ApiError(404, "not_found")
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(file.read_bytes())

    head = get
