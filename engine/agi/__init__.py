"""FastAGI: Asterisk asks, a flow answers.

    codec, command, session, ask   pure: bytes, commands, one session's states, the asking of digits
    call, server                   asyncio: one live session, and the door that admits it

The wire is res/res_agi.c of Asterisk 22. It has no authentication and no framing but the line; both are ours.
"""
