"""One connection on panoramisk, where the client's tests do not reach: how it is cut."""

from engine.ami.client import LinkState
from engine.ami.codec import Message
from engine.ami.link import LinkManager
from engine.ami.session import Died, Session
from engine.testing.ami_peer import AmiPeer
from tests.ami.conftest import Line


class Deaf:
    """An owner that only remembers the end."""

    def __init__(self) -> None:
        self.ends: list[Died] = []

    def deliver(self, message: Message) -> None:
        raise AssertionError(message)

    def logged_in(self, greeting: str) -> None:
        raise AssertionError(greeting)

    def ended(self, died: Died) -> None:
        self.ends.append(died)


async def test_closed_while_connecting_never_signs_in(peer: AmiPeer) -> None:
    owner = Deaf()
    manager = LinkManager(peer.address, owner, Session("p", username="u", secret="s", events=True))
    connecting = manager.connect()
    manager.close()
    await connecting
    await peer.until(lambda: peer.sessions == 0)
    assert peer.logins == 0
    assert owner.ends == []


async def test_a_dead_link_does_not_wait_to_write_what_nobody_reads(peer: AmiPeer, line: Line) -> None:
    link = line.client._link
    assert link is not None
    peer.faults.blackhole = True
    peer._sessions[0]._transport.pause_reading()
    link.transport.write(b"x" * 20_000_000)
    assert link.transport.get_write_buffer_size() > 0
    await line.until(lambda: line.client.state is not LinkState.UP)
    assert link.transport.get_write_buffer_size() == 0
    assert "silent" in line.client.trouble
