import contextlib
import itertools
import re
import time
from collections.abc import Callable
from xml.sax.saxutils import escape

import pytest
import xmltodict
from hypothesis import example, given
from hypothesis import strategies as st

from server.errors import MalformedNotify
from server.wechat.flat_xml import MAX_BODY_BYTES, MAX_FIELDS, MAX_VALUE_LENGTH, read_flat_xml
from tests.wechat.wechat_wire import NOTIFY, to_wire

names = st.from_regex(re.compile(r"[a-z_][a-z0-9_]{0,39}", re.ASCII), fullmatch=True)
xml_text = st.text(st.characters(codec="utf-8", exclude_characters="\r\ufffe\uffff", exclude_categories=["Cs", "Cc"]))
values = st.one_of(xml_text, st.text(alphabet="<>&]![CDAT\t\n #x;ab")).map(lambda value: value[:500])
maps = st.dictionaries(names, values, min_size=1, max_size=20)


def as_cdata(value: str) -> str:
    return "<![CDATA[" + value.replace("]]>", "]]]]><![CDATA[>") + "]]>"


def as_character_references(value: str) -> str:
    return "".join(f"&#{ord(char)};" if index % 2 else f"&#x{ord(char):X};" for index, char in enumerate(value))


writers = st.sampled_from([as_cdata, escape, as_character_references])


def xmltodict_reads(body: bytes) -> dict[str, str]:
    root = xmltodict.parse(body, strip_whitespace=False)["xml"]
    return {name: value or "" for name, value in root.items() if name != "#text"}  # the blanks between elements


def refusal(body: bytes) -> str:
    with pytest.raises(MalformedNotify) as caught:
        read_flat_xml(body)
    return caught.value.reason


def test_a_notify_as_wechat_sends_it_is_read_field_by_field_in_its_order() -> None:
    fields = read_flat_xml(to_wire(NOTIFY))

    assert fields == NOTIFY
    assert list(fields) == list(NOTIFY)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"<xml><a>1</a></xml>", "1"),
        (b"<xml><a></a></xml>", ""),
        (b"<xml><a/></xml>", ""),
        (b"<xml><a /></xml>", ""),
        (b"<xml><a><![CDATA[]]></a></xml>", ""),
        (b"<xml><a>  1\t</a></xml>", "  1\t"),
        (b"<xml><a><![CDATA[ ]]></a></xml>", " "),
        (b"<xml><a><![CDATA[<b>&amp;]]></a></xml>", "<b>&amp;"),
        (b"<xml><a><![CDATA[]]]]><![CDATA[>]]></a></xml>", "]]>"),
        (b"<xml><a><![CDATA[]]]></a></xml>", "]"),
        (b"<xml><a>x<![CDATA[<]]>y&lt;z</a></xml>", "x<y<z"),
        (b"<xml><a>]] ]</a></xml>", "]] ]"),
        (b"<xml><a>&amp;&lt;&gt;&quot;&apos;&#65;&#x4e2D;</a></xml>", "&<>\"'A中"),
        (b"<xml><a>1\r\n2\r3&#13;</a></xml>", "1\n2\n3\r"),
        (b"<xml><a><![CDATA[1\r\n2\r3]]></a></xml>", "1\n2\n3"),
        ("<xml><a>e\u0301\u200b\ufeff</a></xml>".encode(), "e\u0301\u200b\ufeff"),
        (b"\r\n<xml>\r\n\t<a>1</a> \n</xml>\r\n ", "1"),
        (b'<?xml version="1.0" encoding="UTF-8"?>\n<xml><a>1</a></xml>', "1"),
        (b"<?xml version='1.0' encoding='utf-8' ?><xml><a>1</a></xml>", "1"),
        (b'<?xml version="1.0"?><xml><a>1</a></xml>', "1"),
    ],
)
def test_a_value_is_read_as_any_xml_parser_reads_it(body: bytes, value: str) -> None:
    assert read_flat_xml(body) == {"a": value}
    if not body.startswith(b"\r"):
        assert xmltodict_reads(body) == {"a": value}


BILLION_LAUGHS = (
    b'<!DOCTYPE xml [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>'
)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"xml",
        b"{}",
        b"<xml>",
        b"</xml>",
        b"<xml></xml>",
        b"<xml/>",
        b"<xml> \n </xml>",
        b"<xml>1</xml>",
        b"<root><a>1</a></root>",
        b"<XML><a>1</a></XML>",
        b'<xml x="1"><a>1</a></xml>',
        b"<xml><a>1</a></xml><xml><a>1</a></xml>",
        b"<xml><a>1</a></xml>x",
        b"x<xml><a>1</a></xml>",
        b"<xml><a>1</a>x</xml>",
        b"<xml>x<a>1</a></xml>",
        b"<xml><a>1</a>&#32;</xml>",
        b"<xml><![CDATA[x]]><a>1</a></xml>",
        "<xml>\u3000<a>1</a></xml>".encode(),
        # a document type, external or internal, and what it could bring
        b"<!DOCTYPE xml><xml><a>1</a></xml>",
        b'<!DOCTYPE xml SYSTEM "http://127.0.0.1:9/x.dtd"><xml><a>1</a></xml>',
        b'<!DOCTYPE xml [<!ENTITY a SYSTEM "file:///etc/passwd">]><xml><a>&a;</a></xml>',
        b'<!DOCTYPE xml [<!ENTITY % a SYSTEM "http://127.0.0.1:9/">%a;]><xml><a>1</a></xml>',
        BILLION_LAUGHS + b"<xml><a>&c;</a></xml>",
        b"<xml><!DOCTYPE xml><a>1</a></xml>",
        b'<xml xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="file:///etc/passwd"/></xml>',
        # what has no place in a flat document
        b"<xml><!-- --><a>1</a></xml>",
        b"<xml><a>1<!-- -->2</a></xml>",
        b"<!-- --><xml><a>1</a></xml>",
        b"<xml><?p?><a>1</a></xml>",
        b"<xml><a>1<?p?>2</a></xml>",
        b"<?p?><xml><a>1</a></xml>",
        b"<xml><a><b>1</b></a></xml>",
        b"<xml><a>1<b/></a></xml>",
        b"<xml><a><a>1</a></a></xml>",
        b'<xml><a b="1">1</a></xml>',
        b'<xml><a xmlns="x">1</a></xml>',
        b"<xml><x:a>1</x:a></xml>",
        b"<xml><a>1</b></xml>",
        b"<xml><a>1</a ></xml>",
        b"<xml><a >1</a></xml>",
        b"<xml><a>1</xml>",
        b"<xml><a></xml></a>",
        b"<xml><A>1</A></xml>",
        b"<xml><1a>1</1a></xml>",
        b"<xml><a-b>1</a-b></xml>",
        b"<xml><a.b>1</a.b></xml>",
        "<xml><价>1</价></xml>".encode(),
        b"<xml><" + b"a" * 41 + b">1</" + b"a" * 41 + b"></xml>",
        # one name, two values
        b"<xml><total_fee>1</total_fee><total_fee>100</total_fee></xml>",
        b"<xml><sign>1</sign><a>1</a><sign>1</sign></xml>",
        b"<xml><total_fee>1</total_fee><Total_fee>100</Total_fee></xml>",
        # references and sections that are none
        b"<xml><a>&b;</a></xml>",
        b"<xml><a>&nbsp;</a></xml>",
        b"<xml><a>&</a></xml>",
        b"<xml><a>&amp</a></xml>",
        b"<xml><a>&#;</a></xml>",
        b"<xml><a>&#x;</a></xml>",
        b"<xml><a>&#-1;</a></xml>",
        b"<xml><a>&#0;</a></xml>",
        b"<xml><a>&#11;</a></xml>",
        b"<xml><a>&#xD800;</a></xml>",
        b"<xml><a>&#xFFFE;</a></xml>",
        b"<xml><a>&#x110000;</a></xml>",
        b"<xml><a>&#9999999;</a></xml>",
        b"<xml><a>&#99999999999999999999;</a></xml>",
        "<xml><a>&#６５;</a></xml>".encode(),
        b"<xml><a>]]></a></xml>",
        b"<xml><a>1]]>2</a></xml>",
        b"<xml><a><![CDATA[1]]>]]></a></xml>",
        b"<xml><a><![CDATA[1</a></xml>",
        b"<xml><a><![cdata[1]]></a></xml>",
        b"<xml><a><![CDATA[1]]></b>]]></a></xml>",
        b"<xml><a><</a></xml>",
        # other encodings and characters that are none
        b"\xef\xbb\xbf<xml><a>1</a></xml>",
        "<xml><a>中</a></xml>".encode("gb18030"),
        "<xml><a>é</a></xml>".encode("latin-1"),
        "<xml><a>1</a></xml>".encode("utf-16"),
        "<xml><a>1</a></xml>".encode("utf-16-be"),
        "<xml><a>1</a></xml>".encode("utf-32"),
        b"+ADw-xml+AD4-+ADw-a+AD4-1+ADw-/a+AD4-+ADw-/xml+AD4-",
        b'<?xml version="1.0" encoding="latin-1"?><xml><a>1</a></xml>',
        b'<?xml version="1.0" encoding="UTF-16"?><xml><a>1</a></xml>',
        b'<?xml version="1.1"?><xml><a>1</a></xml>',
        b'<?xml version="1.0" standalone="yes"?><xml><a>1</a></xml>',
        b' <?xml version="1.0"?><xml><a>1</a></xml>',
        b'<xml><?xml version="1.0"?><a>1</a></xml>',
        b"<xml><a>\xed\xa0\x80</a></xml>",
        b"<xml><a>\xc0\xbc</a></xml>",
        b"<xml><a>\xff</a></xml>",
        b"<xml><a>1\x00</a></xml>",
        b"<xml><a>1</a></xml>\x00",
        b"<xml><a><![CDATA[\x0b]]></a></xml>",
        b"<xml><a>\x1b</a></xml>",
        "<xml><a>\ufffe</a></xml>".encode(),
        "<xml><a>\uffff</a></xml>".encode(),
    ],
)
def test_what_is_not_flat_xml_is_refused_without_quoting_it(body: bytes) -> None:
    reason = refusal(body)

    assert re.fullmatch(r"[A-Za-z8&\]<> -]{5,30}", reason)


def test_the_refusal_has_no_cause_that_carries_the_body() -> None:
    with pytest.raises(MalformedNotify) as caught:
        read_flat_xml(b"<xml><a>\xff</a></xml>")

    assert caught.value.__suppress_context__


class TestLimits:
    def test_a_body_of_64_kb_is_read_and_one_byte_more_is_not(self) -> None:
        body = b"<xml><a>1</a>" + b" " * (MAX_BODY_BYTES - 19) + b"</xml>"

        assert read_flat_xml(body) == {"a": "1"}
        assert refusal(body + b" ") == "body too large"

    def test_a_value_of_8_k_characters_is_read_and_one_more_is_not(self) -> None:
        longest = "中" * MAX_VALUE_LENGTH

        assert read_flat_xml(f"<xml><a>{longest}</a></xml>".encode()) == {"a": longest}
        assert refusal(f"<xml><a>{longest}x</a></xml>".encode()) == "value too long"

    def test_128_fields_are_read_and_one_more_is_not(self) -> None:
        def body(count: int) -> bytes:
            return to_wire({f"coupon_id_{number}": "1" for number in range(count)})

        assert len(read_flat_xml(body(MAX_FIELDS))) == MAX_FIELDS
        assert refusal(body(MAX_FIELDS + 1)) == "too many fields"

    def test_a_name_of_40_characters_is_read(self) -> None:
        assert read_flat_xml(to_wire({"a" * 40: "1"})) == {"a" * 40: "1"}


HOSTILE: list[Callable[[int], bytes]] = [
    lambda n: b"<xml>" + b"<a>" * (n // 3),
    lambda n: b"<xml>" + b"<a>" * (n // 8) + b"</a>" * (n // 8) + b"</xml>",
    lambda n: b"<xml>" + b"<a></a>" * (n // 7) + b"</xml>",
    lambda n: b"<xml>" + b" " * n,
    lambda n: b"<xml>" + b" " * n + b"x</xml>",
    lambda n: b"<xml><a>" + b"]" * n + b"</xml>",
    lambda n: b"<xml><a><![CDATA[" + b"]" * n + b"</xml>",
    lambda n: b"<xml>" + b"<a><![CDATA[" * (n // 12) + b"</xml>",
    lambda n: b"<xml><a>" + b"<![CDATA[]]>" * (n // 12) + b"</xml>",
    lambda n: b"<xml><a>" + b"<![CDATA[]]>" * (n // 12) + b"</a></xml>",
    lambda n: b"<xml><a>" + b"&amp;" * (n // 5) + b"</a></xml>",
    lambda n: b"<xml><a>" + b"&" * n + b"</a></xml>",
    lambda n: b"<xml><" + b"a" * n + b"></xml>",
    lambda n: b"<xml><a" + b" b='1'" * (n // 6) + b"></a></xml>",
    lambda n: b"<xml>" + b"\r" * n + b"</xml>",
]


def seconds_to_read(body: bytes) -> float:
    best = 1e9
    for _ in range(3):
        start = time.thread_time()  # of this thread alone: a busy machine says nothing of the reader
        with contextlib.suppress(MalformedNotify):
            read_flat_xml(body)
        best = min(best, time.thread_time() - start)
    return best


@pytest.mark.parametrize("hostile", HOSTILE)
def test_eight_times_the_hostile_input_takes_nowhere_near_sixty_four_times_as_long(
    hostile: Callable[[int], bytes],
) -> None:
    small, large = hostile(7_500), hostile(60_000)
    assert len(large) <= MAX_BODY_BYTES

    # The floor keeps a clock's noise out of inputs that are refused at once.
    assert seconds_to_read(large) < 32 * max(seconds_to_read(small), 0.000_1)


@given(fields=maps, writer=writers)
def test_what_another_writer_writes_is_read_back(fields: dict[str, str], writer: Callable[[str], str]) -> None:
    body = "".join(f"<{name}>{writer(value)}</{name}>" for name, value in fields.items())

    assert read_flat_xml(f"<xml>{body}</xml>".encode()) == fields


@given(fields=maps)
def test_what_xmltodict_writes_is_read_back(fields: dict[str, str]) -> None:
    assert read_flat_xml(xmltodict.unparse({"xml": fields}).encode()) == fields


SCRAPS = [
    "<xml>", "</xml>", "<a>", "</a>", "<a/>", "<b>", "</b>", "<![CDATA[", "]]>", "]", "&amp;", "&", "&#13;", "&#0;",
    "1", "中", " ", "\n", "\r\n", "\r", "<!-- -->", "<?p?>", "<!DOCTYPE xml>", '<?xml version="1.0"?>',
    "\ufeff", "\x01", "<", ">",
]  # fmt: skip


@given(middle=st.lists(st.sampled_from(SCRAPS), max_size=8).map("".join))
@example("<a>1</a><b>1\r\n</b>")
def test_whatever_is_accepted_reads_the_same_in_xmltodict(middle: str) -> None:
    body = f"<xml>{middle}</xml>".encode()
    try:
        fields = read_flat_xml(body)
    except MalformedNotify:
        return
    assert xmltodict_reads(body) == fields


def test_every_short_string_of_scraps_is_refused_or_reads_the_same_in_xmltodict() -> None:
    accepted = 0
    for inner in itertools.product(SCRAPS, repeat=2):
        body = f"<xml><a>{''.join(inner)}</a></xml>".encode()
        try:
            fields = read_flat_xml(body)
        except MalformedNotify:
            continue
        accepted += 1
        assert xmltodict_reads(body) == fields
    assert accepted > 50


@given(data=st.data())
def test_a_damaged_notify_is_refused_or_reads_the_same_in_xmltodict(data: st.DataObject) -> None:
    body = bytearray(to_wire(NOTIFY))
    start = data.draw(st.integers(0, len(body)))
    body[start : start + data.draw(st.integers(0, 12))] = data.draw(st.binary(max_size=12))
    try:
        fields = read_flat_xml(bytes(body))
    except MalformedNotify:
        return
    assert xmltodict_reads(bytes(body)) == fields


def test_no_truncated_notify_is_accepted() -> None:
    body = to_wire(NOTIFY)

    for length in range(len(body)):
        refusal(body[:length])


class TestRoot:
    """A refund notify holds, encrypted, a document with another root."""

    def test_that_is_asked_for_is_read(self) -> None:
        assert read_flat_xml(b"<root>\n<a>1</a></root>\n", root="root") == {"a": "1"}

    @pytest.mark.parametrize(
        "body", [b"<xml><a>1</a></xml>", b"<root><a>1</a></xml>", b"<xml><a>1</a></root>", b"<root></root", b""]
    )
    def test_of_another_name_is_refused(self, body: bytes) -> None:
        with pytest.raises(MalformedNotify) as caught:
            read_flat_xml(body, root="root")
        assert caught.value.reason == "root is not <root>"
