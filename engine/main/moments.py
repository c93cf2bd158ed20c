"""Between the core's µs and what people read: datetimes and seconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import overload

from engine.domain.values import SECOND

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@overload
def moment(us: int) -> datetime: ...
@overload
def moment(us: None) -> None: ...
def moment(us: int | None) -> datetime | None:
    """UTC µs as an aware datetime, exactly."""
    return None if us is None else _EPOCH + timedelta(microseconds=us)


def seconds(us: int) -> float:
    """µs as seconds, to the millisecond."""
    return round(us / SECOND, 3)
