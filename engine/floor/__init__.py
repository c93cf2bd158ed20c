"""The floor: the one place of all live state, and the only writer of it.

Its modules lie in layers, and import-linter holds them there (`pyproject.toml`). Each knows only those below it:

    floor        takes a fact, looks what is due, and has the noted ones matched after each
    callers      what callers and their dialplans tell · definitions · resync: compared with Asterisk
                 · routing: brings callers and agents together, the one place for it
                 · campaigns: started and stopped, with leads and sums · pace: how many calls now
    traces       attempts after blindness · rivals: campaigns that need the same agents
    called       what is heard of the calls that campaigns placed
    legs         a leg is gone, whoever's it was
    talking      from the join of two legs to the end of their talk
    offers       an agent and a caller belong to each other until they talk or are parted
    agents       an agent's states · flow: a caller's way through his flow
    visits       one visit to a queue · endings: an interaction's end · attempts: a dialled number's outcome
    previews     an agent looks at a lead before it is dialled
    stock        claimed leads
    dialplan     a caller's leg is given back · phrases: what the floor itself says
    step         what one fact does: state changes along their arrows, commands, notes of who is free or waits
    crews        who serves each campaign, derived from the state, and its pacing rule
    line         who waits, in order, derived from the state
    state        plain data, all that a snapshot holds

Matching needs agents and callers, and almost everything that happens to one of them may call for a match. So nobody
calls for it: whoever becomes free or matchable is noted on the `Step`, and `Floor` matches the noted ones as soon as
the fact (or the deadline) has been taken in whole, within the same step.
"""

from engine.floor.floor import Deadline, Floor
from engine.floor.state import FloorState

__all__ = ["Deadline", "Floor", "FloorState"]
