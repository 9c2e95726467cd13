#!/bin/sh
# venv.sh DIR WHAT...: a virtual environment in DIR with WHAT installed by pip.
#
# Nothing is done when DIR was made from the same WHAT, pyproject.toml and Python before.
# PYTHON names the interpreter; without it the newest python3 on PATH that is at least 3.11.
set -eu

directory=$1
shift

fail() {
    echo "$1" >&2
    exit 1
}

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if new_enough "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    fail "Python 3.11 or newer is needed: install it, or name one with PYTHON=..."
}

python=$(find_python)
stamp=$directory/installed.txt
wanted=$("$python" -VV && echo "$@" && cat pyproject.toml)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
    exit 0
fi

"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "$python has no venv module: install it (on Debian: apt-get install python3-venv)"
echo "making $directory with $("$python" -V) ..."
"$python" -m venv --clear "$directory" || fail "cannot make $directory"
"$directory/bin/python" -m pip install --quiet --disable-pip-version-check "$@" ||
    fail "pip could not install $*: see above"
printf '%s\n' "$wanted" >"$stamp"
