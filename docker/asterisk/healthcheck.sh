#!/bin/sh
# Whether Asterisk has fully booted and its control socket answers.
set -eu
asterisk -C /etc/asterisk/asterisk.conf -rx 'core waitfullybooted' | grep -q 'fully booted'
