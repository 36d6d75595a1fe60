#!/bin/sh
# Writes logs as the kubelet keeps them, of three containers, into a folder, for as long as the process lives that is named:
# sample-tree.sh FOLDER PID. One of them has an error now and then; each log is rotated after some lines.
set -eu
folder=$1 pid=$2
rm -rf "$folder"
log() { # namespace_pod_uid/container stream message
	mkdir -p "$folder/$1"
	printf '%s %s F %s\n' "$(date -u +%Y-%m-%dT%H:%M:%S.%NZ)" "$2" "$3" >> "$folder/$1/0.log"
}
n=0
while kill -0 "$pid" 2> /dev/null; do
	n=$((n + 1))
	log shop_basket-7d9f_0a/app stdout "{\"level\":\"info\",\"msg\":\"item added\",\"item\":$n}"
	log shop_catalog-5c4b_0b/app stdout "level=info msg=\"finished with 0 errors\" run=$n"
	log kube-system_dns-x2x_0c/dns stderr "[INFO] 10.1.2.3:4711 - \"A IN shop.example.\" NOERROR"
	[ $((n % 5)) -ne 0 ] || log shop_basket-7d9f_0a/app stderr "{\"level\":\"error\",\"msg\":\"payment failed: connection refused, error $n\"}"
	if [ $((n % 50)) -eq 0 ]; then
		mv "$folder/shop_basket-7d9f_0a/app/0.log" "$folder/shop_basket-7d9f_0a/app/0.log.$(date +%Y%m%d-%H%M%S)"
	fi
	sleep 1
done
