"""Migrations make exactly the tables that the code speaks of, once, whoever comes first."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from data.contract import DataError, UsageError
from serving.store.database.connection import connect
from serving.store.database.migrate import FOLDER
from serving.store.database.schema import REVISION, metadata
from serving.store.scores.scores import StoredScore
from serving.store.store import Store, open_store
from training.thresholds.stages import StageThreshold


def test_migrations_make_the_tables_of_the_code(store: Store) -> None:
    with store.database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_a_change_of_the_code_without_a_migration_is_found(store: Store) -> None:
    """The planted fault: a column that no migration makes."""
    with store.database.write() as connection:
        connection.execute(text("ALTER TABLE leads ADD COLUMN planted INTEGER"))
        assert compare_metadata(MigrationContext.configure(connection), metadata) != []


def test_the_newest_migration_is_the_one_that_the_code_expects() -> None:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    assert ScriptDirectory.from_config(config).get_current_head() == REVISION


def test_many_may_open_a_new_store_at_once(store_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(open_store, [store_url] * 4))
    secret = opened[0].keys.create("read", "x", 1)
    assert all(store.keys.verify(secret) is not None for store in opened)
    for store in opened:
        store.close()


def test_a_store_of_a_newer_leadscore_is_refused(store: Store, store_url: str) -> None:
    with store.database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DataError, match="made by a newer leadscore"):
        open_store(store_url)


def test_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "store.db"
    with open_store(f"sqlite:///{path}"):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://x/y", "begins with 'mysql'"),
        ("sqlite://", "a store in memory"),
        ("sqlite:///:memory:", "a store in memory"),
        ("no url", "cannot be read"),
    ],
)
def test_other_urls_are_refused(url: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        connect(url)


def test_a_store_of_before_decisions_keeps_its_stages(store: Store, store_url: str) -> None:
    store.leads.put("L1", 1, None, {}, 1, earliest=1)
    store.scores.record([StoredScore("L1", "conversion", 1, 0.5, 0.4, 0.6, "1", "d")], [StageThreshold("MQL", 0.1)], 1)
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    with store.database.write() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0002")
    with open_store(store_url) as opened:
        assert [(standing.stage, standing.model_stage) for standing in opened.scores.standing("L1")] == [("MQL", "MQL")]
