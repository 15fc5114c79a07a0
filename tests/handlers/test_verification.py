"""The files by which WeChat sees that the domain is ours."""

from pathlib import Path

import httpx

from sandbox.app import Sandbox
from tests.people import a_client
from tests.running import start_daifu


async def test_a_verification_file_is_handed_out_as_it_was_given_and_no_other_file_is(
    wechat: Sandbox, wechat_control: httpx.AsyncClient, tmp_path: Path
) -> None:
    file = tmp_path / "MP_verify_Ab3.txt"
    file.write_bytes(b"Ab3")
    (tmp_path / "other.txt").write_text("private")
    merchant = (await wechat_control.get("/_sim/merchant")).json()
    daifu = await start_daifu(
        data_dir=tmp_path / "var", wechat_url=wechat.url, merchant=merchant, wechat_verify_files=str(file)
    )

    async with a_client(daifu.url) as http:
        served = await http.get("/MP_verify_Ab3.txt")
        other = await http.get("/other.txt")
    await daifu.aclose()

    assert (served.status_code, served.content) == (200, b"Ab3")
    assert served.headers["Content-Type"].startswith("text/plain")
    assert other.status_code == 404
