"""Who goes when there is no more room: beside a slow second way of saying it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from serving.edge.open_connections import KEPT_BACK, OpenConnections, most_connections
from serving.messages.limits import Limits

LIMITS = Limits(connections=8, per_address=3)


@dataclass(eq=False)
class Fake:
    """A client that has been told to go, or not."""

    address: str
    gone: bool = False
    deadline: float = 100.0

    def overdue(self, waited_s: float) -> bool:
        return waited_s > self.deadline

    def send_away(self) -> None:
        self.gone = True


@dataclass
class Slow:
    """The same rules, read off a plain list of who waits since when."""

    present: list[Fake] = field(default_factory=list)
    since: dict[Fake, int] = field(default_factory=dict)

    def goes(self, newcomer: Fake) -> list[Fake] | None:
        """Who makes room for a newcomer; None when nobody can."""
        going: list[Fake] = []
        own = [client for client in self.present if newcomer.address and client.address == newcomer.address]
        for among, most in ((own, LIMITS.per_address), (self.present, LIMITS.connections)):
            if len([client for client in among if client not in going]) >= most:
                waiting = [client for client in among if client in self.since and client not in going]
                if not waiting:
                    return None
                going.append(min(waiting, key=lambda client: self.since[client]))
        return going


@given(st.lists(st.tuples(st.sampled_from("ccccswl"), st.integers(0, 9), st.sampled_from(["", "a", "b"])), max_size=80))
@example([("c", 0, "a")] * 4 + [("c", 0, "")] * 8)
def test_whoever_has_kept_the_server_waiting_for_longest_goes(steps: list[tuple[str, int, str]]) -> None:
    moment = 0
    connections, slow = OpenConnections(LIMITS, lambda: moment), Slow()
    for act, which, address in steps:
        moment += 1
        if act == "c":
            newcomer = Fake(address)
            going = slow.goes(newcomer)
            assert connections.let_in(newcomer) == (going is not None)
            for client in going or []:
                assert client.gone
                slow.present.remove(client)
                del slow.since[client]
            if going is not None:
                slow.present.append(newcomer)
                slow.since[newcomer] = moment
        elif slow.present:
            client = slow.present[which % len(slow.present)]
            if act == "s":
                connections.is_served(client)
                slow.since.pop(client, None)
            elif act == "w":
                connections.waits(client)
                slow.since[client] = moment
            else:
                connections.leave(client)
                slow.present.remove(client)
                slow.since.pop(client, None)
        assert connections.clients == set(slow.present)
        assert not any(client.gone for client in slow.present)
        assert len(connections.clients) <= LIMITS.connections
        assert sum(connections.addresses.values()) == sum(bool(client.address) for client in slow.present)


def test_who_is_overdue_goes_and_who_is_served_does_not() -> None:
    moment = 0.0
    connections = OpenConnections(LIMITS, lambda: moment)
    hasty, served, patient = Fake("", deadline=1), Fake("", deadline=1), Fake("")
    for client in (hasty, served, patient):
        connections.let_in(client)
    connections.is_served(served)
    moment = 2.0
    connections.sweep()
    assert [client.gone for client in (hasty, served, patient)] == [True, False, False]
    assert connections.sent_away == 1


def test_an_address_that_is_served_on_all_its_connections_gets_no_further_one() -> None:
    connections = OpenConnections(LIMITS, lambda: 0.0)
    served = [Fake("a") for _ in range(LIMITS.per_address)]
    for client in served:
        assert connections.let_in(client)
        connections.is_served(client)
    assert not connections.let_in(Fake("a"))
    assert connections.let_in(Fake("b"))
    assert not any(client.gone for client in served)


@pytest.mark.parametrize(("descriptors", "most"), [(10_000, 100), (KEPT_BACK + 20, 20), (KEPT_BACK, 8)])
def test_there_are_no_more_connections_than_is_said_and_than_descriptors(
    monkeypatch: pytest.MonkeyPatch, descriptors: int, most: int
) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda kind: (descriptors, descriptors))
    assert most_connections(Limits(connections=100)) == most
