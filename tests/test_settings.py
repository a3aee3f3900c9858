"""The shipped settings file tells of every key, and a wrong key or value is told with its remedy."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from data.contract import UsageError
from data.intake.ingest import ingest
from data.log.eventlog import EventLog
from data.sources.mapping import read_mapping
from settings import Settings
from settings_file import keys, read_settings
from settings_sections import TargetSection
from tests.conftest import REPOSITORY

SHIPPED = REPOSITORY / "leadscore.toml"


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flattened: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        flattened |= flat(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flattened


def shipped() -> dict[str, Any]:
    return flat(tomllib.loads(SHIPPED.read_text()))


def test_every_key_stands_in_the_shipped_file() -> None:
    text, present = SHIPPED.read_text(), set(shipped())
    assert len(keys()) > 25
    for key in keys():
        name = key.replace("targets.NAME", "targets.conversion")
        commented = re.search(rf"^#\s*{key.rpartition('.')[2]} =", text, re.MULTILINE)
        assert name in present or commented, f"{key} is not in leadscore.toml"


def test_every_key_of_the_shipped_file_is_explained() -> None:
    plain = ("learning_rate", "num_leaves", "confidence", "seed")  # the words of LightGBM and of statistics
    section, explained = "", set()
    for line in SHIPPED.read_text().splitlines():
        section = line if line.startswith("[") else section
        key = line.partition(" =")[0]
        explained |= {key} if "#" in line else set()
        if " = " in line and not line.startswith("#") and "repeat_purchase" not in section and key not in plain:
            assert key in explained, f"{line!r} has no explanation"


def test_every_key_is_described_in_the_code() -> None:
    def check(section: type[BaseModel], where: str) -> int:
        count = 0
        for name, field in section.model_fields.items():
            kind = TargetSection if name == "targets" else field.annotation
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                count += check(kind, f"{where}{name}.")
            else:
                assert field.description, f"{where}{name} has no description"
                count += 1
        return count

    assert check(Settings, "") == len(keys())


def differing(path: Path) -> set[str]:
    """Keys of which a settings file says something else than the code does where no file says anything."""
    defaults = flat(Settings().model_dump(mode="json"))
    return {key for key, value in flat(read_settings(path).model_dump(mode="json")).items() if defaults[key] != value}


def test_the_shipped_file_holds_the_defaults(tmp_path: Path) -> None:
    """Planted fault beside it: one that promises something else is found."""
    assert differing(SHIPPED) == set()
    other = tmp_path / "other.toml"
    other.write_text(SHIPPED.read_text().replace("precision = 0.2\n", "precision = 0.4\n"))
    assert differing(other) == {"thresholds.sql.precision"}


def test_no_file_means_the_defaults() -> None:
    assert read_settings(None) == Settings()


def test_the_environment_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What decides a model stands in a file that can be read again."""
    monkeypatch.setenv("TARGET", "repeat_purchase")
    monkeypatch.setenv("JOBS", "7")
    assert Settings() == Settings(target="conversion", jobs=2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("jbos = 3", "jbos is no setting; did you mean jobs?"),
        ("[trainng]\nfolds = 3", "trainng is no setting; did you mean training?"),
        ("[targets.x]\nevents = []", "targets.x.events = []"),
        ("[targets.x]\nevents = ['a']\nhorizon = 3", "targets.x.horizon is no setting; did you mean horizon_days?"),
        (
            "[targets.x]\nevents = ['won']\nundone_by = ['lost', 'won']",
            "targets.x.undone_by = ['lost', 'won']: Value error, 'won' stands in events too and cannot be both; take",
        ),
        (
            "[targets.x]\nevents = ['won']\nclosed_by = ['lost']\nreopened_by = ['lost']",
            "targets.x.reopened_by = ['lost']: Value error, 'lost' stands in closed_by too and cannot be both; take it",
        ),
        ("[targets.x]\nevents = ['won']\nreopened_by = ['won']", "targets.x.reopened_by = ['won']: Value error, 'won'"),
        ("[targets.x]\nevents = ['won']\nundone = ['no']", "targets.x.undone is no setting; did you mean undone_by?"),
        ("[moments]\npolicy = 'weekly'", "moments.policy = 'weekly': Input should be 'grid', 'ages' or 'events'"),
        ("[thresholds.mql]\nprecision = 1.5", "thresholds.mql.precision = 1.5"),
        ("[training]\nsince = 'spring'", "training.since = 'spring': Value error, 'spring' is neither a span such as"),
        ("[training]\nmetrics = ['lift']", "training.metrics = ['lift']: Value error, 'lift' names no function: write"),
        ("zzzzzz = 1", "zzzzzz is no setting; known are "),
        ("time_zone = 'Berlin'", "time_zone = 'Berlin': Value error, is no time zone; name one such as Europe/Berlin"),
        ("time_zone = '../etc/passwd'", "time_zone = '../etc/passwd': Value error, is no time zone"),
        *(
            (f"[sales]\ncrm_link = '{link}'", f"sales.crm_link = '{link}': Value error, must {must}")
            for link, must in (
                ("https://crm.example/c/", "hold {lead_id} once"),
                ("https://crm.example/{lead_id}/{lead_id}", "hold {lead_id} once"),
                ("https://crm.example/{lead_id}/{name}", "hold {lead_id} once"),
                ("https://{lead_id}.example/", "begin with https://HOST/"),
                ("http://crm.example/{lead_id}", "begin with https://HOST/"),
                ("javascript:alert({lead_id})", "begin with https://HOST/"),
                ("https://crm.example@evil.example/{lead_id}", "begin with https://HOST/"),
                ("https://crm.example/a b/{lead_id}", "begin with https://HOST/"),
            )
        ),
        ("[sales]\nreject_reasons = []", "sales.reject_reasons = []"),
        (
            "[sales]\nreject_reasons = ['a', 'a']",
            "sales.reject_reasons = ['a', 'a']: Value error, a reason is there twice",
        ),
        ("[sales]\nreject_reasons = ['His name is Max']", "sales.reject_reasons.0 = 'His name is Max'"),
    ],
)
def test_what_is_wrong_is_named_with_its_remedy(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as error:
        read_settings(path)
    told_without_line = re.sub(r"^(\S+) line \d+: ", r"\1: ", str(error.value))
    assert told_without_line.startswith(f"{path}: {message}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("jobs = 2\n\n[training]\n# folds\nfolds = 1", 5),
        ("[targets.x]\nevents = ['a']\nhorizon = 3", 3),
        ("# first\njbos = 3", 2),
        ("[sales]\nreject_reasons = [\n    'a',\n    'a',\n]", 2),
        ("jobs = 2\n[thresholds.sql]\nprecision = 0.1\nvalue = 3", 2),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, line: int, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=f"mine.toml line {line}: "):
        read_settings(path)


def test_what_undoes_and_reopens_is_part_of_the_target(tmp_path: Path) -> None:
    """One type may undo a deal and close the lead, or undo it and reopen the lead."""
    path = tmp_path / "mine.toml"
    lists = "closed_by = ['cancelled']\nundone_by = ['cancelled', 'refunded']\nreopened_by = ['back', 'refunded']"
    path.write_text(f"target = 'x'\n[targets.x]\nevents = ['won']\n{lists}")
    target = read_settings(path).chosen_target
    assert (target.undone_by, target.reopened_by) == (("cancelled", "refunded"), ("back", "refunded"))
    assert target.turning == ("won", "cancelled", "cancelled", "refunded", "back", "refunded")
    assert target.outcomes == ("won", "cancelled")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="is no TOML"):
        read_settings(path)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ('events = ["deal_wonn"]', "target 'conversion' names 'deal_wonn', .*; did you mean deal_won?"),
        ('events = ["deal_won"]\nclosed_by = ["Deal lost"]', "names 'Deal lost', .*; did you mean deal_lost?"),
        ('events = ["sale"]', r"none of the target's events \(sale\) is an event type of the log; known are"),
        ('events = ["deal_won", "elsewhere"]\nclosed_by = ["given_up"]', ""),
    ],
)
def test_a_misspelt_event_of_a_target_is_no_target_that_nobody_reaches(
    target: str, message: str, tmp_path: Path
) -> None:
    """Nobody had converted, said the training set; types that a log does not have yet may be named."""
    config, exported = tmp_path / "settings.toml", tmp_path / "events.csv"
    config.write_text(f"[targets.conversion]\n{target}\n")
    exported.write_text("lead_id,event_type,occurred_at,received_at,channel,value,source,event_id\n"
                        "L1,page_view,2024-05-01T10:00:00Z,2024-05-01T10:00:00Z,,,web,1\n")  # fmt: skip
    ingest(tmp_path / "log", read_mapping("simulated"), [str(exported)], [], buckets=1)
    settings, log = read_settings(config), EventLog.open(tmp_path / "log")
    if not message:
        assert settings.catalogue(log)
        return
    with pytest.raises(UsageError, match=message):
        settings.catalogue(log)
