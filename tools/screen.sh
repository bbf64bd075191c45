#!/bin/sh
# Make sure that there is a virtual screen with OpenGL for the tests of the viewer.
set -eu
packages="xvfb libgl1 libegl1 libopengl0 libglu1-mesa libdbus-1-3 libxkbcommon-x11-0 libxcb-cursor0
 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0 libxcb-xinerama0"
missing=""
for package in $packages; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
elif ! command -v xvfb-run >/dev/null; then
    echo "The tests need a virtual screen; install it first: sudo apt-get install$missing" >&2
    exit 1
fi
