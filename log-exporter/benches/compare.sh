#!/usr/bin/env bash
# What a gigabyte of log costs: log-exporter, mtail and grep over the same files, one after the other, on one machine.
# Then what 100 containers cost that log 1 MiB a second together, scraped every 5 s.
# Usage: log-exporter/benches/compare.sh [MiB per file, 256] [seconds, 60]
# Needs mtail (Debian's package), time, python3, curl, and the release build; twice the size in /dev/shm.
set -euo pipefail
cd "$(dirname "$0")/../.."
mib=${1:-256} seconds=${2:-60}
exporter=$(find target -path '*release/log-exporter' -type f | head -1)
[ -n "$exporter" ] || { echo 'needs make release' >&2; exit 1; }
work=$(mktemp -d /dev/shm/log-exporter-bench.XXXXXX)
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$work"' EXIT

python3 - "$work" "$mib" <<'PYTHON'
import sys
work, size = sys.argv[1], int(sys.argv[2]) << 20
for name, every in (("none", 0), ("some", 100)):
    with open(f"{work}/{name}.log", "w") as out:
        n = written = 0
        while written < size:
            what = "connection refused, an error" if every and n % every == 0 else "all is well with this request"
            written += out.write(f"2026-11-22T10:00:00.{n % 10**9:09}Z stdout F GET /shop/basket?item={n}&size=xl 200 12ms "
                                 f"upstream 10.1.2.3:8080 agent Mozilla/5.0 (X11; Linux x86_64) {what} id {n}\n")
            n += 1
PYTHON

# Ten patterns, in the language of each.
expressions=('\b([Ee]rror|[Ff]atal|[Pp]anic|[Ee]xception)\b' 'OutOfMemoryError|Out of memory' 'connection refused' '(timed out|timeout) after \d+'
	'status=5\d\d' 'SIGSEGV' 'No space left on device' '[Pp]ermission denied' 'slow query: \d{4,} ms' 'giving up after \d+ (retries|attempts)')
configure() { # number of patterns
	{ echo 'patterns:'; for n in $(seq 0 $(($1 - 1))); do echo "- {name: p$n, regex: '${expressions[n]}'}"; done; } > "$work/patterns.yml"
	rm -rf "$work/progs"; mkdir "$work/progs"
	{ for n in $(seq 0 $(($1 - 1))); do echo "counter p$n"; echo "/${expressions[n]}/ {"; echo "  p$n++"; echo '}'; done; } > "$work/progs/all.mtail"
}
cpu() { # process: CPU seconds so far
	awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); print ($12 + $13) / hz }' "/proc/$1/stat"
}
row() { # who, CPU seconds, bytes, what it found
	awk -v who="$1" -v s="$2" -v b="$3" -v found="$4" \
		'BEGIN { printf "  %-13s %8.3f CPU s/GB %9.0f MB/s of one core   %s\n", who, s / b * 1e9, (s > 0 ? b / s / 1e6 : 0), found }'
}
start() { # flags: starts the exporter, and sets pid and address
	"$exporter" --path.pod-logs="$work/pods" --config.file="$work/patterns.yml" --web.listen-address=127.0.0.1:0 "$@" 2> "$work/log" &
	pid=$! address=""
	while [ -z "$address" ]; do
		kill -0 $pid 2>/dev/null || { cat "$work/log" >&2; exit 1; }
		address=$(sed -n 's/.* local=\([0-9.:]*\).*/\1/p' "$work/log" | head -1)
	done
}
# Through the whole program: following, reading, counting, until nothing is left to read.
ours() {
	local tree="$work/pods/default_web-1_0a/app" bytes; bytes=$(stat -c %s "$1")
	rm -rf "$work/pods"; mkdir -p "$tree"; ln "$1" "$tree/0.log"
	start --start.at=beginning
	while ! curl -sf "http://$address/metrics" > "$work/page" || ! grep -q '^log_lag_bytes{.*} 0$' "$work/page"; do read -rt 0.05 <> <(:) || true; done
	row log-exporter "$(cpu $pid)" "$bytes" "$(awk '/^log_pattern_matches_total/ { n += $2 } /^log_messages_total/ { m += $2 } END { print n " matches, " m " messages" }' "$work/page"), peak $(awk '/VmHWM/ { print $2 " kB" }' /proc/$pid/status)"
	kill $pid; wait $pid 2>/dev/null || true
}
mtail_() {
	local bytes; bytes=$(stat -c %s "$1")
	/usr/bin/time -f '%U %S %M' -o "$work/time" mtail --one_shot --one_shot_format=prometheus --logtostderr=false --log_dir="$work" \
		--progs "$work/progs" --logs "$1" > "$work/mtail" 2>/dev/null || true
	row mtail "$(awk 'END { print $1 + $2 }' "$work/time")" "$bytes" "$(awk '/^p[0-9]+[ {]/ { n += $NF } END { print n + 0 " matches" }' "$work/mtail"), peak $(awk 'END { print $3 }' "$work/time") kB"
}
grep_() {
	local bytes found; bytes=$(stat -c %s "$1")
	found=$(TIMEFORMAT='%U %S'; { time LC_ALL=C grep -c 'connection refused' "$1" > "$work/found"; } 2>&1 || true)
	row 'grep -c' "$(awk '{ print $1 + $2 }' <<< "$found")" "$bytes" "$(cat "$work/found") lines, one text"
}
for case in "1 none" "10 none" "10 some"; do
	read -r count file <<< "$case"
	configure "$count"
	echo "$count pattern(s), $([ "$file" = none ] && echo 'no line matches' || echo 'one line in 100 matches'), $(stat -c %s "$work/$file.log") bytes:"
	ours "$work/$file.log"
	grep_ "$work/$file.log"
	if command -v mtail > /dev/null; then mtail_ "$work/$file.log"; else echo '  mtail is not installed'; fi
done

rm -rf "$work"/*.log "$work/pods"; mkdir "$work/pods"
configure 10
start --state.file="$work/positions"
python3 - "$work/pods" "$seconds" <<'PYTHON' &
import os, sys, time
root, seconds = sys.argv[1], int(sys.argv[2]) + 5
files = []
for n in range(100):
    folder = f"{root}/shop_pod-{n}_{n:04x}/app"
    os.makedirs(folder)
    files.append(open(f"{folder}/0.log", "w", buffering=1))
line = "2026-11-22T10:00:00.000000001Z stdout F GET /shop/basket?item=4711&size=xl 200 12ms all is well with this request\n"
for tick in range(seconds * 10):
    began = time.monotonic()
    for file in files:
        for _ in range((1 << 20) // 10 // 100 // len(line) + 1):
            file.write(line)
    time.sleep(max(0, 0.1 - (time.monotonic() - began)))
PYTHON
while ! curl -sf -o "$work/page" "http://$address/metrics" || ! grep -q '^log_containers 100$' "$work/page"; do read -rt 0.2 <> <(:) || true; done
before=$(cpu $pid) began=$SECONDS
while [ $((SECONDS - began)) -lt "$seconds" ]; do curl -sf -H 'Accept-Encoding: gzip' -o /dev/null "http://$address/metrics"; read -rt 5 <> <(:) || true; done
awk -v a="$before" -v b="$(cpu $pid)" -v s=$((SECONDS - began)) -v bytes="$(curl -sf "http://$address/metrics" | awk '/^log_bytes_total/ { n += $2 } END { print n }')" \
	-v peak="$(awk '/VmHWM/ { print $2 }' /proc/$pid/status)" \
	'BEGIN { printf "100 containers, %.2f MB of messages in all: %.3f %% of a core, peak %.1f MB\n", bytes / 1e6, (b - a) / s * 100, peak / 1e3 }'
