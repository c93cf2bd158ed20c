"""The Asterisk edge: its configuration, and the translation between its events and the engine's facts."""
