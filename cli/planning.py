"""What Asterisk is to be told: the plan made from settings, agents and trunks; and the scripts beside it."""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cli.installation import give, write_private
from cli.office import definitions, sqlite_file
from engine.domain.alphabets import AGENT_ENDPOINT
from engine.errors import ConfigError

if TYPE_CHECKING:
    from engine.asterisk.render import AgentEndpoint, TrunkEndpoint
    from engine.settings import Settings

SETTINGS: Final = {
    "ami_secret": "asterisk.ami_secret",
    "agi_secret": "asterisk.agi_secret",
    "agi_host": "asterisk.agi_bind",
    "recordings_dir": "asterisk.recordings_inside",
    "rescue_spool_dir": "asterisk.rescue_spool_inside",
    "site_number": "site.number",
    "agi_port": "asterisk.agi_port",
}
"""Where the settings file says what a field of the plan holds."""
PASSWORDS: Final = "phones.json"
RESCUE: Final = Path(__file__).resolve().parents[1] / "dialplans" / "agi" / "rescue.py"


def rendered(settings: Settings) -> dict[str, str]:
    """File name -> text of Asterisk's configuration.

    Raises:
        ConfigError: a value cannot stand in it, or a secret is not set.
    """
    from engine.asterisk.render import AsteriskPlan, render

    asterisk = settings.asterisk
    for key, secret in (("ami_secret", asterisk.ami_secret), ("agi_secret", asterisk.agi_secret)):
        if not secret.get_secret_value():
            raise ConfigError(
                "is not set",
                where=f"asterisk.{key}",
                mend=f'put {key} = "{secrets.token_hex(16)}" into the section [asterisk] of the settings file',
            )
    agents, trunks = asyncio.run(_endpoints(settings))
    plan = AsteriskPlan(
        ami_port=asterisk.ami_port,
        ami_secret=asterisk.ami_secret.get_secret_value(),
        agi_host=asterisk.agi_bind,
        agi_port=asterisk.agi_port,
        agi_secret=asterisk.agi_secret.get_secret_value(),
        sip_port=asterisk.sip_port,
        recordings_dir=asterisk.recordings_inside,
        rescue_spool_dir=asterisk.rescue_spool_inside,
        agents=agents,
        trunks=trunks,
        language="zh" if settings.site.language.startswith("zh") else "en",
        site_number=settings.site.number,
    )
    try:
        return render(plan)
    except ConfigError as wrong:
        wrong.where = SETTINGS.get(wrong.where, wrong.where)
        raise


async def _endpoints(settings: Settings) -> tuple[tuple[AgentEndpoint, ...], tuple[TrunkEndpoint, ...]]:
    from engine.asterisk.render import AgentEndpoint, TrunkEndpoint

    file: Path | None = sqlite_file(settings.database_url)
    if file is not None and not file.exists():  # noqa: ASYNC240 - one look, nothing else runs
        return (), ()
    async with definitions(settings, writing=False) as kept:
        phones = dict.fromkeys(agent.endpoint for agent in await kept.agents.list())  # some share one in shifts
        codes = [phone.removeprefix(AGENT_ENDPOINT) for phone in phones if phone.startswith(AGENT_ENDPOINT)]
        trunks = [
            TrunkEndpoint(
                name=trunk.id,
                host=trunk.host,
                port=trunk.port,
                username=trunk.username,
                password=await kept.trunks.secret(trunk.id) if trunk.username else "",
            )
            for trunk in await kept.trunks.list()
        ]
    known = passwords(settings.paths.data / PASSWORDS, codes)
    return tuple(AgentEndpoint(code=code, password=known[code]) for code in codes), tuple(trunks)


def passwords(file: Path, codes: list[str]) -> dict[str, str]:
    """The phones' passwords, kept in a private file; a phone that is new gets a new one."""
    known: dict[str, str] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    fresh = {code: secrets.token_hex(10) for code in codes if code not in known}
    if fresh:
        known |= fresh
        write_private(file, json.dumps(known, indent=2) + "\n")
    return known


def beside(settings: Settings) -> list[Path]:
    """What belongs to our configuration outside its folder: the shared folders, and the rescue script."""
    asterisk = settings.asterisk
    return [asterisk.recordings, asterisk.rescue_spool, asterisk.sounds.parent / "agi-bin" / RESCUE.name]


def put_beside(settings: Settings) -> None:
    """Make the folders that we share with Asterisk, and put the rescue script where Asterisk looks for it.

    Raises:
        ConfigError: we may not write there.
    """
    *folders, script = beside(settings)
    try:
        for folder in folders:
            if not folder.is_dir():
                folder.mkdir(parents=True)
                folder.chmod(0o2770)
                give(folder, settings.asterisk.config)
        script.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(RESCUE, script)
        script.chmod(0o755)
    except OSError as refused:
        raise ConfigError(
            f"cannot be written: {refused.strerror}",
            where=str(refused.filename),
            mend="run this as root, or set asterisk.recordings, rescue_spool and sounds",
        ) from None
