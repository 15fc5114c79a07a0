"""A text as a QR code, to be scanned from a screen."""

import asyncio
import io
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import segno

QR_TYPES: Final[Mapping[str, str]] = {"svg": "image/svg+xml; charset=utf-8", "png": "image/png"}


async def qr_code(content: str, kind: str) -> bytes:
    """Return the image; `kind` is a key of `QR_TYPES`."""
    return await asyncio.to_thread(_draw, content, kind)  # 30 ms of arithmetic


@lru_cache(maxsize=1024)
def _draw(content: str, kind: str) -> bytes:
    image = io.BytesIO()
    options = {"xmldecl": False} if kind == "svg" else {}
    scale = 4 if kind == "svg" else 8
    segno.make(content, error="m").save(image, kind=kind, scale=scale, border=2, light="#fff", **options)
    return image.getvalue()
