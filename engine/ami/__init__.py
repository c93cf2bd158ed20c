"""Asterisk's manager interface (AMI): a strict writer, a tolerant reader, one session, one asyncio client.

- `codec`: bytes <-> Message, Action; pure
- `action`: the actions the engine sends; pure
- `session`: login, correlation, keepalive; pure
- `client`: sockets and tasks, on panoramisk
"""
