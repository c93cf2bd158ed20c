"""Prompts of the core as sounds of Asterisk."""

from __future__ import annotations

from engine.asterisk.prompts import PromptLibrary
from engine.domain.values import Prompt


class PromptSounds:
    """Resolves a prompt: a recorded file by its name, a text by speech."""

    def __init__(self, library: PromptLibrary) -> None:
        self._library = library

    async def sound(self, prompt: Prompt) -> str:
        """The name Asterisk plays.

        Raises:
            PromptUnavailable: no such recording, or it cannot be spoken.
        """
        if prompt.file:
            return self._library.recorded(prompt.file, prompt.language)
        return await self._library.spoken(prompt.text, prompt.language)
