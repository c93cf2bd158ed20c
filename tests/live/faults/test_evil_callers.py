"""Callers whose names and numbers are written to break something: AMI lines, dialplan, SQL, logs, topics.

The grammar of SIP is Asterisk's to judge: what it refuses does not reach us, what it lets in must do no harm.
"""

from __future__ import annotations

import sqlite3

import pytest

from engine.domain.interaction import InteractionState as S
from engine.lab.loopback import free_port
from engine.settings import Mqtt
from tests.live.hall import Hall, open_hall
from tests.live.sip_caller import SipCaller

pytestmark = pytest.mark.timeout(240)
CANARY = b"CANARY"
DIALLED = b"+442079460001"
FORGED = b"%0d%0a%0d%0aEvent: Hangup%0d%0aUniqueid: {victim}%0d%0aCause: 16%0d%0a%0d%0a"

NAMES: dict[str, bytes] = {
    "syntax": rb'"CANARY ,\"()[]${}\\ ${SHELL(touch /tmp/pwn)}"',
    "forged event, escaped": b'"CANARY' + FORGED + b'"',
    "forged event, raw": b'"CANARY\r\n Event: Hangup\r\n Uniqueid: {victim}"',
    "chinese": '"CANARY 张伟"'.encode(),
    "latin-1": '"CANARY Jürgen Weiß"'.encode("latin-1"),
    "4 KB": b'"CANARY' + b"x" * 4096 + b'"',
    "sql": b'"CANARY\'; DROP TABLE conversation; --"',
    "markup": b'"CANARY <script>alert(1)</script> {{7*7}} =1+1"',
    "terminal": b'"CANARY \x1b[2J\x07"',
    "unquoted": b"CANARY evil",
}
USERS: dict[str, bytes] = {
    "number with commas": b"+447400000002,CANARY",
    "two dial strings": b"500&PJSIP%2Ftrunk%2F1416CANARY",
    "slash and at": b"a%2Fb%40CANARY",
    "forged event": b"CANARY%0d%0aEvent:%20Hangup%0d%0aUniqueid:%20{victim}%0d%0a%0d%0a",
    "forged agi": b"CANARY%0aagi_uniqueid:%20{victim}",
    "variables": b"$%7BCANARY%7D",
    "long": b"9" * 1500 + CANARY,
    "wildcards of topics": b"CANARY%2F%23%2F%2B",
}
TARGETS: dict[str, bytes] = {
    "two dial strings": b"500&PJSIP%2Ftrunk%2F1416",
    "forged event": b"1%0d%0aEvent:%20Hangup%0d%0aUniqueid:%20{victim}%0d%0a%0d%0a",
    "variables": b"1$%7BEXTEN%7D",
    "our own contexts": b"ask",
    "an agent": b"agent-1001",
    "feature code": b"*45",
    "long": b"+" + b"9" * 300,
    "unicode digits": "٤٢".encode(),
    "commas": b"+44,1,Hangup",
    "hangup extension": b"h",
}


async def evil(hall: Hall, caller: SipCaller, target: bytes, user: bytes, name: bytes, victim: str) -> int:
    """One evil call; hung up again if it was answered. Its final status."""
    forged = victim.encode()
    status = await caller.call(
        target.replace(b"{victim}", forged), user.replace(b"{victim}", forged), name.replace(b"{victim}", forged)
    )
    if status == 200:
        await caller.hang_up()
    return status


async def test_nothing_is_injected_and_everybody_is_counted() -> None:
    nobody = Mqtt(host="127.0.0.1", port=free_port())  # no broker: every message stays in the outbox, to be looked at
    async with open_hall(nailed=1, mqtt=nobody) as hall:
        victims = await hall.call(1, wait=300.0, talk=1.0)
        state = await hall.until_counted({S.WAITING: 1})
        victim = next(iter(state.interactions.values()))
        answered: dict[str, int] = {}
        async with SipCaller(hall.site.plan.sip_port) as caller:
            for what, name in NAMES.items():
                answered[f"name: {what}"] = await evil(hall, caller, DIALLED, b"+447400000001", name, victim.leg)
            for what, user in USERS.items():
                answered[f"number: {what}"] = await evil(hall, caller, DIALLED, user, b"", victim.leg)
            for what, target in TARGETS.items():
                answered[f"dialled: {what}"] = await evil(hall, caller, target, b"+447400000001", b"", victim.leg)
        print(answered)
        through = sum(status == 200 for status in answered.values())
        assert through >= 10
        assert not [what for what, status in answered.items() if what.startswith("dialled") and status == 200]

        await hall.engine.until(lambda floor: set(floor.interactions) == {victim.id}, 20.0, "only the victim is left")
        assert hall.engine.state().interactions[victim.id].state is S.WAITING
        assert hall.up(victims) == victims
        assert hall.site.asterisk.pid
        assert len(hall.engine.starts) == 1
        await hall.verify()

        await hall.sign_in("1001")
        await hall.until_over(victims)
        await hall.until_idle()
        how = hall.endings()
        assert how["answered"] == 1
        # what begins like a number and is none is refused by the dialplan: it arrived, and is counted
        refused = sum(target[:1] in (b"+", b"1", b"5") and b"%0d" not in target for target in TARGETS.values())
        assert how.total() == through + refused + 1
        await hall.until_told()
        assert hall.table() == how
        await hall.verify()
        assert _traces(hall) == []


def _traces(hall: Hall) -> list[str]:
    """Where a caller's name or number stands outside of the vault, in files or tables; odd topics."""
    data = hall.engine.settings.paths.data
    vault = {"callwright.db", "callwright.db-wal", "callwright.db-shm", "vault.pending"}
    files = [hall.engine.log, *(path for path in data.rglob("*") if path.is_file() and path.name not in vault)]
    found = [str(path) for path in files if CANARY in path.read_bytes()]
    with sqlite3.connect(f"file:{data / 'callwright.db'}?mode=ro", uri=True) as database:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in set(tables) - {"token"}:
            rows = database.execute(f'SELECT * FROM "{table}"').fetchall()  # noqa: S608 - names from the database itself
            found += [f"table {table}" for row in rows if "CANARY" in repr(row)]
        topics = {str(row[0]) for row in database.execute("SELECT DISTINCT topic FROM outbox")}
    database.close()
    assert topics, "nothing was announced, so nothing is proven about topics"
    found += [str(pwned) for pwned in [hall.site.asterisk.tree.root / "tmp" / "pwn"] if pwned.exists()]
    return found + [topic for topic in topics if set(topic) & set("+#\r\n\0")]
