"""WeChat's flat XML documents, read strictly and written with CDATA. Pure."""

from collections.abc import Mapping
from typing import Final, NoReturn
from xml.parsers import expat

MAX_BODY_BYTES: Final = 64 * 1024
_ROOT_DEPTH: Final = 1
_FIELD_DEPTH: Final = 2


class BadXml(ValueError):
    """Not WeChat's XML; the text is WeChat's word for what is wrong."""


def read(body: bytes) -> dict[str, str]:
    """
    Return the fields of one `<xml>` document of one flat level; values are kept to the last blank.

    Raises:
        BadXml: POST_DATA_EMPTY, NOT_UTF8 or XML_FORMAT_ERROR.
    """
    if not body.strip():
        raise BadXml("POST_DATA_EMPTY")
    if len(body) > MAX_BODY_BYTES:
        raise BadXml("XML_FORMAT_ERROR")
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise BadXml("NOT_UTF8") from error
    return _Reader().read(body)


def write(fields: Mapping[str, str], *, root: str = "xml") -> bytes:
    """Return the document, every value wrapped in CDATA."""
    inner = "".join(f"<{name}>{_cdata(value)}</{name}>" for name, value in fields.items())
    return f"<{root}>{inner}</{root}>".encode()


def _cdata(text: str) -> str:
    return "<![CDATA[" + text.replace("]]>", "]]]]><![CDATA[>") + "]]>"


class _Reader:
    def __init__(self) -> None:
        self._fields: dict[str, str] = {}
        self._open: list[str] = []
        self._text: list[str] = []
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.XmlDeclHandler = self._declared
        self._parser.StartDoctypeDeclHandler = _refuse
        self._parser.ProcessingInstructionHandler = _refuse
        self._parser.StartElementHandler = self._started
        self._parser.EndElementHandler = self._ended
        self._parser.CharacterDataHandler = self._read_text

    def read(self, body: bytes) -> dict[str, str]:
        try:
            self._parser.Parse(body, True)  # noqa: FBT003 - expat takes "is the last piece" by place only
        except expat.ExpatError as error:
            raise BadXml("XML_FORMAT_ERROR") from error
        return self._fields

    def _declared(self, version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and encoding.lower() not in {"utf-8", "utf8"}:
            raise BadXml("NOT_UTF8")

    def _started(self, name: str, attributes: dict[str, str]) -> None:
        self._open.append(name)
        depth = len(self._open)
        if attributes or depth > _FIELD_DEPTH or name in self._fields or (depth == _ROOT_DEPTH and name != "xml"):
            _refuse()
        self._text = []

    def _ended(self, name: str) -> None:
        if len(self._open) == _FIELD_DEPTH:
            self._fields[name] = "".join(self._text)
        self._open.pop()
        self._text = []

    def _read_text(self, text: str) -> None:
        if len(self._open) == _ROOT_DEPTH and text.strip():
            _refuse()
        self._text.append(text)


def _refuse(*_: object) -> NoReturn:
    raise BadXml("XML_FORMAT_ERROR")
