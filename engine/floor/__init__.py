"""The floor: the one place of all live state, and the only writer of it."""

from engine.floor.floor import Deadline, Floor
from engine.floor.state import FloorState

__all__ = ["Deadline", "Floor", "FloorState"]
