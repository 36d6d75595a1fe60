#!/bin/sh
# Writes layout.ld: the functions that the start and a scrape run, for the linker to put them side by side. A kernel maps
# the neighbourhood of what is used as well, so scattered code costs memory that nobody uses.
# Names are kept without the part that differs between compilers. A name that is gone or missing costs memory only.
# Needs valgrind and curl.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -n "${PROGRAM:-}" ] || cargo build --quiet --profile bench --package node-exporter
host=$(rustc -vV | sed -n 's/^host: //p')
program=${PROGRAM:-${CARGO_TARGET_DIR:-../target}/$host/release/node-exporter}

run() { # NAME FLAG...: a start and some scrapes of every kind
    name=$1
    shift
    valgrind --quiet --tool=callgrind --demangle=no --callgrind-out-file="$work/$name.out" \
        "$program" --web.listen-address=127.0.0.1:0 "$@" 2>"$work/$name.log" &
    pid=$!
    touch "$work/$name.log"
    until address=$(sed -n 's/.*local=\(127[0-9.:]*\).*/\1/p' "$work/$name.log" | head -n 1) && [ -n "$address" ]; do
        kill -0 $pid
        sleep 0.2
    done
    for _ in 1 2 3; do
        curl --silent --fail --max-time 60 --output /dev/null "http://$address/metrics"
        curl --silent --fail --max-time 60 --output /dev/null --compressed "http://$address/metrics"
    done
    curl --silent --fail --output /dev/null "http://$address/-/healthy"
    kill -TERM $pid
    wait $pid
}

run here
for tree in node board laptop; do
    tree=tests/fixtures/$tree
    run "$(basename $tree)" --path.procfs=$tree/proc --path.sysfs=$tree/sys --path.udev.data=$tree/udev --path.rootfs=$tree/root
done
{
    echo '/* Made by layout.sh. */'
    echo 'SECTIONS {'
    echo '  .text : {'
    sed -n -e 's/^c*fn=([0-9]*) \(_ZN[^ ]*17h\)[0-9a-f]\{16\}E.*/\1*/p' -e 's/^c*fn=([0-9]*) \(_R[^ .]*\).*/\1*/p' "$work"/*.out |
        sed 's/Cs[0-9A-Za-z]*_/Cs*_/g' | LC_ALL=C sort -u | sed 's/.*/    *(.text.& .text.unlikely.&)/'
    # The rest of .text itself: tools look up lines of source in the section of that name alone.
    echo '    *(.text .text.*)'
    echo '  }'
    echo '} INSERT BEFORE .init;'
} >layout.ld
