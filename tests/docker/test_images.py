"""FULL=1: the images are built and a call goes through them.

buildah builds them without a container engine (`--isolation chroot`). Base images are bare Debian trees, unpacked by
mmdebstrap from the machine's own package mirror, so nothing needs an image registry.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from engine.lab import sources

ROOT: Final = Path(__file__).resolve().parents[2]
BASES: Final = {"ASTERISK_BASE": "forky", "ENGINE_BASE": "bookworm"}
IMAGES: Final = ("asterisk", "engine")
AUTHORITY: Final = "/tmp/certificates.crt"
"""Where the builder's certificates lie during a build: their usual place is written by a package."""
NEEDED: Final = ("buildah", "mmdebstrap", "unshare")

pytestmark = [
    pytest.mark.full,
    pytest.mark.live,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not os.environ.get("FULL"), reason="builds images for some minutes: FULL=1 runs it"),
]


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for everything, and buildah's storage in it."""
    missing = [tool for tool in NEEDED if not shutil.which(tool)]
    assert not missing, f"missing: {', '.join(missing)}. Mend: apt-get install {' '.join(missing)}"
    assert os.geteuid() == 0, "images are built in chroots. Mend: run this as root"
    folder = tmp_path_factory.mktemp("images")
    storage = folder / "storage.conf"
    storage.write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/graph"\nrunroot = "{folder}/run"\n', encoding="utf-8"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTAINERS_STORAGE_CONF", str(storage))
        patch.setenv("BUILDAH_ISOLATION", "chroot")
        yield folder
        subprocess.run(["buildah", "rmi", "--all", "--force"], check=False, capture_output=True)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def images(workshop: Path) -> dict[str, str]:
    """Target -> image."""
    arguments = []
    for argument, suite in BASES.items():
        arguments += ["--build-arg", f"{argument}={base(workshop, suite)}"]
    for target in IMAGES:
        tag = f"callwright-test-{target}"
        command = ["buildah", "bud", "--quiet", "--layers", "--target", target, "--tag", tag, "--format", "docker"]
        command += ["--file", "docker/Dockerfile", "--ignorefile", "docker/Dockerfile.dockerignore"]
        told(command + arguments + installer(workshop) + ["."])
    return {target: f"localhost/callwright-test-{target}" for target in IMAGES}


def base(workshop: Path, suite: str) -> str:
    """An image of a bare Debian."""
    archive = sources.base(sources.read(), "bookworm")
    assert archive is not None, "this machine's apt sources name no Debian mirror"
    tree = workshop / f"{suite}.tar"
    valid = '--aptopt=Acquire::Check-Valid-Until "false"'
    told(["mmdebstrap", "--mode=root", "--variant=minbase", valid, suite, str(tree), archive.uri])
    container = told(["buildah", "from", "scratch"]).strip()
    told(["buildah", "add", "--quiet", container, str(tree), "/"])
    told(["buildah", "commit", "--quiet", "--rm", container, f"callwright-test-{suite}"])
    tree.unlink()
    return f"localhost/callwright-test-{suite}"


def installer(workshop: Path) -> list[str]:
    """pip's settings of this machine for the time of the build: its mirror, its local folders, its certificates."""
    found = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout or told([shutil.which("python3") or "python3", "-m", "pip", "config", "list"])
    wanted = ("index-url", "extra-index-url", "find-links", "trusted-host", "cert", "default-timeout")
    given = {
        key: " ".join(value.replace("\\n", " ").split())
        for key, value in re.findall(r"(?m)^(?:global|:env:)\.([\w-]+)='(.*)'$", found)
        if key in wanted
    }
    # A local index (`simple/`) points to files beside it.
    folder = re.compile(r"(?:^|\s|file://)(/\S+?)(?:/simple)?(?=\s|$)")
    local = [place for value in given.values() for place in folder.findall(value)]
    mounts = {place: place for place in local if Path(place).is_dir()}
    if "cert" in given:
        mounts[given["cert"]] = AUTHORITY
        given["cert"] = AUTHORITY
    settings = workshop / "pip.conf"
    text = "".join(f"{key} = {value}\n" for key, value in given.items())
    settings.write_text(f"[global]\n{text}", encoding="utf-8")
    options = ["--volume", f"{settings}:/etc/pip.conf:ro"]
    for here, there in mounts.items():
        options += ["--volume", f"{here}:{there}:ro"]
    return options


def told(command: list[str]) -> str:
    """What a command prints; a failure shows its last lines."""
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, f"{command[0]} {command[1]}: {(run.stdout + run.stderr)[-3000:]}"
    return run.stdout


def configured(image: str) -> dict[str, Any]:
    """An image's own configuration."""
    found: dict[str, Any] = json.loads(told(["buildah", "inspect", "--type", "image", image]))["Docker"]["config"]
    return found


def test_a_call_goes_through_the_images(images: dict[str, str], workshop: Path) -> None:
    folder = workshop / "volumes"
    folder.mkdir(mode=0o755)
    for above in (workshop, workshop.parent):
        above.chmod(0o755)  # the images' account walks through
    alone = ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    program = f"{sys.executable} -m tests.docker.call {images['asterisk']} {images['engine']} {folder}"
    outcome = told([*alone, "sh", "-c", f"ip link set lo up && exec {program}"])
    assert json.loads(outcome.splitlines()[-1]) == {"talked": 1, "verify": True, "interactions": 1}


@pytest.mark.parametrize("target", IMAGES)
def test_an_image_is_not_root_and_holds_no_secret(images: dict[str, str], target: str) -> None:
    config = configured(images[target])
    assert config["User"] in ("asterisk", "callwright")
    assert config["Healthcheck"]["Test"]
    assert not [each for each in config["Env"] if re.search(r"SECRET|PASSWORD|INDEX|PROXY", each.upper())]


def test_the_engine_image_holds_no_test_tools(images: dict[str, str]) -> None:
    container = told(["buildah", "from", images["engine"]]).strip()
    names = told(["buildah", "run", container, "--", "ls", "/opt/venv/lib/python3.11/site-packages"]).split()
    told(["buildah", "rm", container])
    assert "panoramisk" in names
    assert not {"pytest", "mypy", "hypothesis", "pip", "setuptools"} & set(names)


def test_asterisk_refuses_to_start_without_secrets(images: dict[str, str]) -> None:
    container = told(["buildah", "from", images["asterisk"]]).strip()
    run = subprocess.run(
        ["buildah", "run", container, "--", "python3", "-B", "/usr/share/callwright/start.py"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    told(["buildah", "rm", container])
    assert run.returncode != 0
    assert "CALLWRIGHT__ASTERISK__AMI_SECRET: is not set" in run.stderr
