"""Numbers that can be called: each is a valid one, and tells what is there."""

from __future__ import annotations

import phonenumbers
from hypothesis import given
from hypothesis import strategies as st

from engine.lab.called import RING_UNIT_S, TALK_UNIT_S, Persona, number, persona_of


@given(st.sampled_from(Persona), st.integers(0, 999), st.floats(0, 24.7), st.floats(0, 99))
def test_a_number_is_valid_and_tells_its_person_and_times(
    persona: Persona, serial: int, ring_s: float, talk_s: float
) -> None:
    e164 = number(persona, serial, ring_s=ring_s, talk_s=talk_s)
    assert phonenumbers.is_valid_number(phonenumbers.parse(e164))
    assert persona_of(e164) is persona
    assert abs(int(e164[6:8]) * RING_UNIT_S - ring_s) <= RING_UNIT_S / 2
    assert abs(int(e164[8:10]) * TALK_UNIT_S - talk_s) <= TALK_UNIT_S / 2


def test_times_beyond_the_digits_are_the_longest() -> None:
    assert number(Persona.PERSON, 1, ring_s=600, talk_s=600) == "+861029999001"


def test_equal_people_have_their_own_numbers() -> None:
    assert len({number(Persona.PERSON, serial) for serial in range(1000)}) == 1000


def test_other_numbers_are_nobodys() -> None:
    assert [persona_of(other) for other in ("+442079460001", "+8610", "+861080000000", "+8610200000000")] == [None] * 4
