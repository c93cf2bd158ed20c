"""What was in a recording: tones, and how long there was nothing. Files are 8 kHz, 16-bit, mono WAV."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE = 8000
_HEADER = 44  # the header's length fields are written last, so a file still being recorded is read from here on
_WINDOW = RATE // 10
QUIET = 30.0
"""Loudness (root mean square of 16-bit samples) below which a person hears nothing."""


def samples(path: Path) -> NDArray[np.float64]:
    data = path.read_bytes()[_HEADER:] if path.exists() else b""
    return np.frombuffer(data[: len(data) // 2 * 2], dtype="<i2").astype(np.float64)


def loudness(path: Path) -> NDArray[np.float64]:
    """Root mean square of each tenth of a second."""
    sound = samples(path)
    whole = sound[: len(sound) // _WINDOW * _WINDOW].reshape(-1, _WINDOW)
    return np.asarray(np.sqrt((whole**2).mean(axis=1)), dtype=np.float64)


def longest_silence_s(path: Path) -> float:
    longest = here = 0
    for quiet in loudness(path) < QUIET:
        here = here + 1 if quiet else 0
        longest = max(longest, here)
    return longest / 10


def tone_s(path: Path, frequency: float) -> float:
    """Seconds (in tenths) whose strongest frequency is within 20 Hz of `frequency`."""
    sound = samples(path)
    whole = sound[: len(sound) // _WINDOW * _WINDOW].reshape(-1, _WINDOW)
    spectrum = np.abs(np.fft.rfft(whole * np.hanning(_WINDOW), axis=1))
    strongest = spectrum.argmax(axis=1) * RATE / _WINDOW
    loud = np.sqrt((whole**2).mean(axis=1)) > QUIET
    return float((loud & (np.abs(strongest - frequency) <= 20)).sum()) / 10


def longest_gap_s(path: Path, frequency: float) -> float:
    """Longest time without the tone, between its first and its last tenth of a second."""
    sound = samples(path)
    whole = sound[: len(sound) // _WINDOW * _WINDOW].reshape(-1, _WINDOW)
    spectrum = np.abs(np.fft.rfft(whole * np.hanning(_WINDOW), axis=1))
    strongest = spectrum.argmax(axis=1) * RATE / _WINDOW
    there = np.flatnonzero((np.sqrt((whole**2).mean(axis=1)) > QUIET) & (np.abs(strongest - frequency) <= 20))
    return float(np.diff(there).max() - 1) / 10 if len(there) > 1 else float("inf")
