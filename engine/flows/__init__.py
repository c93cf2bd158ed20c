"""A flow is data: what a caller hears, chooses and waits for, read from a YAML text and walked one step at a time.

    text ─ strict_yaml ─ tree ─ nodes ─ graph ─ Flow          parser.parse(text, source)
    Flow + FlowState + what was heard + now ─ Step            interpreter.begin / resume

Everything here is pure: no file, no clock, no chance. Nothing knows a telephone: a `Want` says what the person should
hear or read next, and the channel's edge does it.
"""
