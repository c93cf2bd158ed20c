from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.domain.flow import (
    CollectDigits,
    Enqueue,
    Flow,
    HangUpNode,
    Hours,
    Menu,
    Notice,
    OpenSpan,
    Say,
    SetVariables,
    Switch,
)
from engine.domain.policy import SkillNeed
from engine.domain.values import DigitPattern, Prompt, QueueId
from engine.errors import ConfigError
from engine.flows.errors import FlowErrors
from engine.flows.parser import check, parse, version_of
from tests.flows.texts import around, faults, flow_of

HELLO = (Prompt(text="Hello.", language="en"),)


def first(nodes: str, head: str = "") -> object:
    return flow_of(nodes, head=head).nodes["one"]


def test_a_whole_flow() -> None:
    text = 'flow: f-1\nlanguage: zh\nstart: bye\nnodes:\n  bye: {hangup: "再见。"}\n'
    assert parse(text, "f.yaml") == Flow(
        name="f-1",
        version=version_of(text),
        language="zh",
        start="bye",
        nodes={"bye": HangUpNode(line=5, prompts=(Prompt(text="再见。", language="zh"),))},
    )


def test_the_version_is_the_content() -> None:
    assert version_of("a") == "ca978112ca1b"
    assert version_of("a") != version_of("a\n")


# --- each node -------------------------------------------------------------------------------------------------------


def test_say() -> None:
    assert first("one: {say: Hello., next: bye}") == Say(line=4, prompts=HELLO, next="bye")


def test_prompts_in_every_form() -> None:
    node = first(
        """
        one:
          say:
            - |
              Good   morning,
              caller.
            - {file: bank/welcome}
            - {text: 您好, language: zh}
          next: bye
        """
    )
    assert isinstance(node, Say)
    assert node.prompts == (
        Prompt(text="Good morning, caller.", language="en"),
        Prompt(file="bank/welcome", language="en"),
        Prompt(text="您好", language="zh"),
    )


def test_notice() -> None:
    full = first("one: {notice: Hello., refuse_key: 9, wait_s: 1.5, next: bye}")
    assert full == Notice(line=4, prompts=HELLO, next="bye", refuse_key="9", wait_s=1.5)
    assert first("one: {notice: Hello., next: bye}") == Notice(line=4, prompts=HELLO, next="bye")


def test_menu() -> None:
    node = first(
        """
        one:
          menu: Hello.
          options: {1: bye, 0: one, '*': bye, "#": one}
          otherwise: bye
          tries: 2
          wait_s: 4
          save: choice
          sorry: Hello.
        """
    )
    assert node == Menu(
        line=4,
        prompts=HELLO,
        options={"1": "bye", "0": "one", "*": "bye", "#": "one"},
        otherwise="bye",
        tries=2,
        wait_s=4.0,
        save="choice",
        sorry=HELLO,
    )


def test_collect() -> None:
    node = first(
        """
        one:
          collect: Hello.
          patterns: {account: 8 digits, card: 16-19 digits}
          save: id
          next: bye
          otherwise: bye
        """
    )
    assert node == CollectDigits(
        line=4,
        prompts=HELLO,
        patterns=(DigitPattern(name="account", regex="[0-9]{8}"), DigitPattern(name="card", regex="[0-9]{16,19}")),
        next="bye",
        otherwise="bye",
        max_digits=19,  # the longest pattern: the input ends by itself
        save="id",
    )


def test_a_regular_expression_leaves_the_length_open() -> None:
    node = first(r"one: {collect: Hello., patterns: {a: '1\d+', b: 8 digits}, save: a, next: bye, otherwise: bye}")
    assert isinstance(node, CollectDigits)
    assert node.max_digits == 20


def test_hours() -> None:
    node = first(
        """
        one:
          hours: [mon-fri 09:00-17:30, sat 10:00-12:00]
          timezone: Asia/Shanghai
          holidays: [2026-12-25]
          open: bye
          closed: bye
        """
    )
    assert node == Hours(
        line=4,
        timezone="Asia/Shanghai",
        spans=(
            OpenSpan(weekdays=(0, 1, 2, 3, 4), start=540, end=1050),
            OpenSpan(weekdays=(5,), start=600, end=720),
        ),
        holidays=("2026-12-25",),
        open="bye",
        closed="bye",
    )


def test_set_and_switch() -> None:
    flow = flow_of(
        """
        one: {set: {vip: yes, priority: -5, skill.english: 7}, next: two}
        two: {switch: vip, cases: {yes: bye, no: three}, otherwise: three}
        three: {switch: channel, cases: {voice: bye}, otherwise: bye}
        """
    )
    values = {"vip": "yes", "priority": "-5", "skill.english": "7"}
    assert flow.nodes["one"] == SetVariables(line=4, values=values, next="two")
    cases = {"yes": "bye", "no": "three"}
    assert flow.nodes["two"] == Switch(line=5, variable="vip", cases=cases, otherwise="three")


def test_queue() -> None:
    node = first("one: {queue: sales, on_timeout: bye, on_closed: bye, after: bye, priority: 3, needs: {english: 5}}")
    assert node == Enqueue(
        line=4,
        queue=QueueId("sales"),
        on_timeout="bye",
        on_closed="bye",
        after="bye",
        priority=3,
        needs=(SkillNeed(skill="english", level=5),),
    )


@pytest.mark.parametrize("needs", ["english", "[english]", "{english: 1}"])
def test_needs_in_every_form(needs: str) -> None:
    node = first(f"one: {{queue: sales, on_timeout: bye, on_closed: bye, needs: {needs}}}")
    assert isinstance(node, Enqueue)
    assert node.needs == (SkillNeed(skill="english", level=1),)


def test_hangup_without_a_word() -> None:
    assert first("one:\n  hangup:") == HangUpNode(line=4)


# --- faults ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nodes", "fault"),
    [
        ("one: {say: Hi, nxt: bye}", "4:18 node `one`: the key `nxt` is not known | did you mean `next`?"),
        ("one: {say: Hi}", "4:8 node `one`: `next` is missing | write `next: NODE`"),
        ("one: {say: Hi, next: by}", "4:24 node `one`: there is no node `by` | did you mean `bye`?"),
        ("one: {say: Hi, next: [bye]}", "4:24 node `one`: `next` is a list | write one word, `next: NODE`"),
        ("one: {syay: Hi, next: bye}", "did you mean `say` by `syay`?"),
        ("one: {next: bye}", "it does not say what it does"),
        ("one: {say: Hi, hangup: Hi}", "it has `say` and `hangup`, but does one thing"),
        ("one: Hello", "node `one` is no table"),
        ("1 2: {hangup: }\none: {say: Hi, next: 1 2}", "4:3 `1 2` cannot name a node"),
        ("one: {say: '', next: bye}", "a prompt without a word"),
        ("one: {say: '...', next: bye}", "a prompt without a word"),
        ("one: {say: [], next: bye}", "`say` has no prompt"),
        ("one: {say: [[Hi]], next: bye}", "a list within a list"),
        ('one: {say: "a\\x07b", next: bye}', "a control character in a prompt"),
        (f"one: {{say: {'x' * 1001}, next: bye}}", "a prompt of 1001 characters"),
        (f"one: {{say: [{', '.join('x' * 21)}], next: bye}}", "21 prompts in a row"),
        ("one: {say: {text: Hi, file: a}, next: bye}", "either `text` or `file`"),
        ("one: {say: {}, next: bye}", "either `text` or `file`"),
        ("one: {say: {txt: Hi}, next: bye}", "the key `txt` is not known | did you mean `text`?"),
        ("one: {say: {text: Hi, language: fr}, next: bye}", "`fr` cannot be the language"),
        ("one: {say: {file: ../etc/passwd}, next: bye}", "cannot name a recording"),
        ("one: {say: {file: /etc/passwd}, next: bye}", "cannot name a recording"),
        ("one: {say: {file: a.wav}, next: bye}", "without an ending"),
        ("one: {notice: Hi, refuse_key: 99, next: bye}", "`99` is no key to refuse with"),
        ("one: {menu: Hi, options: {}, otherwise: bye}", "`options` is no table"),
        ("one: {menu: Hi, options: [bye], otherwise: bye}", "`options` is no table"),
        ("one: {menu: Hi, options: {12: bye}, otherwise: bye}", "`12` is no key for an option"),
        ("one: {menu: Hi, options: {a: bye}, otherwise: bye}", "`a` is no key for an option"),
        ("one: {menu: Hi, options: {一: bye}, otherwise: bye}", "`一` is no key for an option"),
        ("one: {menu: Hi, options: {1: x}, otherwise: bye}", "there is no node `x`"),
        ("one: {menu: Hi, options: {1: bye}}", "`otherwise` is missing"),
        ("one: {menu: Hi, options: {1: bye}, otherwise: bye, tries: 0}", "`0` cannot be `tries`"),
        ("one: {menu: Hi, options: {1: bye}, otherwise: bye, tries: two}", "a whole number from 1 to 10"),
        ("one: {menu: Hi, options: {1: bye}, otherwise: bye, wait_s: 61}", "seconds from 0.1 to 60"),
        ("one: {menu: Hi, options: {1: bye}, otherwise: bye, wait_s: nan}", "`nan` cannot be `wait_s`"),
        ("one: {menu: Hi, options: {1: bye}, otherwise: bye, save: priority}", "`priority` steers the queue"),
        ("one: {menu: Hi, options: {1: bye}, otherwise: bye, save: skill.x}", "cannot be the save"),
        ("one: {collect: Hi, next: bye, otherwise: bye, save: a}", "`patterns` is missing"),
        ("one: {collect: Hi, patterns: {a: 8 digits}, next: bye, otherwise: bye}", "`save` is missing"),
        (
            "one: {collect: Hi, patterns: {a: '('}, next: bye, otherwise: bye, save: a}",
            "the pattern `a` cannot be used",
        ),
        (
            "one: {collect: Hi, patterns: {a: 8 digits}, max_digits: 7, next: bye, otherwise: bye, save: a}",
            "4:59 node `one`: a pattern needs 8 digits, but no more than 7 are taken | write `max_digits: 8`",
        ),
        ("one: {hours: mon 9-17, timezone: UTC, open: bye, closed: bye}", "`mon 9-17` are no hours"),
        ("one: {timezone: UTC, open: bye, closed: bye, hours: }", "`hours` is missing"),
        ("one: {hours: mon 09:00-17:00, open: bye, closed: bye}", "`timezone` is missing"),
        (
            "one: {hours: mon 09:00-17:00, timezone: Europe/Londn, open: bye, closed: bye}",
            "there is no time zone `Europe/Londn` | did you mean `Europe/London`?",
        ),
        ("one: {hours: mon 09:00-17:00, timezone: ../etc, open: bye, closed: bye}", "there is no time zone `../etc`"),
        ("one: {hours: mon 09:00-17:00, timezone: Europe, open: bye, closed: bye}", "there is no time zone `Europe`"),
        (
            "one: {hours: mon 09:00-17:00, timezone: UTC, holidays: [2026-02-30], open: bye, closed: bye}",
            "`2026-02-30` is no date",
        ),
        ("one: {hours: mon 09:00-17:00, timezone: UTC, holidays: [20261225], open: bye, closed: bye}", "is no date"),
        ("one: {set: {a: [1]}, next: bye}", "`set: a` is a list"),
        ("one: {collect: Hi, patterns: {a b: 1 digit}, next: bye, otherwise: bye, save: a}", "cannot name a pattern"),
        ("one: {set: {a b: 1}, next: bye}", "`a b` cannot name a variable"),
        ("one: {set: {priority: high}, next: bye}", "`high` cannot be `priority`"),
        ("one: {set: {skill.english: 11}, next: bye}", "a whole number from 1 to 10"),
        (f"one: {{set: {{a: {'x' * 101}}}, next: bye}}", "too long"),
        ("one: {switch: vip, cases: {1: bye}, otherwise: bye}", "nothing sets the variable `vip`"),
        ("one: {switch: chanel, cases: {1: bye}, otherwise: bye}", "did you mean `channel`?"),
        ("one: {queue: 'sales & more', on_timeout: bye, on_closed: bye}", "cannot be the queue"),
        ("one: {queue: sales, on_closed: bye}", "`on_timeout` is missing"),
        ("one: {queue: sales, on_timeout: bye, on_closed: bye, needs: {english: 0}}", "from 1 to 10"),
        ("one: {queue: sales, on_timeout: bye, on_closed: bye, needs: [a b]}", "cannot name a skill"),
        ("one: {queue: sales, on_timeout: bye, on_closed: bye, priority: 1.5}", "`1.5` cannot be `priority`"),
        ("one: {say: Hi, next: bye}\none: {say: Hi, next: bye}", "5:3 the key `one` stands twice"),
    ],
)
def test_faults(nodes: str, fault: str) -> None:
    found = faults(around(nodes))
    assert any(fault in each for each in found), found


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("- a", "1:1 the file is no table"),
        ("hello", "1:1 the file is no table"),
        ("start: a\nnodes: {a: {hangup: }}", "1:1 flow: `flow` is missing"),
        ("flow: a b\nstart: a\nnodes: {a: {hangup: }}", "1:7 flow: `a b` cannot be the flow"),
        ("flow: x\nnodes: {a: {hangup: }}", "flow: `start` is missing | write `start: NODE`"),
        ("flow: x\nstart: b\nnodes: {a: {hangup: }}", "2:8 flow: there is no node `b`"),
        ("flow: x\nstart: a\n", "flow: `nodes` is missing"),
        ("flow: x\nstart: a\nnodes: []", "flow: `nodes` is no table"),
        ("flow: x\nlanguage: fr\nstart: a\nnodes: {a: {hangup: }}", "`fr` cannot be the language"),
        ("flow: x\nlangage: en\nstart: a\nnodes: {a: {hangup: }}", "did you mean `language`?"),
        ("flow: x\nstart: a\nnodes: {a: {hangup: }}\n---\n", "4:1 a second document"),
    ],
)
def test_faults_of_the_whole(text: str, fault: str) -> None:
    found = faults(text)
    assert any(fault in each for each in found), found


def test_every_fault_is_told_at_once_in_file_order() -> None:
    found = faults(
        around(
            """
            one: {say: Hi, next: nowhere}
            two: {menu: Hi, options: {11: bye}, otherwise: bye, colour: red}
            three: {hours: always, timezone: Mars, open: bye, closed: bye}
            """
        )
    )
    assert [each.split(":")[0] for each in found] == ["4", "5", "5", "6", "6"]


def test_the_message_names_file_line_column_and_mend() -> None:
    with pytest.raises(FlowErrors) as caught:
        parse(around("one: {say: Hi, next: by}"), "ivr_flows/x.yaml")
    assert isinstance(caught.value, ConfigError)
    assert "ivr_flows/x.yaml:4:24: node `one`: there is no node `by` — did you mean `bye`?" in str(caught.value)
    (item,) = caught.value.items
    assert (item.file, item.line, item.column, item.error_id, item.exit_code) == ("ivr_flows/x.yaml", 4, 24, "flow", 2)


def test_a_long_list_of_faults_is_clipped_in_the_message_only() -> None:
    nodes = "\n".join(f"n{n}: {{say: Hi, next: nowhere}}" for n in range(30))
    with pytest.raises(FlowErrors, match="… and 11 more") as caught:
        parse(around(nodes), "x.yaml")  # the 31st: no node `one` to start at
    assert len(caught.value.items) == 31


# --- the graph -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nodes", "ring"),
    [
        ("one: {set: {a: 1}, next: one}", "one → one"),
        ("one: {set: {a: 1}, next: two}\ntwo: {switch: a, cases: {1: one}, otherwise: bye}", "one → two → one"),
        ("one: {queue: s, on_timeout: bye, on_closed: one}", "one → one"),
        ("one: {queue: s, on_timeout: one, on_closed: bye}", "one → one"),
        ("one: {hours: mon 09:00-17:00, timezone: UTC, open: bye, closed: one}", "one → one"),
    ],
)
def test_rings_without_a_word_are_refused(nodes: str, ring: str) -> None:
    (fault,) = faults(around(nodes))
    assert ring in fault or " → ".join(reversed(ring.split(" → "))) in fault


@pytest.mark.parametrize(
    "nodes",
    [
        "one: {queue: s, on_timeout: two, on_closed: bye}\ntwo: {say: Still here., next: one}",
        "one: {queue: s, on_timeout: bye, on_closed: bye, after: one}",
        "one: {menu: Hi, options: {1: one}, otherwise: bye}",
    ],
)
def test_rings_with_a_word_are_fine(nodes: str) -> None:
    assert check(around(nodes), "x.yaml").warnings == ()


def test_a_thousand_nodes_without_a_word_are_refused() -> None:
    nodes = "".join(f"n{n}: {{set: {{a: 1}}, next: n{n + 1}}}\n" for n in range(998)) + "n998: {hangup: }\n"
    assert faults(around(nodes, start="n0")) == []
    nodes = "".join(f"n{n}: {{set: {{a: 1}}, next: n{n + 1}}}\n" for n in range(999)) + "n999: {hangup: }\n"
    assert "1,000 nodes in a row without a word" in faults(around(nodes, start="n0"))[0]


def test_a_long_row_of_queues_is_refused() -> None:
    row = [f"n{n}: {{queue: s, on_timeout: bye, on_closed: n{n + 1}}}" for n in range(21)]
    text = around("\n".join([*row[:20], "n20: {hangup: }"]), start="n0")
    assert faults(text) == []
    text = around("\n".join([*row, "n21: {hangup: }"]), start="n0")
    assert "21 queues in a row without a word, more than 20" in faults(text)[0]


def test_warnings() -> None:
    checked = check(
        around(
            """
            one: {menu: Hi, options: {1: bye}, otherwise: two}
            two: {say: Once more., next: one}
            lost: {hangup: }
            """
        ),
        "x.yaml",
    )
    assert [(w.file, w.line, w.column, w.what) for w in checked.warnings] == [
        ("x.yaml", 6, 3, "no way leads to node `lost`"),
        ("x.yaml", 4, 3, "a caller who presses nothing goes round for ever: one → two → one"),
    ]


# --- hostile and large -----------------------------------------------------------------------------------------------


def cost(of: Callable[[int], object], count: int) -> float:
    """Processor seconds of one call."""
    began = time.process_time()
    of(count)
    return time.process_time() - began


def grows_with_its_size(of: Callable[[int], object]) -> bool:
    """Whether ten times the nodes cost some ten times as much, and not a hundred times."""
    few = min(cost(of, 1_000) for _ in range(3))
    return cost(of, 10_000) < 40 * few


def test_ten_thousand_nodes_cost_ten_times_a_thousand() -> None:
    def read(count: int) -> None:
        nodes = "\n".join(
            f"n{n}:\n  menu: Hello {n}\n  options: {{1: n{n + 1}, 2: bye}}\n  otherwise: n{(n * 7919) % count}"
            for n in range(count)
        ).replace(f"n{count},", "bye,")
        assert len(flow_of(nodes, start="n0").nodes) == count + 1

    assert grows_with_its_size(read)


def test_ten_thousand_faults_cost_ten_times_a_thousand() -> None:
    def read(count: int) -> None:
        nodes = "\n".join(f"n{n}: {{say: Hi, nxt: m{n}, next: m{n}}}" for n in range(count))
        assert len(faults(around(nodes))) == 2 * count + 1

    assert grows_with_its_size(read)


def test_too_many_nodes_are_refused() -> None:
    nodes = "\n".join(f"n{n}: {{hangup: }}" for n in range(20_000))
    assert any("20,001 nodes, more than 20,000" in each for each in faults(around(nodes, start="n0")))


def test_ten_thousand_wrong_time_zones_cost_ten_times_a_thousand() -> None:
    def read(count: int) -> None:
        nodes = "\n".join(
            f"n{n}: {{hours: mon {n}, timezone: Mars/C{n}, open: bye, closed: bye}}" for n in range(count)
        )
        assert len(faults(around(nodes, start="n0"))) == 2 * count

    assert grows_with_its_size(read)


def test_ten_thousand_rings_cost_ten_times_a_thousand() -> None:
    def read(count: int) -> None:
        nodes = "\n".join(f"n{n}: {{set: {{a: 1}}, next: n{n}}}" for n in range(count))
        assert len(faults(around(nodes, start="n0"))) == 20

    assert grows_with_its_size(read)


_SCRAPS = st.sampled_from(
    [
        *("flow", "start", "nodes", "language", "one", "bye", "next", "text", "file", "1", "9", "#"),
        *("say", "menu", "notice", "collect", "hours", "set", "switch", "queue", "hangup", "options", "otherwise"),
        *("patterns", "8 digits", "timezone", "UTC", "open", "closed", "mon-fri 09:00-17:00", "cases", "channel"),
        *("on_timeout", "on_closed", "needs", "priority", "skill.x", "save", "tries", "wait_s"),
    ]
)
_anything = st.recursive(
    _SCRAPS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_SCRAPS | st.text(max_size=3), inner, max_size=5),
    max_leaves=20,
)


def _yaml(value: object) -> str:
    """Flow-style YAML, which JSON with its texts unescaped is."""
    import json

    return json.dumps(value, ensure_ascii=False)


def only_flow_errors(text: str) -> None:
    try:
        parse(text, "x.yaml")
    except FlowErrors as errors:
        assert str(errors.items[0])  # noqa: PT017 - most texts raise, some must not


@given(st.text(max_size=400))
@example("flow: x\nstart: a\nnodes: {a: {hangup: }}")
def test_any_text_parses_or_is_explained(text: str) -> None:
    only_flow_errors(text)


@given(_anything)
def test_any_yaml_parses_or_is_explained(value: object) -> None:
    only_flow_errors(_yaml(value))


@settings(max_examples=150)
@given(st.sampled_from(sorted(["say", "notice", "menu", "collect", "hours", "set", "switch", "queue", "hangup"])),
       st.dictionaries(_SCRAPS, _anything, max_size=6), _anything)  # fmt: skip
def test_any_node_parses_or_is_explained(verb: str, keys: dict[str, object], value: object) -> None:
    node = {verb: value} | keys
    only_flow_errors(_yaml({"flow": "x", "start": "one", "nodes": {"one": node, "bye": {"hangup": "Bye"}}}))


@given(st.data())
def test_a_damaged_flow_parses_or_is_explained(data: st.DataObject) -> None:
    text = around(
        "one: {menu: Hi, options: {1: bye}, otherwise: two}\ntwo: {queue: s, on_timeout: bye, on_closed: bye}"
    )
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 20)))
    only_flow_errors(text[:start] + data.draw(st.text(max_size=8)) + text[end:])
