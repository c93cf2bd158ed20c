"""Real sound: a tone at one side is found at the other side, and each on its own channel of the recording."""

from __future__ import annotations

import asyncio
import wave
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.live.hall import open_hall
from tests.live.sound import tone_s

pytestmark = pytest.mark.timeout(180)
AGENT_TONE, CALLER_TONE = 1850.0, 1300.0
TALK_S = 4.0


def channels(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Left and right of a stereo recording."""
    with wave.open(str(path)) as recording:
        assert recording.getnchannels() == 2
        frames = np.frombuffer(recording.readframes(recording.getnframes()), dtype="<i2").astype(np.float64)
    return frames[0::2], frames[1::2]


def share_of(sound: NDArray[np.float64], frequency: float) -> float:
    """Which part of the sound's energy lies within 20 Hz of this frequency."""
    power = np.abs(np.fft.rfft(sound)) ** 2
    scale = np.fft.rfftfreq(len(sound), 1 / 8000)
    return float(power[np.abs(scale - frequency) <= 20].sum() / power.sum())


@pytest.mark.parametrize("code", ["1001", "2001"])
async def test_both_hear_each_other_and_the_recording_has_each_on_his_side(code: str) -> None:
    async with open_hall(nailed=1, on_demand=1) as hall:
        await hall.sign_in(code)
        calls = await hall.call(1, talk=TALK_S, listen=True)
        await hall.until_over(calls)
        heard = tone_s(hall.ears[calls[0]], AGENT_TONE)
        assert heard > TALK_S - 1.0
        assert hall.site.pstn.truth().heard(code)
        await hall.all_is_well(1, {"answered": 1})

        name = hall.answered()[0].recording
        stereo = hall.site.asterisk.recordings / f"{name}.wav"
        async with asyncio.timeout(30):
            while (stereo.parent / f"{name}-in.wav").exists() or not stereo.exists():  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.2)
        left, right = channels(stereo)
        sides = f"left {share_of(left, CALLER_TONE):.3f} caller, right {share_of(right, AGENT_TONE):.3f} agent"
        print(f"{code}: caller heard {heard:.1f} s of agent; recording {len(left) / 8000:.1f} s, {sides}")
        assert share_of(left, CALLER_TONE) > 0.9
        assert share_of(right, AGENT_TONE) > 0.9
        assert share_of(left, AGENT_TONE) < 0.01
        assert share_of(right, CALLER_TONE) < 0.01
