"""Under which names WeChat is asked, and the number of an order that cannot exist. Pure."""

from collections.abc import Mapping
from typing import Final

from settings import Settings

# Order numbers of ours are ULIDs with a suffix: none looks like this.
NO_SUCH_NUMBER: Final = "daifu_doctor_no_such_order"


def appids_of(settings: Settings) -> Mapping[str, str]:
    """Return the appids that are set, by the setting's name, the official account's first."""
    appids = {
        "WECHAT_APPID": settings.wechat_appid,
        "WECHAT_MINIPROGRAM_APPID": settings.wechat_miniprogram_appid,
        "WECHAT_OPEN_APPID": settings.wechat_open_appid,
    }
    return {setting: appid for setting, appid in appids.items() if appid}
