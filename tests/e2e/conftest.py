from collections.abc import AsyncIterator

import pytest

from tests.e2e.phones import Phones, some_phones


@pytest.fixture
async def phones() -> AsyncIterator[Phones]:
    """
    Phones whose pages must not complain of anything the test does not expect.

    Ask for them after the server: a page that outlives its server complains.
    """
    async with some_phones() as phones:
        yield phones
        assert phones.complaints == []
