#!/bin/sh
# Installs the Debian packages named on the command line that are missing, and starts none of their services.
# usage: debian-packages.sh package...
set -eu

missing=
for package in "$@"; do
    status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
    [ "$status" = 'install ok installed' ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "missing Debian packages:$missing (become root or install sudo)" >&2; exit 1; }
    as_root=sudo
fi

# Installing a server on Debian starts it, and an Apache on port 80 or a Prometheus on port 9090 is more than a test
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
$as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get update -q
# shellcheck disable=SC2086 # a list of words
$as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -q -y --no-install-recommends $missing
