#!/bin/sh
# Installs the engine into /opt/venv from /opt/callwright. Two steps, because the lock file is one list for everything,
# the tests' tools too: fetch all of it with its hashes checked, then install from there only what the engine names.
set -eu
cd /opt/callwright
python3 -m pip wheel --quiet --no-cache-dir --no-deps --require-hashes --wheel-dir /tmp/wheels -r requirements.lock
python3 -m venv /opt/venv
# The builder's own pip settings (more indexes) must add nothing unchecked to this second step.
PIP_CONFIG_FILE=/dev/null PIP_NO_INDEX=1 PIP_FIND_LINKS=/tmp/wheels \
    /opt/venv/bin/python -m pip install --quiet --no-cache-dir --editable .
/opt/venv/bin/python -m pip uninstall --quiet --yes setuptools pip
rm -rf /tmp/wheels install.sh
