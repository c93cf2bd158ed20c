"""A carrier that answers an INVITE with whatever a test writes down, and with nothing where it writes down nothing.

Just enough of RFC 3261 over UDP on loopback, as server: responses, and again on a repeated INVITE; CANCEL, ACK, BYE. An
answered call carries no sound.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Coroutine
from typing import Any, Final, Self

import msgspec

from engine.lab.loopback import free_port

CARRIER_HOST: Final = "127.0.0.4"
_REASONS: Final = {
    100: "Trying", 180: "Ringing", 183: "Session Progress", 200: "OK", 403: "Forbidden", 404: "Not Found",
    408: "Request Timeout", 480: "Temporarily Unavailable", 486: "Busy Here", 487: "Request Terminated",
    500: "Server Internal Error", 502: "Bad Gateway", 503: "Service Unavailable", 603: "Decline",
}  # fmt: skip
Steps = tuple[int | float, ...]
"""What to do with an INVITE, in order: an int is a response, a float is a pause in seconds."""


class Invite(msgspec.Struct):
    """One call that reached the carrier."""

    number: str
    headers: dict[str, list[str]]
    source: tuple[str, int]
    repeats: int = 0
    last: bytes = b""
    cancelled: bool = False
    over: bool = False
    task: asyncio.Task[None] | None = None


class SipCarrier(asyncio.DatagramProtocol):
    """`async with SipCarrier() as carrier`; `manners` says what each number does, `otherwise` what the rest do.

    `late_answer`: numbers that answer with 200 after they were cancelled, as when both cross on the way.
    """

    def __init__(self) -> None:
        self.port = free_port(socket.SOCK_DGRAM, CARRIER_HOST)
        self.manners: dict[str, Steps] = {}
        self.otherwise: Steps = (404,)
        self.late_answer: set[str] = set()
        self.more: dict[int, str] = {}
        """Header lines added to responses of this status, each ended by CR LF."""
        self.calls: list[Invite] = []
        """Calls in order of arrival; a repeated INVITE of one call is no other call."""
        self.byes = 0
        self._by_id: dict[str, Invite] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._transport: asyncio.DatagramTransport

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(CARRIER_HOST, self.port))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        self._transport.close()

    def dialled(self, number: str) -> int:
        """How many calls to this number arrived."""
        return sum(call.number == number for call in self.calls)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        head = data.decode(errors="replace").partition("\r\n\r\n")[0]
        first, *lines = head.split("\r\n")
        headers: dict[str, list[str]] = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers.setdefault(name.strip().lower(), []).append(value.strip())
        method = first.partition(" ")[0]
        call_id = headers.get("call-id", [""])[0]
        match method:
            case "INVITE":
                self._invite(first, headers, call_id, addr)
            case "CANCEL":
                self._send(200, headers, addr)
                self._cancel(call_id)
            case "BYE":
                self.byes += 1
                self._send(200, headers, addr)
            case "OPTIONS":
                self._send(200, headers, addr)

    def _invite(self, first: str, headers: dict[str, list[str]], call_id: str, addr: tuple[str, int]) -> None:
        known = self._by_id.get(call_id)
        if known is not None:
            known.repeats += 1
            if known.last:
                self._transport.sendto(known.last, addr)
            return
        found = re.match(r"INVITE sip:([^@]+)@", first)
        call = Invite(number=found.group(1) if found else "", headers=headers, source=addr)
        self._by_id[call_id] = call
        self.calls.append(call)
        call.task = self._spawn(self._answer(call))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _answer(self, call: Invite) -> None:
        for step in self.manners.get(call.number, self.otherwise):
            if isinstance(step, float):
                await asyncio.sleep(step)
            else:
                self._respond(call, step)

    def _cancel(self, call_id: str) -> None:
        call = self._by_id.get(call_id)
        if call is None or call.over:
            return
        call.cancelled = True
        if call.task is not None:
            call.task.cancel()
        self._respond(call, 200 if call.number in self.late_answer else 487)

    def _respond(self, call: Invite, status: int) -> None:
        call.last = self._send(status, call.headers, call.source, self._sdp() if status in (183, 200) else "")
        call.over = status >= 200

    def _send(self, status: int, headers: dict[str, list[str]], addr: tuple[str, int], body: str = "") -> bytes:
        tag = "" if status == 100 else ";tag=carrier"
        lines = [f"SIP/2.0 {status} {_REASONS.get(status, 'Status')}"]
        lines += [f"Via: {via}" for via in headers.get("via", [])]
        lines += [f"From: {headers['from'][0]}", f"To: {headers['to'][0]}{'' if ';tag=' in headers['to'][0] else tag}"]
        lines += [f"Call-ID: {headers['call-id'][0]}", f"CSeq: {headers['cseq'][0]}"]
        lines += [f"Contact: <sip:carrier@{CARRIER_HOST}:{self.port}>"]
        if body:
            lines.append("Content-Type: application/sdp")
        text = "\r\n".join([*lines, f"{self.more.get(status, '')}Content-Length: {len(body)}", "", body])
        self._transport.sendto(text.encode(), addr)
        return text.encode()

    @staticmethod
    def _sdp() -> str:
        return (
            f"v=0\r\no=- 1 1 IN IP4 {CARRIER_HOST}\r\ns=-\r\nc=IN IP4 {CARRIER_HOST}\r\nt=0 0\r\n"
            "m=audio 9 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n"
        )
