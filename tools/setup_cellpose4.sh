#!/bin/sh
# Make the virtual environment in $VENV4 with Cellpose 4 and what its tests need.
set -eu
: "${PYTHON:=python3}" "${VENV4:=.venv-cellpose4}"

[ -x "$VENV4/bin/python" ] || "$PYTHON" -m venv "$VENV4"
pip() { "$VENV4/bin/python" -m pip --disable-pip-version-check "$@"; }

printf 'Setting up %s (a few minutes the first time) ...\n' "$VENV4" >&2
pip install --quiet --upgrade "pip>=25.1"
# torch and torchvision belong together, and must be of one build: both for the processor alone,
# or both with CUDA. If they are not, both are taken as the package index has them.
pip install --quiet "torch==2.13.0" "torchvision==0.28.0"
if ! "$VENV4/bin/python" -c 'import torchvision' 2>/dev/null; then
    pip install --quiet "torch===2.13.0" "torchvision===0.28.0"
fi
pip install --quiet "cellpose>=4,<5" --editable . "pytest>=8" "pytest-timeout>=2.3"
