#!/bin/sh
# debian.sh test|bench: install the programs of others that the tests or the benchmarks call.
#
# Only what is missing, by apt-get, as root (or by a sudo that asks nothing). Daemons among them are
# not started: /usr/sbin/policy-rc.d forbids it while apt-get runs and is put back afterwards.
set -eu

# program:package
test_tools="sipp:sip-tester baresip:baresip-core linphonec:linphone-cli espeak-ng:espeak-ng sox:sox chromium:chromium pg_virtualenv:postgresql-common
    /usr/lib/postgresql:postgresql nft:nftables ip:iproute2"
bench_tools="kamailio:kamailio rtpengine:rtpengine-daemon taskset:util-linux"

case ${1:-} in
test) tools=$test_tools ;;
bench) tools=$bench_tools ;;
*)
    echo "use: tools/debian.sh test|bench" >&2
    exit 2
    ;;
esac

is_there() {
    case $1 in
    /*) [ -e "$1" ] ;;
    *) command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] ;;
    esac
}

missing=
for tool in $tools; do
    is_there "${tool%%:*}" || missing="$missing ${tool#*:}"
done
[ -n "$missing" ] || exit 0

fail() {
    echo "$1" >&2
    exit 1
}

command -v apt-get >/dev/null 2>&1 ||
    fail "install by hand what these Debian packages hold:$missing"
if [ "$(id -u)" -eq 0 ]; then
    as_root=
elif sudo -n true 2>/dev/null; then
    as_root="sudo -n"
else
    fail "root is needed once: apt-get install --no-install-recommends$missing"
fi

policy=/usr/sbin/policy-rc.d
kept=$policy.kept-by-softswitch-tests
restore_policy() {
    $as_root rm -f "$policy"
    if [ -e "$kept" ]; then $as_root mv "$kept" "$policy"; fi
}
trap restore_policy EXIT
trap 'exit 1' HUP INT TERM
if [ -e "$policy" ] && [ ! -e "$kept" ]; then $as_root mv "$policy" "$kept"; fi
printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
$as_root chmod 755 "$policy"

echo "installing$missing ..."
$as_root apt-get update -qq
# shellcheck disable=SC2086  # a list of words on purpose
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing >/dev/null
