"""The lab: a real Asterisk on this machine, and a second one that plays the public telephone network.

`tree` finds or unpacks Asterisk, `instance` starts and stops one, `pstn` makes the simulated network with its people,
`truth` reads what that network saw. Nothing here touches /etc/asterisk or a running service.
"""
