"""Settings: the file, the environment, and refusals that name what is wrong and what was meant."""

from pathlib import Path

import pytest

from engine.agi.server import SECRET_CHARACTERS
from engine.errors import ConfigError
from engine.settings import AGI_SECRET_CHARACTERS, Settings, find_file, load, refuse_unfit


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file and no variable of this machine."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("engine.settings.SYSTEM_FILE", tmp_path / "system.toml")
    monkeypatch.delenv("CALLWRIGHT_CONFIG", raising=False)


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path: Path | None = None) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    return caught.value


def test_without_anything_the_defaults_hold() -> None:
    settings = load()
    assert settings == Settings()
    assert settings.database_url.startswith("sqlite:////")


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "x.toml", '[asterisk]\nami_port = 5999\nhost = "127.0.0.2"\n[site]\nname = "kiel"\n')
    monkeypatch.setenv("CALLWRIGHT__ASTERISK__AMI_PORT", "6000")
    settings = load(path)
    assert (settings.asterisk.ami_port, settings.asterisk.host, settings.site.name) == (6000, "127.0.0.2", "kiel")


def test_files_are_found_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_file() is None
    system = write(tmp_path / "system.toml", "")
    assert find_file() == system
    write(tmp_path / "callwright.toml", "")
    assert find_file() == Path("callwright.toml")
    monkeypatch.setenv("CALLWRIGHT_CONFIG", "named.toml")
    assert find_file() == Path("named.toml")
    assert find_file(Path("given.toml")) == Path("given.toml")


@pytest.mark.parametrize(
    ("text", "what", "mend"),
    [
        ("[asterix]\n", "unknown key asterix", "did you mean asterisk?"),
        ("[asterisk]\nami_prt = 1\n", "unknown key asterisk.ami_prt", "did you mean asterisk.ami_port?"),
        ("site = 1\n", "site is a section, not a value", "write [site]"),
        ("[site\n", "is not TOML", "mend that line"),
        ('[site]\nname = """x', "is not TOML", "is a quote or a bracket open"),
        ("[asterisk]\nami_port = " + "9" * 5000, "is not TOML", "open at its end"),
        ("[asterisk]\nami_port = " + "[" * 5000, "is not TOML", "close each bracket"),
        ("[asterisk]\nami_port = 70000\n", "70000 is too large", "use 65535 or less"),
        ("[asterisk]\nami_port = 0\n", "0 is too small", "use 1 or more"),
        ("[asterisk]\nami_port = []\n", "is no whole number", "write digits only"),
        ("[asterisk]\nami_port = 'x'\n", "is no whole number", "write digits only"),
        ("[asterisk]\nagi_allow = ['10.0.0.1/8']\n", "host bits set", "write networks such as"),
        ("[asterisk]\nagi_allow = 3\n", "is no list", "write ["),
        ("[asterisk]\nhost = 3\n", "is no text", "in quotes"),
        ("[asterisk]\nsounds = 3\n", "is no text", "in quotes"),
        ("[mqtt]\nembedded = 'perhaps'\n", "is neither true nor false", "write true or false"),
        ("[site]\ntimezone = 'Mars/Base'\n", "no such time zone Mars/Base", "use a name such as"),
        ("[site]\nname = 'Two Words'\n", "'Two Words' cannot stand here", "small letters"),
        ("[log]\nlevel = 'loud'\n", "'loud' cannot stand here", "use debug, info"),
        ("[recording]\nmin_free_percent = 101\n", "too large", "use 100"),
        ("[recording]\nmin_free_percent = 'x'\n", "is no number", "write digits only"),
        ("[site]\nregion = 'UK'\n", "no such region UK", "did you mean GB?"),
        ("[site]\nregion = 'de'\n", "no such region de", "did you mean DE?"),
        ("[site]\nregion = '??'\n", "no such region ??", "ISO 3166"),
        ("[site]\nnumber = '020 7946 0001'\n", "020 7946 0001 is no number in E.164", "+442079460001"),
    ],
)
def test_what_cannot_be_used_is_refused(tmp_path: Path, text: str, what: str, mend: str) -> None:
    refused = refusal(write(tmp_path / "x.toml", text))
    assert what in refused.what
    assert mend in refused.mend
    assert "x.toml" in refused.where
    assert refused.exit_code == 2


@pytest.mark.parametrize(
    "name", ["CALLWRIGHT__ASTERISK__AMI_PRT", "callwright__asterisk__ami_prt", "CALLWRIGHT_ASTERISK__AMI_PORT"]
)
def test_an_unknown_variable_is_refused_with_the_nearest(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "1")
    refused = refusal()
    assert refused.where == "environment"
    assert refused.mend.lower() == "did you mean callwright__asterisk__ami_port?"


def test_a_variable_in_small_letters_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("callwright__site__name", "kiel")
    assert load().site.name == "kiel"


def test_a_bad_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLWRIGHT__ASTERISK__AMI_PORT", "many")
    assert "asterisk.ami_port" in refusal().where


@pytest.mark.parametrize("make", [lambda p: None, lambda p: p.mkdir(), lambda p: p.write_bytes(b"\xff\xfe")])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, make: object) -> None:
    path = tmp_path / "x.toml"
    assert callable(make)
    make(path)
    assert refusal(path).where.startswith(str(path))


def test_a_fault_is_named_by_line_and_column(tmp_path: Path) -> None:
    path = write(tmp_path / "x.toml", '[site]\nname = "a"\nregion = \n')
    assert refusal(path).where == f"{path}:3:10"
    path.write_bytes(b"[site]\n# caf\xe9\n")
    assert (refusal(path).where, refusal(path).mend) == (f"{path}:2", "save the file as UTF-8")


@pytest.mark.parametrize(
    ("ami", "agi", "key", "what"),
    [
        ("", "a" * 16, "ami", "is not set"),
        ("(set)", "a" * 16, "ami", "stands for a secret"),
        ("a", "", "agi", "is not set"),
        ("a", "b" * 15, "agi", "has 15 characters, 16 or more"),
        ("a", "(set)", "agi", "stands for a secret"),
    ],
)
def test_what_serve_cannot_use_is_no_fault_of_reading(tmp_path: Path, ami: str, agi: str, key: str, what: str) -> None:
    settings = load(write(tmp_path / "x.toml", f'[asterisk]\nami_secret = "{ami}"\nagi_secret = "{agi}"\n'))
    with pytest.raises(ConfigError) as caught:
        refuse_unfit(settings)
    assert caught.value.where == f"asterisk.{key}_secret"
    assert what in caught.value.what


def test_good_secrets_are_fit(tmp_path: Path) -> None:
    secrets = f'[asterisk]\nami_secret = "a"\nagi_secret = "{"b" * AGI_SECRET_CHARACTERS}"\n'
    refuse_unfit(load(write(tmp_path / "x.toml", secrets)))
    assert AGI_SECRET_CHARACTERS == SECRET_CHARACTERS


def test_a_secret_is_in_no_text(tmp_path: Path) -> None:
    path = write(tmp_path / "x.toml", "[asterisk]\nami_secret = 'canary'\nagi_secret = 'canary'\n")
    settings = load(path)
    assert settings.asterisk.ami_secret.get_secret_value() == "canary"
    assert "canary" not in repr(settings)
    path.write_text("[asterisk]\nami_secret = ['canary']\n")
    assert "canary" not in str(refusal(path))
