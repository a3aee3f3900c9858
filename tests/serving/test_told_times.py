"""Times that are read many at once are those that the standard library reads one by one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from serving.messages.problems import Refused
from serving.messages.times import all_us, us, written_us

ZONES = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TEXTS = st.datetimes(timezones=ZONES).map(lambda at: at.isoformat())


@given(st.lists(TEXTS | TEXTS.map(lambda text: text[:-6] + "Z"), max_size=5))
@example(["2024-02-29T23:59:59.5Z", "2000-02-29T00:00:00.000001-00:00", "1899-12-31T00:00:00+23:59"])
def test_times_are_those_of_the_standard_library(texts: list[str]) -> None:
    since = [datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC) for text in texts]
    expected = [elapsed // timedelta(microseconds=1) for elapsed in since]
    outside = any(
        not us(datetime.min.replace(tzinfo=UTC)) <= time <= us(datetime.max.replace(tzinfo=UTC)) for time in expected
    )
    if outside:
        with pytest.raises(Refused, match="years 1 to 9999"):
            all_us(texts, str)
    else:
        assert all_us(texts, str) == expected


@given(TEXTS, st.integers(0, 40), st.sampled_from("0123456789-+:TZtz. \n_x٣"))
def test_a_damaged_text_is_judged_alike_alone_and_in_company(text: str, place: int, put: str) -> None:
    """The rule of all times is the oracle."""
    damaged = text[:place] + put + text[place + 1 :]
    try:
        alone = written_us(damaged, "0")
    except Refused:
        for texts in ([damaged], [text, damaged], [damaged, "2024-05-01T00:00:00Z"]):
            with pytest.raises(Refused):
                all_us(texts, str)
    else:
        assert all_us([damaged, "1970-01-01T00:00:01Z"], str) == [alone, 1_000_000]


@pytest.mark.parametrize(
    "text", ["", "2024-05-01", "2024-05-01T00:00:00", "2023-02-29T00:00:00Z", "2024-05-01T00:00:00.Z"]
)
def test_what_is_no_time_is_refused_by_its_place(text: str) -> None:
    with pytest.raises(Refused, match=r"\$\.events\[1\]\.occurred_at "):
        all_us(["2024-05-01T00:00:00Z", text], lambda i: f"$.events[{i}].occurred_at")
