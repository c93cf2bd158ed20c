"""sipp, an independent peer: many calls through a flow with digits as telephone-events in RTP (RFC 4733).

The captures that come with sipp hold payload type 101, so 101 is what must be offered.
"""

from __future__ import annotations

import asyncio
import csv
import os
import socket
from pathlib import Path

import pytest

from engine.domain.events import FlowStepped
from engine.lab.loopback import free_port
from engine.lab.pstn import TRUNK_HOST
from tests.live.faults.conftest import Count
from tests.live.hall import Hall, open_hall

pytestmark = pytest.mark.timeout(400)
SCENARIO = """<?xml version="1.0" encoding="UTF-8"?>
<scenario name="a caller who presses 1">
  <send retrans="500"><![CDATA[
INVITE sip:+442079460002@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
Max-Forwards: 70
From: <sip:+4474[call_number]00000@[local_ip]>;tag=[call_number]
To: <sip:+442079460002@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:sipp@[local_ip]:[local_port]>
Content-Type: application/sdp
Content-Length: [len]

v=0
o=sipp 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [auto_media_port] RTP/AVP 8 101
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
]]></send>
  <recv response="100" optional="true"/>
  <recv response="180" optional="true"/>
  <recv response="183" optional="true"/>
  <recv response="200" rtd="true"/>
  <send><![CDATA[
ACK sip:+442079460002@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
Max-Forwards: 70
From: <sip:+4474[call_number]00000@[local_ip]>;tag=[call_number]
To: <sip:+442079460002@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: 1 ACK
Contact: <sip:sipp@[local_ip]:[local_port]>
Content-Length: 0

]]></send>
  <pause milliseconds="1500"/>
  <nop><action><exec play_pcap_audio="/usr/share/sip-tester/dtmf_2833_1.pcap"/></action></nop>
  <pause milliseconds="LINGER"/>
  <send retrans="500"><![CDATA[
BYE sip:+442079460002@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
Max-Forwards: 70
From: <sip:+4474[call_number]00000@[local_ip]>;tag=[call_number]
To: <sip:+442079460002@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: 2 BYE
Contact: <sip:sipp@[local_ip]:[local_port]>
Content-Length: 0

]]></send>
  <recv response="200"/>
</scenario>
"""


async def sipp(hall: Hall, calls: int, rate: int, linger_s: float) -> dict[str, str]:
    """Run sipp until it has placed so many calls and all are over; the last line of its statistics."""
    folder = hall.site.asterisk.home / "sipp"
    folder.mkdir()
    scenario, statistics = folder / "scenario.xml", folder / "statistics.csv"
    scenario.write_text(SCENARIO.replace("LINGER", str(round(linger_s * 1000))))
    seen = hall.site.asterisk.seen
    words = ["sipp", "-sf", seen(scenario), "-i", TRUNK_HOST, "-p", str(free_port(socket.SOCK_DGRAM, TRUNK_HOST))]
    words += ["-m", str(calls), "-r", str(rate), "-nostdin", "-rtp_echo", "-trace_stat", "-stf", seen(statistics)]
    words += ["-fd", "1", f"127.0.0.1:{hall.site.plan.sip_port}", "-min_rtp_port", "42000", "-max_rtp_port", "44000"]
    run = await asyncio.create_subprocess_exec(
        *hall.site.asterisk.tree.command(*words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, complaint = await run.communicate()
    assert run.returncode == 0, complaint.decode()[-2000:]
    return _last(statistics)


def _last(statistics: Path) -> dict[str, str]:
    with statistics.open(newline="") as lines:
        return list(csv.DictReader(lines, delimiter=";"))[-1]


@pytest.mark.skipif(os.geteuid() != 0, reason="sipp plays RTP from a capture through a raw socket, which needs root")
async def test_every_call_is_answered_and_every_digit_is_heard(count: Count) -> None:
    calls, rate = count(20, 200), count(2, 5)
    async with open_hall(nailed=1) as hall:
        told = await sipp(hall, calls, rate, linger_s=6.0)
        assert int(told["SuccessfulCall(C)"]) == calls
        assert int(told["FailedCall(C)"]) == 0
        await hall.until_idle()
        queued = {e.interaction_id for e in hall.engine.events() if isinstance(e, FlowStepped) and e.node == "desk"}
        print(f"{calls} calls at {rate}/s: all answered, {len(queued)} digits heard")
        assert len(queued) == calls
        assert hall.endings() == {"abandoned": calls}
        await hall.until_told()
        assert hall.table() == {"abandoned": calls}
        await hall.verify()
