"""Configuration from a plan: every value in its place, and none that could write a line of its own."""

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.asterisk.render import AgentEndpoint, AsteriskPlan, TrunkEndpoint, render
from engine.domain import alphabets
from engine.domain.policy import AgentProfile, TrunkPolicy
from engine.domain.values import AgentId
from engine.errors import ConfigError
from engine.store import checks

PLAN = AsteriskPlan(
    ami_port=5038,
    ami_secret="ami-secret-1",
    agi_host="127.0.0.1",
    agi_port=4573,
    agi_secret="agi-secret-1",
    sip_port=5060,
    recordings_dir="/var/spool/callwright/recordings",
    rescue_spool_dir="/var/spool/callwright/rescue",
    agents=(
        AgentEndpoint(code="1001", password="phone-pass-1"),
        AgentEndpoint(code="1002", password="phone-pass-2", contact="sip:1002@10.0.0.2:5060"),
    ),
    trunks=(TrunkEndpoint(name="carrier", host="sip.example.net", username="me", password="trunk-pass"),),
)


def sections(text: str) -> dict[str, list[dict[str, str]]]:
    """Asterisk allows several sections of one name; each is a mapping."""
    found: dict[str, list[dict[str, str]]] = {}
    current: dict[str, str] = {}
    for line in text.splitlines():
        head = re.fullmatch(r"\[([^]]+)\](?:\(([^)]*)\))?", line)
        if head:
            current = {"": head[2] or ""}
            found.setdefault(head[1], []).append(current)
        elif "=" in line:
            name, _, value = line.partition(" = ")
            current[name] = value
    return found


def test_every_file_that_is_included_exists_and_custom_ones_may_be_missing() -> None:
    files = render(PLAN)
    for name, text in files.items():
        for included in re.findall(r"^#include (\S+)$", text, re.MULTILINE):
            assert included in files, f"{name} includes {included}"
        for custom in re.findall(r"^#tryinclude (\S+)$", text, re.MULTILINE):
            assert custom.endswith("_custom.conf")
            assert custom not in files


def test_agents_and_trunks_get_the_templates_of_their_kind() -> None:
    pjsip = sections(render(PLAN)["callwright_pjsip.conf"])
    assert [part[""] for part in pjsip["agent-1001"]] == [
        "callwright-agent",
        "callwright-agent-auth",
        "callwright-agent-aor",
    ]
    assert pjsip["agent-1002"][2]["contact"] == "sip:1002@10.0.0.2:5060"
    assert pjsip["trunk-carrier"][0]["outbound_auth"] == "trunk-carrier-auth"
    assert pjsip["trunk-carrier-from"][0]["match"] == "sip.example.net"
    assert pjsip["callwright-udp"][0]["bind"] == "0.0.0.0:5060"


def test_the_engines_rights_are_the_least_that_work() -> None:
    rights = sections(render(PLAN)["manager.conf"])["callwright-rights"][0]
    assert set(rights["write"].split(",")) == {"originate", "call", "reporting", "user"}
    assert set(rights["read"].split(",")) == {"system", "call", "reporting", "user", "dtmf"}
    assert rights["writetimeout"] == "5000"


def test_an_event_within_an_event_is_withheld_and_a_true_one_is_not() -> None:
    """A number with line ends in it would pass for an event of its own: nothing on our side could tell."""
    (forged,) = re.findall(
        r"(?m)^eventfilter\(action\(exclude\),method\(regex\)\) = (.+)$", render(PLAN)["manager.conf"]
    )
    found = re.compile(forged.replace("[[:cntrl:]]", r"[\x00-\x1f\x7f]"))
    true = "Event: UserEvent\r\nPrivilege: user,all\r\nUserEvent: Callwright\r\nPhase: hold\r\n\r\n"
    assert not found.search(true)
    assert found.search(true.replace("Phase: hold", "CallerIDNum: 1\r\n\r\nEvent: Hangup"))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"ami_secret": "short"}, "ami_secret"),
        ({"ami_secret": "with\nnewline-in-it"}, "ami_secret"),
        ({"agi_secret": "semi;colon-secret"}, "agi_secret"),
        ({"agi_host": "host name"}, "agi_host"),
        ({"sip_host": "sip.example.net"}, "sip_host"),
        ({"sip_port": 0}, "sip_port"),
        ({"ami_port": 70_000}, "ami_port"),
        ({"rtp_ports": (20_000, 10_000)}, "rtp_ports"),
        ({"recordings_dir": "relative/path"}, "recordings_dir"),
        ({"recordings_dir": "/a,b"}, "recordings_dir"),
        ({"rescue_after_s": 0}, "rescue_after_s"),
        ({"site_number": "030 123"}, "site_number"),
        ({"agents": (AgentEndpoint(code="10]01", password="phone-pass-1"),)}, "agents[10]01].code"),
        ({"agents": (AgentEndpoint(code="1", password="x\ny-123456"),)}, "agents[1].password"),
        ({"agents": (AgentEndpoint(code="1", password="12345678", contact="sip:a\n"),)}, "agents[1].contact"),
        ({"agents": (AgentEndpoint(code="1", password="12345678"),) * 2}, "agents"),
        ({"trunks": (TrunkEndpoint(name="t", host="h;x"),)}, "trunks[t].host"),
        ({"trunks": (TrunkEndpoint(name="t", host="h", username="us"),)}, "trunks[t]"),
        ({"trunks": (TrunkEndpoint(name="t", host="h", password="p"),)}, "trunks[t]"),
        ({"trunks": (TrunkEndpoint(name="t", host="h", username="u:s", password="p"),)}, "trunks[t].username"),
        ({"trunks": (TrunkEndpoint(name="t", host="h", username="us", password="p;q"),)}, "trunks[t].password"),
    ],
)
def test_what_cannot_stand_in_its_place_is_refused_by_name(change: dict[str, object], field: str) -> None:
    with pytest.raises(ConfigError) as refused:
        render(msgspec.structs.replace(PLAN, **change))
    assert refused.value.where == field


def test_a_refused_secret_is_not_shown() -> None:
    with pytest.raises(ConfigError) as refused:
        render(msgspec.structs.replace(PLAN, ami_secret="top secret!"))
    assert "top secret" not in str(refused.value)


@given(st.text(), st.text(), st.text())
def test_no_text_writes_a_line_or_a_section_of_its_own(code: str, password: str, contact: str) -> None:
    plan = msgspec.structs.replace(PLAN, agents=(AgentEndpoint(code=code, password=password, contact=contact),))
    try:
        text = render(plan)["callwright_pjsip.conf"]
    except ConfigError:
        return
    expected = {"callwright-udp", "trunk-carrier", "trunk-carrier-auth", "trunk-carrier-from", f"agent-{code}"}
    assert sections(text).keys() == expected


@given(
    st.from_regex(alphabets.ID.shape, fullmatch=True),
    st.from_regex(alphabets.HOST.shape, fullmatch=True),
    st.from_regex(alphabets.USERNAME.shape, fullmatch=True),
    st.from_regex(alphabets.PASSWORD.shape, fullmatch=True),
)
def test_what_the_store_accepts_is_rendered(id_: str, host: str, username: str, password: str) -> None:
    checks.check_trunk(TrunkPolicy(id=id_, host=host, username=username))
    checks.check_trunk_secret(id_, password)
    checks.check_agent(AgentProfile(id=AgentId(id_), name="Ada", endpoint=f"agent-{id_}"), ())
    trunk = TrunkEndpoint(name=id_, host=host, username=username, password=password)
    agent = AgentEndpoint(code=id_, password="phone-pass-1")
    found = sections(render(msgspec.structs.replace(PLAN, trunks=(trunk,), agents=(agent,)))["callwright_pjsip.conf"])
    assert found[f"trunk-{id_}-auth"][0]["username"] == username
    assert found[f"trunk-{id_}-auth"][0]["password"] == password
    assert found[f"trunk-{id_}-from"][0]["match"] == host


@given(st.text(), st.text(), st.text(), st.text())
def test_what_cannot_be_rendered_is_not_stored(id_: str, host: str, username: str, password: str) -> None:
    trunk = TrunkEndpoint(name=id_, host=host, username=username or "us", password=password or "p")
    try:
        checks.check_trunk(TrunkPolicy(id=id_, host=host, username=username))
        checks.check_trunk_secret(id_, password)
    except ConfigError:
        with pytest.raises(ConfigError):
            render(msgspec.structs.replace(PLAN, trunks=(trunk,)))
    else:
        render(msgspec.structs.replace(PLAN, trunks=(trunk,)))


def test_a_call_that_comes_in_meets_only_strict_patterns() -> None:
    files = render(PLAN)
    patterns = re.findall(r"^exten => (_\S+?),", files["callwright_inbound.conf"], re.MULTILINE)
    assert patterns == ["_[+0-9]."]
    assert "exten => _" not in files["callwright_phones.conf"]
