"""Acquisition of the lock, with a table in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.dataplatform.fleet.plugins.module_utils._lock.errors import HeldError, LockError, LostError
from ansible_collections.dataplatform.fleet.plugins.module_utils._lock.record import Lock
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._lock.api import Refused
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._lock.api import Table as DynamoTable
from ansible_collections.dataplatform.fleet.plugins.plugin_utils._lock.lock import acquire, confirm, release, remove


class Table:
    """One item with conditional writes, like DynamoDB. ``before`` runs once, before the next write."""

    def __init__(self, item: Lock | None = None, time: int = 1000) -> None:
        self.item = item
        self.time = time
        self.before: Callable[[], None] = lambda: None

    def now(self) -> int:
        return self.time

    def get(self, _cluster: str) -> Lock | None:
        return self.item

    def put(self, lock: Lock, replaces: Lock | None = None) -> None:
        self._race()
        if self.item != replaces:
            raise Refused(self.item)
        self.item = lock

    def touch(self, lock: Lock) -> None:
        self._mine(lock)
        assert self.item
        self.item = replace(self.item, heartbeat_at=self.time)

    def delete(self, lock: Lock) -> None:
        self._race()
        self._mine(lock)
        self.item = None

    def _mine(self, lock: Lock) -> None:
        if self.item is None or self.item.run_id != lock.run_id:
            raise Refused(self.item)

    def _race(self) -> None:
        before, self.before = self.before, lambda: None
        before()


MINE = Lock("staging", "mine", "ann@laptop", "site.yml", 0, 0, 300)
THEIRS = Lock("staging", "theirs", "bob@server", "AWX job 7: site.yml", 900, 990, 300)


def test_a_free_lock_is_acquired_with_the_time_of_the_table() -> None:
    table = Table()
    taken = acquire(table, MINE)
    assert table.item == taken.lock == replace(MINE, acquired_at=1000, heartbeat_at=1000)
    assert taken.previous is None


def test_the_refusal_of_a_held_lock_names_the_holder_and_the_remedy() -> None:
    table = Table(THEIRS)
    with pytest.raises(HeldError) as refused:
        acquire(table, MINE)
    for text in (
        "staging",
        "bob@server (AWX job 7: site.yml) for 1m40s",
        "last heartbeat 10s ago",
        "--tags unlock",
    ):
        assert text in str(refused.value)
    assert table.item == THEIRS


def test_the_same_run_gets_what_it_has() -> None:
    held = replace(MINE, acquired_at=900, heartbeat_at=990)
    assert acquire(Table(held), MINE).lock == held


def test_a_lock_without_heartbeats_is_taken_over() -> None:
    table = Table(THEIRS, time=1291)
    taken = acquire(table, MINE)
    assert taken.previous == THEIRS
    assert table.item == taken.lock


def test_a_holder_that_renews_before_the_takeover_keeps_its_lock() -> None:
    table = Table(THEIRS, time=1291)
    alive = replace(THEIRS, heartbeat_at=1291)

    def second_write() -> None:
        table.item = alive

    def first_write() -> None:
        table.before = second_write

    table.before = first_write
    with pytest.raises(HeldError):
        acquire(table, MINE)
    assert table.item == alive


def test_one_of_two_concurrent_takeovers_succeeds() -> None:
    table = Table(THEIRS, time=1291)
    third = replace(MINE, run_id="third", acquired_at=1291, heartbeat_at=1291)

    def second_write() -> None:
        table.item = third

    def first_write() -> None:
        table.before = second_write

    table.before = first_write
    with pytest.raises(HeldError):
        acquire(table, MINE)
    assert table.item == third


def test_a_lock_that_is_released_between_two_requests_is_acquired() -> None:
    table = Table(THEIRS)

    def put(lock: Lock, replaces: Lock | None = None) -> None:
        table.item = None
        table.put = Table.put.__get__(table)  # type: ignore[method-assign]
        raise Refused(None)

    table.put = put  # type: ignore[method-assign]
    assert acquire(table, MINE).lock.run_id == "mine"


def test_a_lock_that_is_lost_is_reported() -> None:
    with pytest.raises(LostError, match="was removed"):
        confirm(Table(), MINE)
    with pytest.raises(LostError, match="held by bob@server"):
        confirm(Table(THEIRS), MINE)
    table = Table(MINE)
    confirm(table, MINE)
    assert table.item == replace(MINE, heartbeat_at=1000)


def test_a_release_keeps_the_lock_of_another_run() -> None:
    table = Table(THEIRS)
    assert release(table, MINE) == THEIRS
    assert table.item == THEIRS
    assert release(Table(), MINE) is None
    mine = Table(MINE)
    assert release(mine, MINE) is None
    assert mine.item is None


def test_a_removal_applies_to_every_owner() -> None:
    table = Table(THEIRS)
    other = replace(THEIRS, run_id="other")

    def change_hands() -> None:
        table.item = other

    table.before = change_hands
    assert remove(table, "staging") == other
    assert table.item is None
    assert remove(table, "staging") is None


FLEET = {"dataplatform.fleet/fleet": "ours"}


class Dynamo:
    """A table that is there, and its tags."""

    def __init__(self, **tags: str) -> None:
        self.tags = tags
        self.tagged = 0

    def describe_table(self, TableName: str) -> dict[str, Any]:
        return {"Table": {"TableStatus": "ACTIVE", "TableArn": f"arn:{TableName}"}}

    def get_paginator(self, operation: str) -> Dynamo:
        assert operation == "list_tags_of_resource"
        return self

    def paginate(self, ResourceArn: str) -> list[dict[str, Any]]:
        assert ResourceArn == "arn:ours-locks"
        return [{"Tags": [{"Key": key, "Value": value} for key, value in self.tags.items()]}]

    def tag_resource(self, ResourceArn: str, Tags: list[dict[str, str]]) -> None:
        assert ResourceArn == "arn:ours-locks"
        self.tagged += 1
        self.tags |= {tag["Key"]: tag["Value"] for tag in Tags}


def test_an_adopted_table_is_the_fleets_from_then_on() -> None:
    client = Dynamo(team="theirs")
    with pytest.raises(LockError, match="fleet_adopt=dynamodb_table/ours-locks"):
        DynamoTable(client, "ours-locks").ensure(FLEET)
    for _run in range(2):
        DynamoTable(client, "ours-locks").ensure(FLEET, adopt=True)
    assert (client.tags, client.tagged) == ({"team": "theirs", **FLEET}, 1)
    assert DynamoTable(client, "ours-locks").ensure(FLEET) is False
