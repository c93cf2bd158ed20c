"""The compose file and the Dockerfile, read as data: what would otherwise show only on somebody's server."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from docker.asterisk import start
from engine.settings import Settings

ROOT: Final = Path(__file__).resolve().parents[2]
DOCKER: Final = ROOT / "docker"
COMPOSE: Final[dict[str, Any]] = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: Final[dict[str, dict[str, Any]]] = COMPOSE["services"]
DOCKERFILE: Final = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
PROD: Final = {"asterisk", "engine", "postgres", "mosquitto"}
SERVICE_KEYS: Final = {
    "build", "cap_drop", "command", "depends_on", "env_file", "environment", "healthcheck", "image", "init", "logging",
    "network_mode", "ports", "profiles", "read_only", "restart", "security_opt", "stop_grace_period", "tmpfs", "user",
    "volumes",
}  # fmt: skip
"""Of the compose specification, those used here: a misspelt key is not among them."""


def stages() -> dict[str, str]:
    """Stage name -> its instructions, continued lines joined, comments left out."""
    text = re.sub(r"(?m)^\s*#.*\n", "", DOCKERFILE).replace("\\\n", " ")
    parts = re.split(r"(?m)^FROM \S+ AS (\S+)$", text)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def mounts(service: str) -> dict[str, str]:
    """Volume or file -> place in the container."""
    return dict(each.split(":")[:2] for each in SERVICES[service].get("volumes", ()))


def test_profiles() -> None:
    assert {name for name, service in SERVICES.items() if service["profiles"] == ["prod"]} == PROD
    assert {name for name, service in SERVICES.items() if service["profiles"] == ["demo"]} == {"demo"}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_is_well_formed(name: str) -> None:
    service = SERVICES[name]
    assert set(service) <= SERVICE_KEYS
    assert "no-new-privileges:true" in service["security_opt"]
    assert service.get("network_mode") in (None, "none", "service:asterisk")
    assert not (service.get("ports") and service.get("network_mode"))
    for volume in mounts(name):
        assert volume.startswith("./") or volume in COMPOSE["volumes"], volume
    for needed in service.get("depends_on", ()):
        assert needed in SERVICES
    for condition in service.get("depends_on", {}).values():
        assert condition["condition"] in ("service_healthy", "service_started")


def test_every_volume_is_used() -> None:
    assert {volume for name in SERVICES for volume in mounts(name) if not volume.startswith("./")} == set(
        COMPOSE["volumes"]
    )


def test_images_are_named_without_a_registry() -> None:
    named = [service["image"] for service in SERVICES.values()] + re.findall(r"(?m)^ARG \w+_BASE=(\S+)", DOCKERFILE)
    assert len(named) == len(SERVICES) + 2
    for image in named:
        assert re.fullmatch(r"[a-z0-9-]+(:[a-z0-9.-]+)?", image), image


def test_builds_name_stages_that_exist() -> None:
    for service in SERVICES.values():
        build = service.get("build")
        if build:
            assert (DOCKER / build["context"] / build["dockerfile"]).is_file()
            assert build["target"] in stages()


def test_each_settings_variable_is_one_the_engine_knows() -> None:
    known = {
        f"CALLWRIGHT__{section}__{key}".upper()
        for section, field in Settings.model_fields.items()
        for key in getattr(field.annotation, "model_fields", {})
    }
    texts = [(DOCKER / name).read_text(encoding="utf-8") for name in ("compose.yaml", "Dockerfile", "make-secrets")]
    named = set(re.findall(r"CALLWRIGHT__[A-Z_]+", "\n".join([*texts, start.__doc__ or ""])))
    assert named
    assert named <= known


def test_shared_folders_are_where_the_images_look() -> None:
    asterisk, engine = mounts("asterisk"), mounts("engine")
    shared = asterisk.keys() & engine.keys()
    assert {"shared", "spool", "asterisk-log"} == shared
    assert all(asterisk[name] == engine[name] for name in shared)
    assert asterisk["shared"] == str(start.SHARED)
    assert asterisk["spool"] == str(start.SPOOL)
    for place in ("CONFIG=" + str(start.SHARED / "asterisk"), "SOUNDS=" + str(start.SHARED / "sounds")):
        assert f"CALLWRIGHT__ASTERISK__{place}" in stages()["engine"]


def test_ports_published_are_those_asterisk_uses() -> None:
    sip, media = SERVICES["asterisk"]["ports"]
    assert sip == "5060:5060/udp"
    outside, inside = media.removesuffix("/udp").split(":${", 1)[0], SERVICES["asterisk"]["environment"]["RTP_PORTS"]
    assert media == f"{inside}:{inside}/udp", outside
    assert all("AMI" not in key for key in SERVICES["asterisk"]["environment"])  # loopback needs no port


@pytest.mark.parametrize("name", ["asterisk", "engine", "demo"])
def test_an_image_drops_root_and_says_how_it_is(name: str) -> None:
    stage = stages()[name]
    users = re.findall(r"(?m)^USER (\S+)$", stage)
    assert users
    assert users[-1] not in ("root", "0")
    assert "HEALTHCHECK" in stage
    assert re.search(r"(?m)^ENTRYPOINT \[", stage), "exec form: signals reach the program"


def test_dockerfile_habits() -> None:
    for name, stage in stages().items():
        for run in re.findall(r"(?m)^RUN (.*)$", stage):
            if "apt-get install" in run:
                assert "--no-install-recommends" in run, name
                assert "rm -rf /var/lib/apt/lists/*" in run, name
                assert "apt-get update" in run, name
        assert not re.search(r"(?m)^(ADD|VOLUME|MAINTAINER)\b", stage), name
        assert "curl" not in stage, name
        assert "://" not in stage, name
    assert "--require-hashes" in DOCKERFILE + (DOCKER / "engine" / "install.sh").read_text(encoding="utf-8")


def test_what_is_copied_exists_and_is_let_through() -> None:
    ignore = (DOCKER / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    let_through = {line[1:] for line in ignore if line.startswith("!")}
    for stage in stages().values():
        for words in re.findall(r"(?m)^COPY (.*)$", stage):
            *sources, _ = [word for word in words.split() if not word.startswith("--chown")]
            if "--from" in words:
                continue
            for source in sources:
                assert (ROOT / source).exists(), source
                assert source.split("/")[0] in let_through, source


def test_secrets_are_made_once_and_split(tmp_path: Path) -> None:
    shutil.copy(DOCKER / "make-secrets", tmp_path)
    subprocess.run(["sh", tmp_path / "make-secrets"], check=True, capture_output=True)
    folder = tmp_path / "secrets"
    files = {path.stem: dict(line.split("=", 1) for line in path.read_text().splitlines()) for path in folder.iterdir()}
    assert set(files) == PROD
    assert [service["env_file"] for name, service in SERVICES.items() if name in PROD] == [
        [f"secrets/{name}.env"] for name in SERVICES if name in PROD
    ]
    assert files["asterisk"].items() <= files["engine"].items()
    assert f":{files['postgres']['POSTGRES_PASSWORD']}@postgres/" in files["engine"]["CALLWRIGHT__STORE__URL"]
    assert files["mosquitto"]["MQTT_PASSWORD"] == files["engine"]["CALLWRIGHT__MQTT__PASSWORD"]
    values = [*files["asterisk"].values(), files["postgres"]["POSTGRES_PASSWORD"], files["mosquitto"]["MQTT_PASSWORD"]]
    assert len(set(values)) == 4
    assert all(re.fullmatch("[0-9a-f]{48}", value) for value in values)
    assert folder.stat().st_mode & 0o077 == 0
    again = subprocess.run(["sh", tmp_path / "make-secrets"], check=False, capture_output=True)
    assert again.returncode == 1
    assert {path.name for path in tmp_path.iterdir()} == {"make-secrets", "secrets"}


@pytest.mark.parametrize("script", ["make-secrets", "engine/install.sh", "asterisk/healthcheck.sh"])
def test_shell_scripts_are_posix(script: str) -> None:
    subprocess.run(["sh", "-n", DOCKER / script], check=True)


def test_the_systemd_unit_is_sound() -> None:
    unit = (DOCKER / "systemd" / "callwright.service").read_text(encoding="utf-8")
    for line in ("Type=notify", "NotifyAccess=main", "NoNewPrivileges=yes", "ProtectSystem=strict", "User=callwright"):
        assert f"\n{line}\n" in unit
    assert re.search(r"(?m)^WatchdogSec=\d+$", unit)
    analyse = shutil.which("systemd-analyze")
    if analyse is None:
        return  # not every machine runs systemd; the lines above were looked at
    command = [analyse, "verify", str(DOCKER / "systemd" / "callwright.service")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    complaints = [line for line in run.stderr.splitlines() if "callwright.service" in line]
    assert all("is not executable" in line for line in complaints), run.stderr


def test_the_asterisk_image_holds_all_of_ours_that_its_start_imports(tmp_path: Path) -> None:
    """It carries a few files of the engine, not the engine: a new import there must be copied too."""
    place = "/usr/share/callwright/"
    for line in re.findall(r"(?m)^COPY ((?!--).+)$", stages()["asterisk"]):
        *sources, target = line.split()
        if not target.startswith(place):
            continue
        for source in sources:
            copy = tmp_path / target.removeprefix(place) / ("" if (ROOT / source).is_dir() else Path(source).name)
            copy.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if (ROOT / source).is_dir() else shutil.copy)(ROOT / source, copy)
    code = "import sys; sys.path.insert(0, '.'); import engine.asterisk.render as r; print(r.__file__)"
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.stdout.startswith(str(tmp_path)), run.stdout + run.stderr
