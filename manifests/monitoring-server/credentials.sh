#!/bin/sh
# Makes what federation needs, once: a certificate authority and from it the certificate of the clusters' gates, and a
# password. The gate's half goes into the overlay `cluster`, the other half beside this file. Nothing is ever overwritten:
# to make new ones, remove the old ones on both sides.
#
# usage: credentials.sh [name or address of a gate]...
# Prometheus asks for the certificate's own name, `federation`, so further names are only for browsers and curl.
set -eu
umask 077

fail() {
    echo "credentials.sh: $*" >&2
    exit 1
}

here=$(cd "$(dirname "$0")" && pwd)
server=$here/secrets
gate=$here/../overlays/cluster/prometheus/secrets
days=3650

command -v openssl >/dev/null 2>&1 || fail "openssl is missing"
[ -d "$here/../overlays/cluster" ] || fail "$here/../overlays/cluster is missing: run this where the manifests are"

mkdir -p "$server" "$gate"
# The folder keeps others out. The files in it can be read by all, since a container sees them as somebody else.
chmod 700 "$server" "$gate"

there= absent=
for file in "$gate/tls.crt" "$gate/tls.key" "$gate/htpasswd" "$server/federation-ca.crt" "$server/federation-password"; do
    if [ -e "$file" ]; then there="$there $file"; else absent="$absent $file"; fi
done
if [ -n "$there" ] && [ -n "$absent" ]; then
    fail "half of it is there, and halves do not fit together. There:$there. Missing:$absent. Remove the former, or find the latter"
fi

work=$(mktemp -d "$server/.new.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' HUP INT TERM

# 192 bits, in letters that need no quotes anywhere.
password() {
    openssl rand -base64 24 | tr '+/' '-_' | tr -d '=\n'
}

if [ -n "$there" ]; then
    echo "federation: there already, nothing to do"
else
    names=DNS:federation
    for name in "$@"; do
        case $name in
        *[!0-9A-Za-z.:-]* | '') fail "'$name' is neither a name nor an address" ;;
        *:*) names=$names,IP:$name ;;
        *[!0-9.]*) names=$names,DNS:$name ;;
        *) names=$names,IP:$name ;;
        esac
    done

    cd "$work"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out federation-ca.crt -days "$days" \
        -subj "/CN=federation CA" -addext "basicConstraints=critical,CA:TRUE,pathlen:0" -addext "keyUsage=critical,keyCertSign" \
        2>log || fail "openssl cannot make the authority: $(cat log)"
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout tls.key -out tls.csr -subj "/CN=federation" \
        2>log || fail "openssl cannot make the gate's key: $(cat log)"
    cat >extensions <<END
subjectAltName=$names
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth
END
    openssl x509 -req -in tls.csr -CA federation-ca.crt -CAkey ca.key -CAcreateserial -days "$days" -sha256 -extfile extensions \
        -out tls.crt 2>log || fail "openssl cannot sign the gate's certificate: $(cat log)"
    password >federation-password
    # SHA-512 crypt: nginx hands it to the C library, and glibc and musl both know it.
    printf 'federation:%s\n' "$(openssl passwd -6 -stdin <federation-password)" >htpasswd

    # The authority's key is not kept: nobody can sign a second gate with it.
    chmod 644 federation-ca.crt federation-password
    mv tls.crt tls.key htpasswd "$gate"
    mv federation-ca.crt federation-password "$server"
    cd "$here"
    echo "federation: made for $days days; apply the overlay cluster again to bring the gate its half"
fi

if [ -e "$server/grafana-password" ]; then
    echo "grafana-password: there already"
else
    password >"$work/grafana-password"
    chmod 644 "$work/grafana-password"
    mv "$work/grafana-password" "$server"
    echo "grafana-password: made; the user is admin"
fi

for file in mattermost-url gitlab-url gitlab-key; do
    if [ ! -s "$server/$file" ]; then
        echo "still to be written by you: $server/$file (see $file.example there)"
    else
        chmod 644 "$server/$file"
    fi
done
