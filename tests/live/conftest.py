"""Two real Asterisks for the live tests: the site under test, and the telephone network around it."""

import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from engine.asterisk.render import AgentEndpoint, AsteriskPlan, TrunkEndpoint, render
from engine.lab.instance import Instance
from engine.lab.loopback import free_port, rtp_block
from engine.lab.prompts import speak_all
from engine.lab.pstn import TRUNK_HOST, Pstn
from engine.lab.tree import AsteriskTree, provision
from engine.lab.wire import Wire

ROOT = Path(__file__).resolve().parents[2]
DESKS = {"1001": "passw0rd-1001", "1002": "passw0rd-1002"}
RESCUE_AFTER_S = 6
WATCHER = "[watcher]\nsecret = live-test-watcher\nread = all\npermit = 127.0.0.1/255.255.255.255\n"
"""An AMI user of the operator's own, in the file that is theirs: sees every event, may do nothing."""


class Site(msgspec.Struct, kw_only=True):
    """The two Asterisks of one test."""

    asterisk: Instance
    pstn: Pstn
    ami: Wire
    plan: AsteriskPlan


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.live)


@pytest.fixture(scope="session")
def tree() -> AsteriskTree:
    """A usable Asterisk; set-up failing is a failing test, never a silent skip."""
    return provision(ROOT / ".asterisk")


@pytest.fixture
async def site(tree: AsteriskTree) -> AsyncIterator[Site]:
    """A site that knows two agents and one trunk, with the network around it and no engine."""
    name = f"test{os.getpid()}"
    sip, ami = free_port(socket.SOCK_DGRAM), free_port()
    pstn = Pstn(tree, site_port=sip, desks=DESKS, name=f"{name}-pstn")
    home = Instance(tree, name, {})
    plan = AsteriskPlan(
        ami_port=ami,
        ami_secret="live-test-ami",
        agi_host="127.0.0.1",
        agi_port=free_port(),
        agi_secret="live-test-agi",
        sip_port=sip,
        sip_host="127.0.0.1",
        rtp_ports=rtp_block(),
        recordings_dir=home.seen(home.recordings),
        rescue_spool_dir=home.seen(home.rescue_spool),
        rescue_after_s=RESCUE_AFTER_S,
        agents=tuple(
            AgentEndpoint(code=code, password=password, contact=pstn.desk_contact(code))
            for code, password in DESKS.items()
        ),
        trunks=(TrunkEndpoint(name="pstn", host=TRUNK_HOST, port=pstn.trunk_port),),
    )
    scripts = {"rescue.py": (ROOT / "dialplans" / "agi" / "rescue.py").read_text()}
    files = {**render(plan), "callwright_manager_custom.conf": WATCHER}
    asterisk = Instance(tree, name, files, agi=scripts, sounds=speak_all(ROOT / ".asterisk" / "prompts"))
    await asterisk.start()
    try:
        async with pstn, Wire(ami, plan.ami_secret, keep=True) as wire:
            yield Site(asterisk=asterisk, pstn=pstn, ami=wire, plan=plan)
    finally:
        await asterisk.stop()
        for instance in (asterisk, pstn.instance):  # pytest shows it only when the test failed
            print((instance.home / "log" / "messages").read_text()[-4000:])
        asterisk.remove()
        pstn.instance.remove()
