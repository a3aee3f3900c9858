"""Event types and their groups."""

from __future__ import annotations

import pytest

from data.vocabulary import Vocabulary

WORDS = Vocabulary(("page_view", "email_open", "email_click"), {"email": ("email_open", "email_click")})


@pytest.mark.parametrize(
    ("events", "members"),
    [
        ("any", ("page_view", "email_open", "email_click")),
        ("email", ("email_open", "email_click")),
        ("page_view", ("page_view",)),
    ],
)
def test_a_name_stands_for_its_types(events: str, members: tuple[str, ...]) -> None:
    assert WORDS.members(events) == members


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(KeyError, match="webinar"):
        WORDS.members("webinar")
