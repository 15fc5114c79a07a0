"""Money: whole fen (1/100 yuan) as integers, nothing else."""

from typing import NewType

Fen = NewType("Fen", int)


def split_equally(amount: Fen, shares: int) -> tuple[Fen, ...]:
    """Return `shares` amounts that add up to `amount`; what does not divide goes, fen by fen, to the first ones."""
    each, rest = divmod(amount, shares)
    return tuple(Fen(each + (i < rest)) for i in range(shares))
