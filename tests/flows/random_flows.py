"""Random flows, all of them sound, as the text of their files.

Nodes that say nothing lead onward only, so there is no ring without a word; all others lead anywhere.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from hypothesis import strategies as st

_WORDS = st.sampled_from(["Hello.", "您好。", {"file": "beep"}, ["One.", {"text": "二", "language": "zh"}]])
_KEYS = st.sampled_from(list("0123456789*#"))
_VARIABLES = ("choice", "account", "vip", "channel")
_VALUES = st.sampled_from(["1", "2", "yes", "account", "voice"])


@cache
def _node(number: int, size: int) -> st.SearchStrategy[dict[str, Any]]:
    arrow = st.sampled_from([*(f"n{other}" for other in range(size)), "bye"])
    onward = st.sampled_from([*(f"n{other}" for other in range(number + 1, size)), "bye"])
    save = st.sampled_from(_VARIABLES)
    steering = {"priority": st.integers(-9, 9).map(str), "skill.english": st.integers(1, 10).map(str), "vip": _VALUES}
    return st.one_of(
        st.fixed_dictionaries({"say": _WORDS, "next": arrow}),
        st.fixed_dictionaries({"notice": _WORDS, "next": arrow}, optional={"refuse_key": _KEYS}),
        st.fixed_dictionaries(
            {"menu": _WORDS, "options": st.dictionaries(_KEYS, arrow, min_size=1, max_size=4), "otherwise": arrow},
            optional={"tries": st.integers(1, 3).map(str), "save": save, "sorry": _WORDS},
        ),
        st.fixed_dictionaries(
            {
                "collect": _WORDS,
                "patterns": st.sampled_from([{"account": "8 digits"}, {"a": "1-4 digits", "b": "[1-9][0-9]*"}]),
                "save": save,
                "next": arrow,
                "otherwise": arrow,
            },
            optional={"tries": st.integers(1, 3).map(str)},
        ),
        st.fixed_dictionaries(
            {
                "hours": st.sampled_from(["mon-fri 09:00-17:30", "mon-sun 00:00-24:00", "sat 22:00-06:00"]),
                "timezone": st.sampled_from(["UTC", "Asia/Shanghai", "America/New_York"]),
                "open": onward,
                "closed": onward,
            }
        ),
        st.fixed_dictionaries({"set": st.fixed_dictionaries({}, optional=steering).filter(bool), "next": onward}),
        st.fixed_dictionaries(
            {
                "switch": st.sampled_from(["vip", "channel", "number"]),
                "cases": st.dictionaries(_VALUES, onward, min_size=1, max_size=3),
                "otherwise": onward,
            }
        ),
        st.fixed_dictionaries(
            {"queue": st.sampled_from(["sales", "support"]), "on_timeout": onward, "on_closed": onward},
            optional={"after": arrow, "priority": st.integers(-9, 9).map(str), "needs": st.just({"english": "3"})},
        ),
        st.fixed_dictionaries({"hangup": _WORDS}),
    )


@st.composite
def flow_texts(draw: st.DrawFn) -> str:
    """A flow of 3 to 9 nodes, as JSON (which is YAML). `seed` sets `vip`, so that a switch may ask for it."""
    size = draw(st.integers(1, 7))
    nodes: dict[str, Any] = {f"n{number}": draw(_node(number, size)) for number in range(size)}
    nodes["seed"] = {"set": {"vip": "yes"}, "next": "n0"}
    nodes["bye"] = {"hangup": "Bye."}
    return json.dumps({"flow": "random", "start": draw(st.sampled_from(["seed", "n0"])), "nodes": nodes})
