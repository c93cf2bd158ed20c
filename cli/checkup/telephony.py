"""Asterisk: login, version, rights, modules, dialplan, shared folders; and the ports around it."""

from __future__ import annotations

import asyncio
import os
import re
import socket as sockets
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cli.checkup.finding import Finding, Findings, fail, ok, warn
from engine.errors import AmiLost, AmiRefused, AsteriskUnreachable

if TYPE_CHECKING:
    from engine.ami.client import AmiClient, LinkState
    from engine.settings import Asterisk, Settings

OLDEST: Final = (20,)
SECURE: Final = (22, 10, 1)
LOGIN_WITHIN_S: Final = 5.0
NEEDED: Final = {
    "Originate": "manager",
    "Bridge": "features",
    "BridgeList": "manager_bridges",
    "BridgeInfo": "manager_bridges",
    "CoreShowChannels": "manager",
    "CoreSettings": "manager",
    "DeviceStateList": "manager_devicestate",
    "Hangup": "manager",
    "MixMonitorMute": "app_mixmonitor",
    "Redirect": "manager",
    "Setvar": "manager",
    "Status": "manager",
    "UserEvent": "manager_userevent (core)",
}
"""AMI actions that the engine sends, and the part of Asterisk that has each."""
TOO_MUCH: Final = frozenset({"Command", "UpdateConfig", "ModuleLoad", "Reload", "CreateConfig"})
"""Actions that our user must not have (design, section 5)."""


async def telephony(settings: Settings) -> AsyncIterator[Finding]:
    """Everything about Asterisk."""
    asterisk = settings.asterisk
    try:
        async with signed_in(asterisk) as client:
            yield ok("ami", f"signed in at {asterisk.host}:{asterisk.ami_port} as {asterisk.ami_user}")
            yield await _version(client)
            yield await _rights(client)
            yield await _contexts(client)
    except AsteriskUnreachable as error:
        yield fail("ami", error.what, error.mend or _ami_mend(asterisk))
        yield _files(asterisk)
    for finding in folders(asterisk):
        yield finding


def _ami_mend(asterisk: Asterisk) -> str:
    return (
        f"see that Asterisk runs, that asterisk.ami_port ({asterisk.ami_port}) is its port, and that "
        f"asterisk.ami_secret is the secret of [{asterisk.ami_user}] in manager.conf; "
        "`callwright asterisk apply` writes both"
    )


@asynccontextmanager
async def signed_in(asterisk: Asterisk) -> AsyncIterator[AmiClient]:
    """A manager connection of our own.

    Raises:
        AmiLost: no connection, or the login is refused; the text says which.
    """
    from engine.ami.client import AmiClient
    from engine.ami.link import AmiAddress

    secret = asterisk.ami_secret.get_secret_value()
    if not secret:
        raise AmiLost("asterisk.ami_secret is not set", mend="put the manager user's secret into the settings file")
    states: asyncio.Queue[LinkState] = asyncio.Queue()
    address = AmiAddress(host=asterisk.host, port=asterisk.ami_port, username=asterisk.ami_user, secret=secret)
    client = AmiClient(address, name="doctor", events=False, on_event=lambda _message: None, on_state=states.put_nowait)
    running = asyncio.create_task(client.run())
    try:
        await _up(client, states)
        yield client
    finally:
        running.cancel()
        await asyncio.wait({running})


async def _up(client: AmiClient, states: asyncio.Queue[LinkState]) -> None:
    from engine.ami.client import LinkState

    try:
        async with asyncio.timeout(LOGIN_WITHIN_S):
            while (state := await states.get()) is not LinkState.UP:
                if state is LinkState.DOWN and client.trouble:
                    raise AmiLost(client.trouble)
    except TimeoutError:
        raise AmiLost(client.trouble or f"no answer in {LOGIN_WITHIN_S:g} s") from None


async def _version(client: AmiClient) -> Finding:
    from engine.ami.action import core_settings

    said = (await client.send(core_settings())).get("AsteriskVersion", "unknown")
    return judged_version(said)


def judged_version(said: str) -> Finding:
    """What to think of an Asterisk of this version."""
    found = re.search(r"\d+(\.\d+)*", said)
    version = tuple(int(part) for part in found.group().split(".")) if found else ()
    if not version:
        return warn("asterisk-version", f"{said}: no version to judge", "use Asterisk 22.10.1 or newer")
    if version < OLDEST:
        return fail("asterisk-version", said, "install Asterisk 22.10.1 or newer")
    if version < SECURE:
        return warn("asterisk-version", f"{said} has known security holes", "install Asterisk 22.10.1 or newer")
    return ok("asterisk-version", said)


async def _rights(client: AmiClient) -> Finding:
    from engine.ami.codec import Action

    answer = await client.send(Action("ListCommands"))
    return judged_rights({name for name, _ in answer.headers})


def judged_rights(allowed: Collection[str]) -> Finding:
    """What to think of a manager user who may send these actions: nothing missing, nothing too much."""
    missing = [f"{name} ({part})" for name, part in NEEDED.items() if name not in allowed]
    if missing:
        mend = "load the modules named, and give the user write = originate,call,reporting,user"
        return fail("ami-rights", f"not allowed or not loaded: {', '.join(missing)}", mend)
    excess = sorted(TOO_MUCH.intersection(allowed))
    if excess:
        mend = "give the user write = originate,call,reporting,user and no more"
        return warn("ami-rights", f"more than we need: {', '.join(excess)}", mend)
    return ok("ami-rights", f"all {len(NEEDED)} actions we send, none that could change Asterisk")


async def _contexts(client: AmiClient) -> Finding:
    from engine.ami.codec import Action

    missing = []
    wanted = contexts()
    for context in wanted:
        try:
            await client.collect(Action("ShowDialPlan", (("Context", context),)))
        except AmiRefused:
            missing.append(context)
    if missing:
        return fail("dialplan", f"no context {', '.join(missing)}", "callwright asterisk apply")
    return ok("dialplan", f"{len(wanted)} contexts: {', '.join(wanted)}")


def contexts() -> list[str]:
    """The contexts that our dialplan files define."""
    from engine.asterisk.render import FIXED

    texts = [path.read_text(encoding="utf-8") for folder in FIXED for path in sorted(folder.glob("callwright_*.conf"))]
    return sorted({name for text in texts for name in re.findall(r"^\[(callwright-[a-z]+)\]$", text, re.MULTILINE)})


def _files(asterisk: Asterisk) -> Finding:
    """Asterisk does not speak to us: at least see whether our files are there."""
    from engine.asterisk.render import FIXED

    wanted = sorted(path.name for folder in FIXED for path in folder.glob("callwright_*.conf"))
    missing = [name for name in wanted if not (asterisk.config / name).is_file()]
    if missing:
        return fail("dialplan", f"not in {asterisk.config}: {', '.join(missing)}", "callwright asterisk apply")
    return ok("dialplan", f"{len(wanted)} files in {asterisk.config} (Asterisk could not be asked)")


def folders(asterisk: Asterisk) -> Findings:
    """The folders that we and Asterisk share."""
    yield _folder("sounds", asterisk.sounds, os.R_OK | os.W_OK | os.X_OK, "spoken prompts go there")
    yield _folder("recordings", asterisk.recordings, os.R_OK | os.W_OK | os.X_OK, "Asterisk records there")
    yield _folder("rescue-spool", asterisk.rescue_spool, os.R_OK | os.X_OK, "the rescue script writes there")


def _folder(name: str, path: Path, rights: int, what_for: str) -> Finding:
    if not path.is_dir():
        return fail(name, f"{path} is not there: {what_for}", f"install -d -o asterisk -g asterisk -m 2770 {path}")
    if not os.access(path, rights):
        return fail(name, f"{path}: the engine's user may not use it", f"chmod g+rwX {path}, and join its group")
    return ok(name, str(path))


# --- ports -----------------------------------------------------------------------------------------------------------


async def ports(settings: Settings, *, served: bool) -> AsyncIterator[Finding]:
    """FastAGI and MQTT. `served`: our engine runs, so its port must be open; else it must be free."""
    asterisk = settings.asterisk
    yield _fastagi(asterisk, served=served)
    if settings.mqtt.host:
        yield await _mqtt(settings.mqtt.host, settings.mqtt.port)
    else:
        yield ok("mqtt", "embedded broker" if settings.mqtt.embedded else "not used (mqtt.host is empty)")


def _fastagi(asterisk: Asterisk, *, served: bool) -> Finding:
    place = f"{asterisk.agi_bind}:{asterisk.agi_port}"
    if not asterisk.agi_secret.get_secret_value():
        mend = "put asterisk.agi_secret into the settings file; `callwright asterisk apply` tells Asterisk"
        return fail("fastagi", "asterisk.agi_secret is not set", mend)
    # Not by a connection: the engine would log a peer who connects and says nothing.
    is_taken = not _bindable(asterisk.agi_bind, asterisk.agi_port)
    if served:
        return (
            ok("fastagi", f"{place} is open")
            if is_taken
            else fail("fastagi", f"{place} is closed", "see the engine's log")
        )
    if is_taken:
        return fail("fastagi", f"{place} is taken by another program", "stop it, or set asterisk.agi_port")
    return ok("fastagi", f"{place} is free for the engine")


async def _mqtt(host: str, port: int) -> Finding:
    if await reachable(host, port):
        return ok("mqtt", f"{host}:{port} answers")
    return fail("mqtt", f"{host}:{port} does not answer", "start the broker, or set mqtt.host and mqtt.port")


async def reachable(host: str, port: int) -> bool:
    """Whether somebody listens there."""
    try:
        async with asyncio.timeout(3):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def _bindable(host: str, port: int) -> bool:
    with sockets.socket(sockets.AF_INET6 if ":" in host else sockets.AF_INET, sockets.SOCK_STREAM) as probe:
        probe.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
