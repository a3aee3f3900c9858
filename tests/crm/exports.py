"""What tests need of made exports: vendors, the commands that a page prints, and settings for quick training."""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime
from pathlib import Path

from data.sources.mapping import read_mapping
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
"""


def commands_of(document: str) -> list[list[str]]:
    """The words of each `leadscore` command in the shell blocks of a document, without the program itself."""
    blocks = re.findall(r"^```sh\n(.*?)^```", document.replace("\\\n", " "), re.MULTILINE | re.DOTALL)
    lines = [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]
    return [words[1:] for words in lines if words and words[0] == ".venv/bin/leadscore"]


STAGES = ("became_mql", "became_sql", "became_opportunity", "deal_created", "opportunity_added")
"""Event types through which leads come to a deal."""


def settings_in(folder: Path, vendor: str) -> None:
    """Settings of the repository below a folder, with quick training added, and the stages of a vendor's mapping."""
    (folder / "examples").mkdir()
    stages = [stage for stage in STAGES if stage in read_mapping(vendor).event_types]
    (folder / "leadscore.toml").write_text(f"{QUICK}\n[audit]\nstages = {stages}\n")
    web = (REPOSITORY / "examples" / "web.toml").read_text(encoding="utf-8")
    (folder / "examples" / "web.toml").write_text(web + QUICK)
