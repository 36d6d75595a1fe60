#!/bin/sh
# Installs the Debian packages whose programs or files are missing, and starts none of their services.
# usage: debian-packages.sh program:package... (a program looked up in PATH, or the absolute path of a file)
set -eu
PATH=$PATH:/usr/sbin

missing=
for pair in "$@"; do
    wanted=${pair%%:*}
    case $wanted in
    /*) [ -e "$wanted" ] || missing="$missing ${pair#*:}" ;;
    *) command -v "$wanted" >/dev/null 2>&1 || missing="$missing ${pair#*:}" ;;
    esac
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "missing, and only Debian's names for them are known here:$missing" >&2
    exit 1
fi
as_root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || { echo "missing Debian packages:$missing (be root, or install sudo)" >&2; exit 1; }
    as_root=sudo
fi

# Debian starts a server when it installs it, and an Apache on port 80 or a Prometheus on port 9090 is more than a test
# run may leave behind. policy-rc.d is Debian's own switch for that: an administrator's file is respected, ours goes
# away with this script.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap '$as_root rm -f "$policy"' EXIT
    trap 'exit 130' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
    $as_root chmod 755 "$policy"
fi

echo "installing:$missing"
$as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q
# shellcheck disable=SC2086 # a list of words
$as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -q -y --no-install-recommends $missing
