"""The far side's log, read into calls."""

import json
from pathlib import Path

from engine.lab.truth import read


def line(event: str, uniqueid: str, at: float, **more: str) -> str:
    return json.dumps({"eventtype": event, "uniqueid": uniqueid, "eventtime": at, **more}) + "\n"


def test_a_caller_who_talked_and_one_who_was_refused(tmp_path: Path) -> None:
    log = tmp_path / "cel.jsonl"
    log.write_text(
        line("CHAN_START", "call-1", 1.0, channame="PJSIP/site-00000001")
        + line("CHAN_START", "call-2", 1.5, channame="PJSIP/site-00000002")
        + line("ANSWER", "call-1", 2.0, num="+49301")
        + line("HANGUP", "call-2", 2.5, eventextra='{"hangupcause":17,"hangupsource":""}')
        + line("USER_DEFINED", "call-1", 3.0, userdeftype="TALKED")
        + line("HANGUP", "call-1", 4.0, eventextra='{"hangupcause":16}')
    )
    truth = read(log)
    assert [call.id for call in truth.placed()] == ["call-1", "call-2"]
    assert [(call.number, call.answered, call.heard, call.cause) for call in truth.talked()] == [
        ("+49301", 2.0, (3.0,), 16)
    ]
    refused = truth.call("call-2")
    assert refused is not None
    assert (refused.answered, refused.ended, refused.cause) == (None, 2.5, 17)


def test_a_desk_is_known_whether_it_rang_or_dialled(tmp_path: Path) -> None:
    log = tmp_path / "cel.jsonl"
    log.write_text(
        line("CHAN_START", "leg-1", 1.0, channame="PJSIP/from-site-1", exten="desk1002")
        + line("USER_DEFINED", "leg-1", 2.0, userdeftype="HEARD")
        + line("CHAN_START", "leg-2", 3.0, channame="PJSIP/phone-1001-1")
        + line("ANSWER", "leg-2", 3.5, num="desk1001", exten="desk_login")
        + line("USER_DEFINED", "leg-2", 4.0, userdeftype="HEARD")
    )
    truth = read(log)
    assert (truth.heard("1002"), truth.heard("1001"), truth.placed()) == ((2.0,), (4.0,), ())


def test_a_line_still_being_written_waits_for_the_next_reading(tmp_path: Path) -> None:
    log = tmp_path / "cel.jsonl"
    log.write_text(line("CHAN_START", "call-1", 1.0) + line("CHAN_START", "call-2", 1.0)[:20])
    assert [call.id for call in read(log).calls] == ["call-1"]


def test_no_log_yet(tmp_path: Path) -> None:
    assert read(tmp_path / "nothing").calls == ()
