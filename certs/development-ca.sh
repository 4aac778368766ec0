#!/usr/bin/env bash
# A certificate authority for development, and a certificate of its own making for a gateway. Needs openssl; `l7gw init` needs none.
#
#   certs/development-ca.sh FOLDER [NAME-OR-ADDRESS ...]      e.g.  certs/development-ca.sh /tmp/l7gw localhost 127.0.0.1
#
# Writes ca.crt, ca.key, server.crt and server.key into FOLDER, keys readable by you alone. Not for production: there, have
# the cluster's own signer certify the gateway, so that no kubeconfig changes its CA (docs/architecture.md, "TLS").
set -euo pipefail
umask 077

if [ $# -eq 0 ]; then
  echo "usage: $0 FOLDER [NAME-OR-ADDRESS ...]" >&2
  exit 2
fi
folder=$1
shift
[ $# -gt 0 ] || set -- localhost 127.0.0.1
mkdir -p "$folder"
cd "$folder"

names=""
for name in "$@"; do
  case $name in
    *:*) names+="${names:+,}IP:$name" ;; # IPv6
    *[!0-9.]*) names+="${names:+,}DNS:$name" ;;
    *) names+="${names:+,}IP:$name" ;;
  esac
done

if [ -e ca.key ] && [ ! -e ca.crt ]; then
  echo "$folder: ca.key is here and its ca.crt is not: put it here too, or move ca.key away for a new authority" >&2
  exit 1
fi
if [ ! -e ca.key ]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -keyout ca.key -out ca.crt \
    -subj "/CN=l7gw development CA" -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign" 2>/dev/null
fi
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -out server.csr \
  -subj "/CN=$1" 2>/dev/null
openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 90 -out server.crt \
  -extfile <(printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\nkeyUsage=digitalSignature\n' "$names") 2>/dev/null
cat ca.crt >> server.crt  # `l7gw kubeconfig` gives clients the last certificate of this file
rm -f server.csr ca.srl
echo "$folder: ca.crt for kubeconfigs; server.crt and server.key for the gateway ($*)"
