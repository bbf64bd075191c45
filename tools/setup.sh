#!/bin/sh
# Make the virtual environment in $VENV with everything that demo, test and lint need.
set -eu
: "${PYTHON:=python3}" "${VENV:=.venv}"

say() { printf '%s\n' "$*" >&2; }
as_root() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

if ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    say "Python 3.11 or newer is needed, and '$PYTHON' is not; set PYTHON=/path/to/python3.11."
    exit 1
fi
if ! "$PYTHON" -c 'import venv, ensurepip' 2>/dev/null; then
    if as_root; then
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv
    else
        say "Python's venv module is missing; install it first: sudo apt-get install python3-venv"
        exit 1
    fi
fi
[ -x "$VENV/bin/python" ] || "$PYTHON" -m venv "$VENV"
pip() { "$VENV/bin/python" -m pip --disable-pip-version-check "$@"; }

say "Setting up $VENV (a few minutes the first time) ..."
pip install --quiet --upgrade "pip>=25.1"
if ! "$VENV/bin/python" -c 'import torch' 2>/dev/null; then
    pip install --quiet "torch==2.13.0"
fi
pip install --quiet "cellpose>=3.1.1,<4" --editable ".[qt,evaluate]" --group dev
