"""The merchant's commands, as they are typed."""

import re

from click.testing import CliRunner

from run import main
from server.domain.merchant_key import Scope, key_behind
from settings import load_settings


def test_a_new_key_is_let_in_by_the_line_printed_with_it() -> None:
    said = CliRunner().invoke(main, ["merchant-key", "new", "shop", "--scope", "orders:read"]).output

    key, line = re.findall(r"^    (\S+)$", said, re.MULTILINE)
    settings = load_settings(_env_file=None, merchant_api_keys=line)
    found = key_behind(key, settings.merchant_keys)
    assert found is not None
    assert (found.key_id, found.scopes) == ("shop", frozenset({Scope.ORDERS_READ}))


def test_a_key_with_no_such_scope_or_id_is_refused() -> None:
    for arguments in (["shop", "--scope", "all"], ["S", "--scope", "orders:read"], ["shop"]):
        assert CliRunner().invoke(main, ["merchant-key", "new", *arguments]).exit_code == 2
