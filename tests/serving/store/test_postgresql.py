"""PostgreSQL as people operate it: poolers, defaults of others, schemas, roles with few rights, refusals."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

import serving.store.database.postgresql
from data.contract import DataError, UsageError
from serving.store.database.connection import connect
from serving.store.database.failures import StoreAway, StoreDamaged, StoreError, StoreForbidden, in_plain_words
from serving.store.database.fair_pool import FairPool
from serving.store.database.migrate import grant, migrate, migration_sql
from serving.store.database.postgresql import address_of
from serving.store.events.event_validation import EventIn
from serving.store.events.log_export import ingest_store
from serving.store.store import Store, open_store
from tests.pgbouncer import pooled
from tests.postgres import Postgres, running

NOW = 1_700_000_000_000_000


def name() -> str:
    return f"pg_{uuid.uuid4().hex[:12]}"


def add(store: Store, *ids: str) -> list[str]:
    events = [EventIn("L1", "page_view", NOW, event_id=event_id, value=0.1) for event_id in ids]
    return [result.status for result in store.events.add(events, NOW)]


def busy(store: Store, threads: int, rounds: int) -> Counter[str]:
    """What threads that write and read at the same time are told."""
    results: Counter[str] = Counter()

    def work(thread: int) -> None:
        for n in range(rounds):
            try:
                results.update(add(store, f"{thread}-{n}-a", f"{thread}-{n}-b"))
                store.leads.get("L1")
            except StoreError as error:
                results[str(error)] += 1

    workers = [threading.Thread(target=work, args=(thread,)) for thread in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return results


def use(store: Store) -> None:
    """Reads and writes from many threads, then writes alone: psycopg prepares what a connection has run six times
    without a rollback."""
    assert busy(store, threads=12, rounds=20) == {"accepted": 480}
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: store.keys.create("score", str(n), NOW), range(300)))


@pytest.fixture(scope="module")
def pooler(postgres: Postgres) -> Iterator[int]:
    with pooled(postgres) as port:
        yield port


def through(pooler: int, postgres: Postgres) -> str:
    return postgres.database(name()).replace(f":{postgres.port}/", f":{pooler}/")


def test_a_pooler_in_transaction_mode_is_no_hindrance(postgres: Postgres, pooler: int) -> None:
    """Twelve threads share three sessions of the server, another one for each transaction."""
    with open_store(through(pooler, postgres)) as store:
        use(store)
        store.ping()
        store.erasure.forget("L1", "test", NOW)
        assert store.leads.get("L1") is None


@pytest.mark.parametrize("threshold", [0, 5], ids=["at once", "as psycopg does"])
def test_prepared_statements_would_be_caught(
    postgres: Postgres, pooler: int, monkeypatch: pytest.MonkeyPatch, threshold: int
) -> None:
    """The planted fault: statements are prepared in one session, and asked for in another one."""
    ours = serving.store.database.postgresql.OURS | {"prepare_threshold": threshold}
    monkeypatch.setattr(serving.store.database.postgresql, "OURS", ours)
    with pytest.raises(Exception, match="prepared statement"), open_store(through(pooler, postgres)) as store:
        use(store)


def test_a_pooler_that_takes_no_options_is_named(postgres: Postgres, pooler: int) -> None:
    with pytest.raises(StoreAway, match=r"takes no `options`.*\?schema="):
        open_store(through(pooler, postgres) + "?options=-csearch_path%3Dpublic")


HOSTILE = {
    "default_transaction_isolation": "serializable",
    "synchronous_commit": "off",
    "extra_float_digits": "-10",
    "client_encoding": "latin1",
    "search_path": "elsewhere",
}


def said(connection: Connection, *settings: str) -> list[str]:
    return [str(connection.execute(text(f"SHOW {setting}")).scalar_one()) for setting in settings]


def test_defaults_of_a_database_change_nothing(postgres: Postgres) -> None:
    url = postgres.database(own := name())
    postgres.tell(*(f"ALTER DATABASE {own} SET {setting} = '{value}'" for setting, value in HOSTILE.items()))
    with open_store(f"{url}?schema=public") as store:
        with store.database.write() as connection:
            settings = ("transaction_isolation", "synchronous_commit", "extra_float_digits", "client_encoding")
            assert said(connection, *settings) == ["read committed", "on", "1", "UTF8"]
        with store.database.read() as connection:
            assert said(connection, *settings[:1], "transaction_read_only") == ["repeatable read", "on"]
            assert connection.execute(text("SELECT 0.1::float8 + 0.2::float8")).scalar_one() == 0.1 + 0.2
        assert busy(store, threads=6, rounds=10) == {"accepted": 120}
        assert add(store, "Łódź") == ["accepted"]


def test_a_read_is_of_one_moment(postgres: Postgres) -> None:
    with open_store(postgres.database(name())) as store, store.database.read() as connection:
        count = text("SELECT count(*) FROM events")
        before = connection.execute(count).scalar_one()
        add(store, "meanwhile")
        assert connection.execute(count).scalar_one() == before


def where_tables_are(postgres: Postgres, database: str) -> list[object]:
    query = "SELECT schemaname FROM pg_tables WHERE tablename IN ('events', 'alembic_version') ORDER BY 1"
    return [row[0] for row in postgres.tell(query, database=database)]


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ('Sales "EU"', "?schema=Sales%20%22EU%22"),
        ("crm", "?options=-csearch_path%3Dcrm"),
        ("x", "?schema=x&options=-cgeqo%3Doff"),
    ],
)
def test_tables_are_in_the_schema_that_the_url_says(postgres: Postgres, schema: str, words: str) -> None:
    url = postgres.database(own := name())
    postgres.tell('CREATE SCHEMA "{}"'.format(schema.replace('"', '""')), database=own)
    with open_store(url + words) as store:
        assert add(store, "1") == ["accepted"]
        assert where_tables_are(postgres, own) == [schema] * 2
    with open_store(url) as other:  # another store in the same database
        assert add(other, "1") == ["accepted"]


def test_a_schema_that_is_not_there_is_told(postgres: Postgres) -> None:
    with pytest.raises(StoreAway, match=r"no schema to make the store's tables in.*CREATE SCHEMA.*\?schema="):
        open_store(postgres.database(name()) + "?schema=nowhere")


def test_a_database_that_cannot_hold_every_name_is_refused(postgres: Postgres) -> None:
    for encoding in ("LATIN1", "SQL_ASCII"):
        url = postgres.database(name(), f"ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
        with pytest.raises(DataError, match=f"in {encoding}.*ENCODING 'UTF8' TEMPLATE template0"):
            open_store(url)


@pytest.fixture
def weak(postgres: Postgres) -> tuple[str, str, str]:
    """A database, its owner's URL and that of a role that may make no tables there."""
    url, role = postgres.database(own := name()), f"weak_{own}"
    postgres.tell(f"CREATE ROLE {role} LOGIN", "REVOKE CREATE ON SCHEMA public FROM PUBLIC", database=own)
    return own, url, postgres.url(own, role)


def test_a_role_without_the_right_to_make_tables_serves_from_those_that_another_has_made(
    postgres: Postgres, weak: tuple[str, str, str]
) -> None:
    _, owner, theirs = weak
    with pytest.raises(DataError, match=r"not there, and this role may not make them.*store migrate"):
        open_store(theirs)
    database = connect(owner)
    migrate(database)
    with pytest.raises(StoreForbidden, match=r"permission denied for table.*--grant ROLE"):
        open_store(theirs)
    grant(database, str(connect(theirs).engine.url.username))
    with open_store(theirs) as store:
        assert add(store, "1") == ["accepted"]
        store.ping()
        store.erasure.forget("L1", "test", NOW)
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0007'"))
    with pytest.raises(DataError, match="of an older leadscore, and this role may not make them"):
        open_store(theirs)
    database.close()


def test_what_a_migration_would_do_can_be_done_by_hand(postgres: Postgres) -> None:
    url = postgres.database(own := name())
    database = connect(url)
    postgres.tell(*[migration_sql(database)], database=own)
    assert migration_sql(database) == ""
    database.close()
    with open_store(url) as store:
        assert add(store, "1") == ["accepted"]


def test_tables_that_another_one_takes_away_are_told_and_no_bug(postgres: Postgres, store: Store) -> None:
    with store.database.write() as connection:
        connection.execute(text("DROP TABLE events" if store.database.is_sqlite else "DROP TABLE events CASCADE"))
    with pytest.raises(StoreDamaged, match="table events is missing"):
        add(store, "1")


@pytest.fixture(scope="module")
def strict() -> Iterator[Postgres]:
    """A server that asks some roles for a password, and others for TLS."""
    with running(max_connections="20", autovacuum="off") as server:
        rules = server.folder / "pg_hba.conf"
        rules.write_text(
            "host all secretive 127.0.0.1/32 scram-sha-256\nhostssl all careful 127.0.0.1/32 trust\n"
            + "host all careful 127.0.0.1/32 reject\n"
            + rules.read_text()
        )
        server.tell(
            "CREATE ROLE secretive LOGIN PASSWORD 'sesame'", "CREATE ROLE careful LOGIN", "SELECT pg_reload_conf()"
        )
        yield server


@pytest.mark.parametrize(
    ("user", "database", "words", "message"),
    [
        ("secretive:wrong", "postgres", "", "refuses the store's role or its password"),
        ("secretive", "postgres", "", "refuses the store's role or its password"),
        ("careful", "postgres", "?sslmode=disable", "does not let this role in.*sslmode=require"),
        ("leadscore", "postgres", "?sslmode=require", "do not agree on TLS"),
        ("leadscore", "postgres", "?sslmode=verify-full&sslrootcert=/nowhere.pem", "do not agree on TLS"),
        ("leadscore", "nowhere", "", "no database of that name"),
        ("nobody-such", "postgres", "", "knows no such role"),
    ],
)
def test_each_refusal_has_a_message_of_its_own(
    strict: Postgres, user: str, database: str, words: str, message: str
) -> None:
    with pytest.raises(StoreAway, match=message) as caught:
        open_store(strict.url(database, user) + words)
    assert not {"wrong", "sesame", "127.0.0.1"} & set(str(caught.value).split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("connection failed: FATAL:  Datenbank »x« existiert nicht", "refuses the connection: Datenbank »x« existiert"),
        ('connection failed: connection to server at "h" failed: Connection refused', "does not answer"),
    ],
)
def test_a_server_that_speaks_another_language_is_quoted(words: str, message: str) -> None:
    with pytest.raises(StoreAway, match=message), in_plain_words():
        raise OperationalError("", None, psycopg.OperationalError(words))


def test_a_statement_that_takes_too_long_and_a_lock_are_told(postgres: Postgres) -> None:
    url = postgres.database(own := name())
    with open_store(url) as store:
        add(store, "1")
    postgres.tell(f"ALTER DATABASE {own} SET lock_timeout = '50ms'")
    with open_store(url) as store, store.database.write() as holding:
        holding.execute(text("LOCK TABLE events"))
        with pytest.raises(StoreAway, match="lock_timeout"):
            add(store, "2")
    postgres.tell(f"ALTER DATABASE {own} RESET lock_timeout", f"ALTER DATABASE {own} SET statement_timeout = '50ms'")
    with open_store(url) as store, store.database.read() as connection:
        with pytest.raises(StoreAway, match="statement_timeout"), store.database.read() as connection:
            connection.execute(text("SELECT pg_sleep(5)"))
        assert add(store, "3") == ["accepted"]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://me@host/db?shema=crm", "'shema'.*is schema meant"),
        ("postgresql://me@host/db?connections=0", "connections='0'.*1 to 200"),
        ("postgresql://me@host/db?schema=", "'schema'.*says nothing"),
        ("postgresql://me:se%25same@host:port/db", "cannot be read.*%-escape"),
        ("postgresql://me@one:1,two:port/db", "hosts in the store's URL"),
        ("postgresql", "cannot be read"),
        ("mysql://host/db", "begins with 'mysql'"),
    ],
)
def test_an_address_that_says_nothing_is_refused_by_name(url: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        connect(url)
    assert "se%25same" not in str(caught.value)


def test_an_address_may_have_several_hosts_and_a_password_with_signs() -> None:
    address = address_of("postgres://me:p%40s:s@one:5433,[::1]:5434,three/db?schema=crm&connections=3&sslmode=require")
    assert (address.schema, address.connections, address.chooses) == ("crm", 3, True)
    words = address.url.get_dialect()().create_connect_args(address.url)[1]
    assert (words["host"], words["port"]) == ("one,::1,three", "5433,5434,")
    assert (words["password"], words["dbname"], words["sslmode"]) == ("p@s:s", "db", "require")
    assert not address_of("postgresql://me@host/db").chooses


def test_two_servers_share_a_database_of_twenty_connections(strict: Postgres) -> None:
    """Each keeps within its bound, and both are answered; before, one took 16 of 20 and kept them."""
    url = strict.database(name())
    with open_store(url) as one, open_store(url) as two:
        results: list[Counter[str]] = []
        busy_ones = [
            threading.Thread(target=lambda store=store: results.append(busy(store, 16, 5))) for store in (one, two)
        ]
        for worker in busy_ones:
            worker.start()
        for worker in busy_ones:
            worker.join()
        assert sum(results, Counter()) == {"accepted": 160, "duplicate": 160}
        open_now = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'leadscore'"
        assert int(str(strict.tell(open_now)[0][0])) <= 16


def test_a_server_waits_for_room_in_the_database_and_says_so_when_there_is_none(
    strict: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = strict.database(name())
    with open_store(url):
        pass
    strict.tell("CREATE ROLE guest LOGIN CONNECTION LIMIT 1", database="postgres")
    own = url.rpartition("/")[2]
    strict.tell(
        "GRANT ALL ON ALL TABLES IN SCHEMA public TO guest",
        "GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO guest",
        database=own,
    )
    with open_store(strict.url(own, "guest")) as store:
        # One connection for all of its threads, although it may open eight.
        assert busy(store, threads=6, rounds=5) == {"accepted": 60}
        with store.database.read():
            monkeypatch.setattr(store.database.engine.pool, "_timeout", 0.2)
            with pytest.raises(StoreAway, match=r"too many connections.*connections="):
                store.ping()
        store.ping()


def test_a_server_that_rests_gives_its_connections_back(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving.store.database.postgresql, "IDLE_S", 0.0)
    with open_store(postgres.database(name())) as store:
        entered = threading.Barrier(4)

        def read() -> None:
            with store.database.read():
                entered.wait()

        readers = [threading.Thread(target=read) for _ in range(4)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        store.ping()
        pool = store.database.engine.pool
        assert pool.status() == "8 at most, 0 in use, 1 idle"


def test_who_waits_longest_for_a_connection_is_next(postgres: Postgres) -> None:
    with open_store(postgres.database(name()) + "?connections=1") as store:
        served: list[int] = []

        def read(number: int) -> None:
            with store.database.read():
                served.append(number)

        pool = store.database.engine.pool
        assert isinstance(pool, FairPool)
        with store.database.read():
            waiting = [threading.Thread(target=read, args=(number,)) for number in range(6)]
            for number, reader in enumerate(waiting, 1):
                reader.start()
                while len(pool._waiting) < number:
                    time.sleep(0.001)
        for reader in waiting:
            reader.join()
        assert served == list(range(6))


def test_no_call_needs_a_second_connection_while_it_has_one(postgres: Postgres) -> None:
    """With one connection it would wait for itself."""
    with open_store(postgres.database(name()) + "?connections=1") as store:
        add(store, "1")
        store.leads.put("L1", NOW, None, {"x": 1}, NOW)
        store.flow.read("conversion", NOW)
        store.ping()
        store.audit.add("test", "try", NOW)
        store.erasure.forget("L1", "test", NOW)


def test_events_of_a_store_in_a_schema_come_into_the_event_log(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.database(own := name())
    postgres.tell('CREATE SCHEMA "of sales"', database=own)
    with open_store(url) as other, open_store(url + "?schema=of%20sales") as store:
        add(other, "not these")
        add(store, "1", "2")
        report = ingest_store(tmp_path / "log", store.database, clock=lambda: NOW / 1e6)
    assert report.events.accepted == 2
