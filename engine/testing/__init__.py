"""Fakes that obey the protocol: an Asterisk manager and a FastAGI peer in memory, on real loopback sockets."""
