"""What tests need of made exports: vendors, the commands that a page prints, and settings for quick training."""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime
from pathlib import Path

from tests.conftest import REPOSITORY

PAGES = REPOSITORY / "docs" / "crm"
VENDORS = ("ga4", "hubspot", "marketo", "pipedrive", "posthog", "salesforce", "segment", "snowplow")
UNTIL = datetime(2026, 6, 1, tzinfo=UTC)
QUICK = """
[moments]
every_days = 14

[training]
newest_share = 0.4
folds = 2
max_rounds = 60
learning_rate = 0.1
min_leaf = 20
fewest_converted = 10
model = "fixed"
twin = "no"
newest_step = "no"

[audit]
allow = ["count_deal_created_ever", "count_became_opportunity_ever", "count_opportunity_added_ever"]
"""
"""Few leads, of whom hardly anything but an open deal tells who will win."""


def commands_of(document: str) -> list[list[str]]:
    """The words of each `leadscore` command in the shell blocks of a document, without the program itself."""
    blocks = re.findall(r"^```sh\n(.*?)^```", document.replace("\\\n", " "), re.MULTILINE | re.DOTALL)
    lines = [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]
    return [words[1:] for words in lines if words and words[0] == ".venv/bin/leadscore"]


def settings_in(folder: Path) -> None:
    """Settings of the repository below a folder, with quick training added."""
    (folder / "examples").mkdir()
    (folder / "leadscore.toml").write_text(QUICK)
    web = (REPOSITORY / "examples" / "web.toml").read_text(encoding="utf-8")
    (folder / "examples" / "web.toml").write_text(web + QUICK)
