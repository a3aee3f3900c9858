"""A pull is of the account that the log was pulled from: the token of another one changes nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from data.contract import DataError
from data.log.manifest import read_manifest
from tests.data.crm.accounts import VENDORS, account_of
from tests.data.crm.fake_vendor import Trouble
from tests.data.exports import into, write_csv
from tests.oracles.pulled_naive import told_by

DAY = 86_400


@pytest.mark.parametrize("name", VENDORS)
def test_a_token_of_another_account_is_refused_and_both_are_named(name: str, tmp_path: Path) -> None:
    with account_of(name, 8, tmp_path) as made:
        made.pull()
        before, made.vendor.now = made.digest(), made.vendor.now + DAY
        with account_of(name, 8, tmp_path, seed=2, account=815, now=made.vendor.now) as other:
            with pytest.raises(DataError, match=r"token is of account 815, the log was pulled from account 4711; give"):
                other.pull()
            assert sum(other.vendor.asked.values()) <= 2, "who it is, and a token for asking it"
        assert made.digest() == before
        assert made.pull().report is None


def test_the_account_is_told_by_the_log_and_not_by_what_lies_beside_it(tmp_path: Path) -> None:
    """So a log that was copied to another machine, or has got a file of the source since, knows it too."""
    with account_of("pipedrive", 8, tmp_path) as made:
        made.pull()
        (tmp_path / "pull" / "asked.json").unlink()
        into(made.log, write_csv(tmp_path / "more.csv", ["1,page_view,2024-06-01T00:00:00Z,,web,,site,e1"]))
        assert read_manifest(made.log).accounts == {"pipedrive": "4711"}
        made.vendor.account = 815
        with pytest.raises(DataError, match="account 815"):
            made.pull()


def test_what_has_landed_of_another_account_is_thrown_away(tmp_path: Path) -> None:
    """A pull by the wrong token was cut short, before the log knew any account."""
    with account_of("hubspot", 30, tmp_path, seed=2, account=815) as wrong:
        wrong.vendor.before = lambda number: setattr(wrong.vendor, "trouble", Trouble(failing=number > 9))
        with pytest.raises(DataError, match="answers 503"):
            wrong.pull()
        assert wrong.landing.exists()
    with account_of("hubspot", 30, tmp_path) as made:
        assert not made.pull().pulled.went_on
        assert made.told() == told_by(made.vendor)


def test_an_answer_that_names_no_account_is_no_account(tmp_path: Path) -> None:
    with account_of("pipedrive", 3, tmp_path) as made:
        account = made.connector.account
        assert account is not None
        endpoint = account.endpoint.model_copy(update={"data_selector": "data.emails"})
        account = account.model_copy(update={"endpoint": endpoint})
        made.connector = made.connector.model_copy(update={"account": account})
        with pytest.raises(DataError, match=re.escape("does not say which account this is; correct [account]")):
            made.pull()


def test_a_file_of_ones_own_may_leave_it_out(tmp_path: Path) -> None:
    with account_of("pipedrive", 3, tmp_path) as made:
        made.connector = made.connector.model_copy(update={"account": None})
        made.pull()
        assert read_manifest(made.log).accounts == {}
