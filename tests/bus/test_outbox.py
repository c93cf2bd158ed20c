"""The outbox over a wire that fails as it likes: in order, nothing lost, one batch in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.bus.outbox import Outbox, SourceTrouble
from tests.bus.peers import MemoryOutbox


class WireBroke(Exception):
    """What the wire of these tests raises."""


def filled(count: int) -> MemoryOutbox:
    source = MemoryOutbox()
    for number in range(count):
        source.add("t", str(number).encode())
    return source


def wire(fails: Callable[[int], bool]) -> tuple[list[int], Callable[[str, bytes, bool], Awaitable[None]]]:
    """A publish that notes what arrived, in order; the n-th call breaks when `fails(n)`, before or after arriving."""
    arrived: list[int] = []
    calls = 0

    async def publish(_topic: str, payload: bytes, _retained: bool) -> None:
        nonlocal calls
        calls += 1
        number = calls
        if fails(number) and number % 2:
            raise WireBroke
        arrived.append(int(payload))
        await asyncio.sleep(0)
        if fails(number):
            raise WireBroke

    return arrived, publish


@given(st.integers(0, 40), st.integers(1, 9), st.sets(st.integers(1, 120), max_size=12))
def test_every_row_arrives_in_order_whatever_fails(count: int, batch: int, failing: set[int]) -> None:
    async def scene() -> None:
        source = filled(count)
        arrived, publish = wire(failing.__contains__)
        outbox = Outbox(source, publish, batch=batch)
        while source.rows:
            with suppress(ExceptionGroup):  # only the wire fails here
                await outbox.step()
        assert await outbox.step() == 0
        assert set(arrived) == set(range(count))
        assert source.largest_batch <= batch
        assert outbox.delivered == count

    asyncio.run(scene())


async def test_rows_confirmed_before_the_failure_are_done_and_the_rest_stay() -> None:
    async def publish(_topic: str, payload: bytes, _retained: bool) -> None:
        if payload == b"3":
            raise WireBroke

    source = filled(6)
    with pytest.raises(ExceptionGroup):
        await Outbox(source, publish).step()
    assert [row[2] for row in source.rows] == [b"3", b"4", b"5"]


async def test_a_cancelled_step_keeps_what_was_not_confirmed_even_if_the_store_fails_too() -> None:
    """Found by a test on mosquitto: the store's error must not take the place of the cancellation."""
    half_way = asyncio.Event()

    async def publish(_topic: str, payload: bytes, _retained: bool) -> None:
        if payload == b"2":
            half_way.set()
            await asyncio.Event().wait()

    for broken in (False, True):
        source = filled(5)
        half_way.clear()
        step = asyncio.create_task(Outbox(source, publish).step())
        await half_way.wait()
        await asyncio.sleep(0)
        source.broken = broken
        step.cancel()
        with pytest.raises(asyncio.CancelledError):
            await step
        assert len(source.rows) == (5 if broken else 3)


async def test_a_store_in_trouble_is_told_apart_from_the_wire() -> None:
    arrived, publish = wire(lambda _number: False)
    source = filled(2)
    source.broken = True
    with pytest.raises(SourceTrouble, match="cannot be read: database is locked"):
        await Outbox(source, publish).step()

    async def breaks_the_store(topic: str, payload: bytes, retained: bool) -> None:
        await publish(topic, payload, retained)
        source.broken = True

    source.broken = False
    with pytest.raises(SourceTrouble, match="cannot be deleted"):
        await Outbox(source, breaks_the_store).step()
    source.broken = False
    assert await Outbox(source, publish).step() == 2
    assert arrived == [0, 1, 0, 1]


async def test_a_row_nobody_can_publish_does_not_block_the_others() -> None:
    told: list[tuple[int, str]] = []

    async def publish(_topic: str, payload: bytes, _retained: bool) -> None:
        if payload == b"1":
            raise ValueError("Publish topic cannot contain wildcards.")

    source = filled(3)
    outbox = Outbox(source, publish, on_refused=lambda seq, why: told.append((seq, why)))
    assert await outbox.step() == 3
    assert (outbox.delivered, outbox.refused, source.rows) == (2, 1, [])
    assert told == [(2, "Publish topic cannot contain wildcards.")]
