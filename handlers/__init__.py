"""Tornado's side of daifu: bytes in, a use case, bytes out. No business rule lives here."""
