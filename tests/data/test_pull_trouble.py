"""What a pull says when it cannot go on: one line with the remedy, no secret in it, and the log as it was."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

import leadscore
from data.contract import DataError, UsageError
from data.pull.connector import SHIPPED, read_connector, require_safe, shipped
from data.pull.patience import asked_wait
from data.sources.mapping import read_mapping
from tests.conftest import REPOSITORY
from tests.data.crm.accounts import Account, account_of
from tests.data.crm.fake_hubspot import KNOWN, FakeHubSpot
from tests.data.crm.fake_vendor import Trouble
from tests.oracles.pulled_naive import told_by

DAY = 86_400
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    with account_of("hubspot", 25, tmp_path) as made:
        yield made


@pytest.mark.parametrize(
    ("status", "headers", "wait"),
    [
        (429, {"retry-after": "7"}, 7.0),
        (429, {"retry-after": "Sun, 01 Mar 2026 12:00:30 GMT", "x-ratelimit-reset": "2"}, 30.0),
        (503, {"retry-after": "1.5"}, 1.5),
        (429, {"x-ratelimit-reset": "2"}, 2.0),
        (429, {"x-hubspot-ratelimit-interval-milliseconds": "10000"}, 10.0),
        (200, {"x-hubspot-ratelimit-remaining": "0", "x-hubspot-ratelimit-interval-milliseconds": "10000"}, 10.0),
        (200, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "2"}, 2.0),
        (200, {"x-ratelimit-remaining": "3", "x-ratelimit-reset": "2"}, None),
        (429, {"retry-after": "soon", "x-ratelimit-reset": "-3"}, None),
        (429, {"x-ratelimit-reset": "nan"}, None),
        (500, {}, None),
    ],
)
def test_how_long_a_vendor_asks_to_be_left_alone(status: int, headers: dict[str, str], wait: float | None) -> None:
    assert asked_wait(status, headers, NOW) == wait


def refused(account: Account, message: str, kind: type[Exception] = DataError) -> None:
    """A pull that fails with a message that shows no secret, after a good one, and leaves the log as it was."""
    account.pull()
    before, account.vendor.now = account.digest(), account.vendor.now + DAY
    contact = next(iter(vendor_of(account).records["contacts"].values()))
    contact.set(account.vendor.now, lifecyclestage="customer")
    with pytest.raises(kind, match=message) as error:
        account.pull()
    assert account.vendor.token not in str(error.value)
    assert account.digest() == before


def vendor_of(account: Account) -> FakeHubSpot:
    assert isinstance(account.vendor, FakeHubSpot)
    return account.vendor


def later(account: Account, trouble: Trouble | None = None, token: str | None = None) -> None:
    """What goes wrong from the second pull on, in its middle."""
    first, begun = account.vendor.now, list[int]()

    def change(number: int) -> None:
        if account.vendor.now >= first + DAY:
            begun.append(number)
        if len(begun) > 6:
            account.vendor.trouble = trouble or account.vendor.trouble
            account.vendor.token = token or account.vendor.token

    account.vendor.before = change


def test_a_token_that_is_not_accepted(account: Account) -> None:
    later(account, token="another-token")
    refused(account, r"hubspot does not accept the token \(401\).*renew it")


def test_a_token_that_is_missing(account: Account) -> None:
    account.environ.pop("HUBSPOT_TOKEN")
    with pytest.raises(UsageError, match="the environment variable HUBSPOT_TOKEN is missing; set it"):
        account.pull()
    assert account.vendor.requests == 0


def test_a_vendor_that_is_down(account: Account) -> None:
    later(account, Trouble(failing=1))
    refused(account, "hubspot answers 503, 8 times; what has come stays, run the command again")


def test_a_vendor_that_cuts_every_connection(account: Account) -> None:
    later(account, Trouble(cut=1))
    refused(account, r"hubspot cannot be reached \(ConnectionError\), 8 times")


def test_a_vendor_that_wants_to_be_left_alone_for_an_hour(account: Account) -> None:
    later(account, Trouble(throttled=1, wait_s=3600))
    refused(account, "wants to be left alone for 60 minutes; what has come stays, run the command again then")


def test_after_any_of_these_the_next_pull_goes_on(account: Account) -> None:
    later(account, Trouble(failing=1))
    refused(account, "answers 503")
    account.vendor.before, account.vendor.trouble = lambda number: None, Trouble()
    assert account.pull().pulled.went_on
    assert account.told() == told_by(account.vendor)


def test_a_property_that_this_account_does_not_have(account: Account) -> None:
    lists = {**account.connector.lists, "contact_properties": ("lifecyclestag",)}
    account.connector = account.connector.model_copy(update={"lists": lists})
    with pytest.raises(UsageError, match="no contact property 'lifecyclestag'; did you mean lifecyclestage"):
        account.pull()
    assert "lifecyclestage" in KNOWN["contacts"]


def test_a_column_that_salesforce_does_not_have(tmp_path: Path) -> None:
    with account_of("salesforce", 5, tmp_path) as made:
        leads = made.connector.resources[0]
        table = leads.tables[0].model_copy(update={"columns": {**leads.tables[0].columns, "score": "Score__c"}})
        changed = leads.model_copy(update={"tables": (table,)})
        made.connector = made.connector.model_copy(update={"resources": (changed, *made.connector.resources[1:])})
        with pytest.raises(DataError, match="No such column 'Score__c' on entity 'Lead'"):
            made.pull()


def test_a_secret_that_salesforce_shows(tmp_path: Path) -> None:
    with account_of("salesforce", 5, tmp_path) as made:
        made.environ["SALESFORCE_CLIENT_SECRET"] = "an-old-secret"
        with pytest.raises(DataError, match=r"refuses /services/oauth2/token \(400\).*invalid client …"):
            made.pull()


@pytest.mark.parametrize(("off", "side"), [(900.0, "15 minutes behind"), (-900.0, "15 minutes ahead of")])
def test_clocks_that_differ(account: Account, off: float, side: str) -> None:
    """What has just happened would be refused as of the future, and never asked for again."""
    account.vendor.clock_off_s = off
    with pytest.raises(DataError, match=f"the clock of this machine is {side} that of hubspot"):
        account.pull()
    account.vendor.clock_off_s = off / 6  # two and a half minutes are borne
    account.pull()
    assert account.told() == told_by(account.vendor)


def landed(account: Account) -> Path:
    """A file of a pull that was cut short."""
    account.vendor.before = lambda number: setattr(account.vendor, "trouble", Trouble(failing=int(number > 9)))
    with pytest.raises(DataError, match="answers 503"):
        account.pull()
    account.vendor.before, account.vendor.trouble = lambda number: None, Trouble()
    return account.landing / "contact_history.jsonl"


@pytest.mark.parametrize("damage", ["half a row", "rows are missing", "the state is damaged", "nothing"])
def test_files_that_were_left_behind(account: Account, damage: str) -> None:
    """A half-written page is cut off, and what is missing is asked for again: it is in no log yet."""
    path = landed(account)
    if damage == "half a row":
        with path.open("a") as file:
            file.write('{"lead_id": "1014", "property": "lifecy')
    elif damage == "rows are missing":
        os.truncate(path, 100)
    elif damage == "the state is damaged":
        (account.landing / "pull.json").write_text('{"digest": ')
    assert account.pull().pulled.went_on == (damage in ("half a row", "nothing"))
    assert account.told() == told_by(account.vendor)


def test_an_answer_in_part_is_asked_for_again(account: Account) -> None:
    """HubSpot's 207 without some of the contacts: those that are gone are no fault, the others come later."""
    honest, halves = account.vendor.answer, list[str]()

    def answer(method: str, path: str, params: object, body: object) -> tuple[int, dict[str, list[object]]]:
        status, whole = honest(method, path, params, body)  # type: ignore[arg-type]
        if not path.endswith("contacts/batch/read") or len(halves) > 2:
            return status, whole
        halves.append(path)
        return 207, {"results": whole["results"][:3], "errors": [{"category": "RATE_LIMITS"}]}

    vars(account.vendor)["answer"] = answer
    account.pull()
    assert len(halves) == 3
    assert account.told() == told_by(account.vendor)


def test_a_next_page_on_another_host(tmp_path: Path) -> None:
    """The token goes to the vendor and to nobody else."""
    with account_of("salesforce", 250, tmp_path) as made, account_of("salesforce", 5, tmp_path / "other") as other:
        made.environ["SALESFORCE_CLIENT_SECRET"] = "secret-of-the-fake"
        elsewhere = f"{other.connector.client.base_url}/services/data/v62.0/query/x"
        honest = made.vendor.answer
        vars(made.vendor)["answer"] = lambda *asked: _elsewhere(honest(*asked), elsewhere)
        with pytest.raises(DataError, match="names a next page on another host"):
            made.pull()
        assert other.vendor.requests == 0


def _elsewhere(answer: tuple[int, dict[str, object]], url: str) -> tuple[int, dict[str, object]]:
    return answer[0], answer[1] | ({"nextRecordsUrl": url} if "nextRecordsUrl" in answer[1] else {})


def test_a_token_is_not_sent_without_tls() -> None:
    with pytest.raises(UsageError, match="is no https:// address"):
        require_safe("http://api.hubapi.com")
    require_safe("https://api.hubapi.com")


@pytest.mark.parametrize("name", ["hubspot", "pipedrive", "salesforce"])
def test_what_is_shipped_has_its_mapping(name: str) -> None:
    """Whose tables all land."""
    connector = read_connector(name)
    mapping = read_mapping(connector.mapping)
    files = {table.file for table in (*mapping.events, *mapping.leads, *mapping.identities) if table.file}
    assert name in shipped()
    assert files <= {table.name for table in connector.tables}


def written(folder: Path, old: str, new: str) -> Path:
    """A copy of what is asked of HubSpot, with a change."""
    file = folder / "mine.toml"
    file.write_text((SHIPPED / "hubspot.toml").read_text().replace(old, new))
    return file


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"{env.HUBSPOT_TOKEN}"', '"pat-eu1-1234"', 'token has to be "{env.NAME}"'),
        ("once_known = true", "once_knwon = true", "resources.2.once_knwon"),
        ('tables = ["companies_found"]', 'tables = ["companies"]', "no resource before lands"),
        ('name = "hubspot"', "name = ", "is no TOML"),
    ],
)
def test_a_file_that_cannot_be_followed(old: str, new: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        read_connector(str(written(tmp_path, old, new)))


def test_a_name_that_is_not_known() -> None:
    with pytest.raises(UsageError, match="there are hubspot, pipedrive, salesforce, or give a file like them"):
        read_connector("hubspt")


def test_by_the_command_line(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    account.vendor.real_time = True
    file = written(tmp_path, "https://api.hubapi.com", account.connector.client.base_url)
    monkeypatch.setattr(sys, "argv", ["leadscore", "pull", str(file), "--var", str(tmp_path / "var"), "--quiet"])
    codes = []
    for token in (None, "wrong", account.vendor.token, account.vendor.token):
        monkeypatch.delenv("HUBSPOT_TOKEN", raising=False)
        if token is not None:
            monkeypatch.setenv("HUBSPOT_TOKEN", token)
        with pytest.raises(SystemExit) as stop:
            leadscore.main()
        codes.append(stop.value.code)
    out, err = capsys.readouterr()
    assert codes == [2, 3, 0, 0]
    assert [line.partition(":")[0] for line in err.splitlines()] == ["error", "error"]
    assert "nothing has changed in hubspot" in out
    assert account.vendor.token not in out + err


LOOKING = """
import sys
deeds = []
def watch(event, arguments):
    if event == "socket.connect" and arguments[1][0] != "127.0.0.1" and arguments[1][0] != "::1":
        deeds.append(arguments[1])
    if event in ("open", "os.mkdir") and str(arguments[0]).startswith(sys.argv[1]):
        if event == "os.mkdir" or (isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")):
            deeds.append(arguments[0])
sys.addaudithook(watch)
from pathlib import Path
from data.pull.into_log import pull_into
from data.pull.pull import World
from tests.data.crm.accounts import ENVIRON, asked_at
pull_into(Path("log"), asked_at("hubspot", sys.argv[2]), Path("pull"), World(ENVIRON), buckets=2)
print(deeds)
"""


def test_nobody_else_is_told_and_nothing_lies_in_the_home_folder(account: Account, tmp_path: Path) -> None:
    """dlt would send what it is used for, and keep a folder of its own: it does neither."""
    account.vendor.real_time = True
    home = tmp_path / "home"
    home.mkdir()
    environment = {**os.environ, "HOME": str(home), "PYTHONPATH": str(REPOSITORY)}
    words = [sys.executable, "-c", LOOKING, str(home), account.connector.client.base_url]
    done = subprocess.run(
        words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=240
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def test_a_disk_that_is_full(account: Account, small_disk: Path) -> None:
    """Two megabytes, of which little is left: what has landed stays, and with room the pull goes on."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * (2 * 1024 * 1024 - 40_000))
    account.folder = small_disk
    with pytest.raises(DataError, match=r"cannot be written .*make room"):
        account.pull()
    ballast.unlink()
    account.pull()
    assert account.told() == told_by(account.vendor)
