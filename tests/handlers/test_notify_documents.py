"""Documents that are no notify: cut, bent, traps for XML readers, too large."""

import asyncio

from tests.handlers.forged_notifies import FAIL, Forger, check_all_refused, check_settles
from tests.running import Daifu
from tests.stored import stored


class TestTheDocument:
    async def test_cut_anywhere_it_is_refused(self, daifu: Daifu, forger: Forger) -> None:
        body = forger.body()
        await check_all_refused(daifu, forger, [body[:length] for length in range(0, len(body) - 1, 7)])

    async def test_out_of_the_flat_grammar_it_is_refused(self, daifu: Daifu, forger: Forger) -> None:
        body = forger.body()
        text = body.decode()
        inside = text.removeprefix("<xml>").removesuffix("</xml>").rstrip()
        entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
        laughs = f'<!DOCTYPE xml [<!ENTITY l0 "ha">{entities}]>'
        await check_all_refused(
            daifu,
            forger,
            [
                b"",
                b"\x00",
                b"{}",
                b"<xml></xml>",
                b"<xml/>",
                b"\xef\xbb\xbf" + body,
                text.encode("utf-16"),
                text.encode("utf-32"),
                text.encode("utf-7").replace(b"<", b"+ADw-"),
                body.replace(b"OTHERS", "银行".encode("gb18030")),
                body.replace(b"OTHERS", b"\xff\xfe"),
                body.replace(b"OTHERS", b"O\x00"),
                b'<?xml version="1.0" encoding="gb2312"?>' + body,
                b'<?xml version="1.1"?>' + body,
                b"<!DOCTYPE xml>" + body,
                b'<!DOCTYPE xml SYSTEM "file:///etc/passwd">' + body,
                (laughs + text.replace("OTHERS", "&l9;")).encode(),
                (laughs + text).encode(),
                body.replace(b"OTHERS", b"&undefined;"),
                body.replace(b"OTHERS", b"&#0;"),
                body.replace(b"<xml>", b"<xml><!-- -->"),
                body.replace(b"1800", b"18<!---->00", 1),
                body.replace(b"<xml>", b"<xml><?php ?>"),
                body.replace(b"<xml>", b'<xml xmlns="x">'),
                body.replace(b"<xml>", b"<xml>text"),
                body.replace(b"<total_fee>", b'<total_fee a="1">'),
                body.replace(b"<total_fee>", b"<Total_fee>").replace(b"</total_fee>", b"</Total_fee>"),
                text.replace("xml>", "XML>").encode(),
                text.replace("xml>", "root>").encode(),
                body + body,
                body + b"x",
                f"<xml><xml>{inside}</xml></xml>".encode(),
                f"<xml>{inside}<total_fee>1800</total_fee></xml>".encode(),
                f"<xml><total_fee>1</total_fee>{inside}</xml>".encode(),
                f"<xml>{inside}<sign></sign></xml>".encode(),
                f"<xml>{inside}<attach><b>1</b></attach></xml>".encode(),
                b"<xml>" + b"<a>" * 20_000,
                b"<xml>" + b"<a>1</a>" * 8_000 + b"</xml>",
                f"<xml>{inside}{''.join(f'<f{n}>1</f{n}>' for n in range(200))}</xml>".encode(),
                f"<xml>{inside}<attach>{'x' * 9000}</attach></xml>".encode(),
                body.ljust(64 * 1024, b"x"),
            ],
        )

    async def test_an_entity_is_never_fetched(self, daifu: Daifu, forger: Forger) -> None:
        connections = 0

        def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal connections
            connections += 1
            writer.close()

        listener = await asyncio.start_server(count, "127.0.0.1", 0)
        async with listener:
            trap = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/"
            text = forger.body().decode()
            await check_all_refused(
                daifu,
                forger,
                [
                    f'<!DOCTYPE xml SYSTEM "{trap}x.dtd">{text}'.encode(),
                    f'<!DOCTYPE xml PUBLIC "x" "{trap}x.dtd">{text}'.encode(),
                    f'<!DOCTYPE xml [<!ENTITY x SYSTEM "{trap}">]>{text.replace("OTHERS", "&x;")}'.encode(),
                    f'<!DOCTYPE xml [<!ENTITY % x SYSTEM "{trap}"> %x;]>{text}'.encode(),
                    text.replace(
                        "<xml>",
                        f'<xml xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="{trap}"/>',
                    ).encode(),
                    f'<?xml-stylesheet href="{trap}"?>{text}'.encode(),
                ],
            )
        assert connections == 0

    async def test_over_the_limit_it_is_not_read(self, daifu: Daifu, forger: Forger) -> None:
        before = stored(daifu)
        for size in (64 * 1024 + 1, 1_000_000):
            answer = await forger.post(forger.body().ljust(size))
            assert answer.status_code == 413
            assert answer.headers["content-type"].startswith("text/xml")
            assert FAIL.fullmatch(answer.content)
        assert stored(daifu) == before
        await check_settles(daifu, forger)

    async def test_of_exactly_the_limit_it_is_believed(self, daifu: Daifu, forger: Forger) -> None:
        answer = await forger.post(forger.body().ljust(64 * 1024))
        assert b"SUCCESS" in answer.content
