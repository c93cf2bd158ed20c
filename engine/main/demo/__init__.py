"""`callwright demo`: the main job on this machine, with a simulated telephone network around a real Asterisk."""
