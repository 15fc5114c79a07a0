"""Order ids as bounds of time."""

from hypothesis import given
from hypothesis import strategies as st
from ulid import ULID

from server.domain.order_ids import first_order_id_at

times_ms = st.integers(0, 2**48 - 2)


@given(times_ms, st.binary(min_size=10, max_size=10))
def test_every_id_of_a_moment_lies_between_its_first_and_the_next_moments(time_ms: int, chance: bytes) -> None:
    order_id = str(ULID.from_bytes(time_ms.to_bytes(6, "big") + chance))

    assert first_order_id_at(time_ms) <= order_id < first_order_id_at(time_ms + 1)
