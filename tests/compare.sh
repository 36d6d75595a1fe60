#!/usr/bin/env bash
# compare.sh OURS THEIRS [FLAG...]: what a scrape costs two exporters on this machine, side by side in one run.
#
# Both run with the same FLAGs and are scraped in turn, compressed, as Prometheus does it: 10 rounds of 20 scrapes each.
# Prints CPU per scrape (user and system time of the whole process, median of the rounds), peak and anonymous memory, and
# the ratios ours/theirs. COMPARE_PATH is what is asked for, /metrics unless it is set. Needs bash,
# curl and awk. BENCHMARKS.md has examples for each program.
set -euo pipefail
ours=${1:?usage: compare.sh OURS THEIRS [FLAG...]}
theirs=${2:?usage: compare.sh OURS THEIRS [FLAG...]}
shift 2
asked=${COMPARE_PATH:-/metrics}
case $asked in *\?*) asked="$asked&" ;; *) asked="$asked?" ;; esac

pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true' EXIT
start() { # PROGRAM PORT FLAG...
    local program=$1 port=$2
    shift 2
    "$program" "$@" --web.listen-address="127.0.0.1:$port" 2>/dev/null &
    pids+=($!)
    until curl -sf -o /dev/null "http://127.0.0.1:$port/metrics"; do
        kill -0 "${pids[-1]}" 2>/dev/null || { echo "compare.sh: $program ended at once" >&2; exit 1; }
    done
}
# One curl for a round, so that the connection is kept, as Prometheus keeps it.
scrape() { # PORT TIMES
    curl -sf --compressed -o /dev/null "http://127.0.0.1:$1${asked}n=[1-$2]" >/dev/null
}
# Nanoseconds on a CPU, all threads that live: the first field of schedstat.
cpu() { awk '{ sum += $1 } END { printf "%.0f", sum }' /proc/"$1"/task/*/schedstat; }
median() { sort -n | awk '{ v[NR] = $1 } END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'; }
memory() { awk -v key="$2:" '$1 == key { print $2 }' "/proc/$1/status"; }

start "$ours" 19591 "$@"
start "$theirs" 19592 "$@"
rounds=$(mktemp -d)
for port in 19591 19592; do scrape $port 20; done
for _ in $(seq 10); do
    for which in 0 1; do
        before=$(cpu "${pids[$which]}")
        scrape $((19591 + which)) 20
        awk -v a="$before" -v b="$(cpu "${pids[$which]}")" 'BEGIN { print (b - a) / 20e6 }' >>"$rounds/$which"
    done
done
for which in 0 1; do
    pid=${pids[$which]}
    echo "$(median <"$rounds/$which") $(memory "$pid" VmHWM) $(memory "$pid" RssAnon)"
done | awk '
    { cpu[NR] = $1; peak[NR] = $2; anon[NR] = $3
      printf "%-6s cpu %.3f ms/scrape  peak memory %d kB  anonymous memory %d kB\n", NR == 1 ? "ours" : "theirs", $1, $2, $3 }
    END { printf "ratio  cpu %.3f  peak memory %.3f  anonymous memory %.3f\n", cpu[1] / cpu[2], peak[1] / peak[2], anon[1] / anon[2] }'
rm -rf "$rounds"
