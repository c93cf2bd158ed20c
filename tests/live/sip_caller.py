"""A SIP caller that sends any bytes: no library would let a test write what hostile callers write.

Just enough of RFC 3261 over UDP on loopback: INVITE with an offer, ACK, BYE; provisional answers are waited through.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from typing import Self

from engine.lab.pstn import TRUNK_HOST

ANSWER_S = 8.0


class SipCaller(asyncio.DatagramProtocol):
    """`async with SipCaller(port)`: calls the site on that port from the trunk's address."""

    def __init__(self, site_port: int) -> None:
        self._site_port = site_port
        self._received: asyncio.Queue[bytes] = asyncio.Queue()
        self._transport: asyncio.DatagramTransport

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(TRUNK_HOST, 0))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._received.put_nowait(data)

    async def call(
        self, dialled: bytes, user: bytes = b"+447400000001", display: bytes = b"", more: bytes = b""
    ) -> int:
        """Call `dialled` as `user` with this display name (written as it stands) and these extra header lines.

        Returns:
            The final status; 0 when nothing came, as for a message that SIP's grammar does not allow.
            A call that was answered stands until `hang_up`.
        """
        self._call = secrets.token_hex(8).encode()
        self._to = b"<sip:" + dialled + b"@127.0.0.1:%d>" % self._site_port
        self._target = b"sip:" + dialled + b"@127.0.0.1:%d" % self._site_port
        self._from = display + b" <sip:" + user + b"@" + TRUNK_HOST.encode() + b">;tag=" + self._call[:6]
        self._send(b"INVITE", 1, more + b"Content-Type: application/sdp\r\n", self._offer())
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self._final()
        except TimeoutError:
            return 0

    async def hang_up(self) -> None:
        """End the call that stands."""
        self._send(b"BYE", 2)

    async def _final(self) -> int:
        while True:
            answer = await self._received.get()
            found = re.match(rb"SIP/2.0 (\d{3})", answer)
            if found is None or self._call not in answer or b"INVITE" not in answer.partition(b"CSeq:")[2][:20]:
                continue
            status = int(found[1])
            if status >= 200:
                tag = re.search(rb"\r\n(?:To|t):[^\r]*", answer)
                self._to = tag[0].partition(b":")[2].strip() if tag else self._to
                self._send(b"ACK", 1)
                return status

    def _send(self, method: bytes, cseq: int, more: bytes = b"", body: bytes = b"") -> None:
        host, port = self._transport.get_extra_info("sockname")[:2]
        here = f"{host}:{port}".encode()
        branch = b"z9hG4bK" + self._call + (b"" if method != b"ACK" else b"a") + method
        head = (
            method + b" " + self._target + b" SIP/2.0\r\n"
            b"Via: SIP/2.0/UDP " + here + b";branch=" + branch + b";rport\r\n"
            b"Max-Forwards: 70\r\n"
            b"From: " + self._from + b"\r\n"
            b"To: " + self._to + b"\r\n"
            b"Call-ID: " + self._call + b"\r\n"
            b"CSeq: %d " % cseq + method + b"\r\n"
            b"Contact: <sip:caller@" + here + b">\r\n" + more
        )
        self._transport.sendto(head + b"Content-Length: %d\r\n\r\n" % len(body) + body, ("127.0.0.1", self._site_port))

    def _offer(self) -> bytes:
        host = TRUNK_HOST.encode()
        return (
            b"v=0\r\no=- 1 1 IN IP4 " + host + b"\r\ns=-\r\nc=IN IP4 " + host + b"\r\nt=0 0\r\n"
            b"m=audio 40000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
        )
