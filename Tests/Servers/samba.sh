#!/bin/bash
# A private Samba Active Directory domain controller on loopback, LDAP and Kerberos only, for tests. Needs root.
#
#   samba.sh init DIR [LDIF]   build a domain controller in DIR (replacing one made earlier) and load LDIF
#   samba.sh start DIR         start it; prints how to reach it, and leaves that in DIR/server.env
#   samba.sh stop DIR          stop it
#
# `start` prints LDAP_URL, LDAPS_URL, CA and PID, one NAME=value a line. Samba's ports are fixed, so each
# server has a loopback address of its own. Manager: administrator@acme.example with the password
# "Secret-words1"; reader@acme.example with the same is an ordinary user. The domain is DC=acme,DC=example.
#
# What `init` reads from the environment: CLEARTEXT (0; 1: passwords are taken without TLS).
set -euo pipefail
export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"

fail() {
  echo "samba.sh: $*" >&2
  exit 1
}

# A certificate that bears the address; Samba's own names the host alone.
make_certificates() {
  mkdir -p "$dir/private/tls"
  (
    cd "$dir/private/tls"
    printf '%s\n' "subjectAltName=DNS:dc1.acme.example,DNS:localhost,IP:$address" \
      extendedKeyUsage=serverAuth > extensions
    openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=Private test CA" \
      -addext "keyUsage=critical,keyCertSign,cRLSign" -keyout authority.key -out authority.pem
    openssl req -newkey rsa:2048 -nodes -subj /CN=dc1.acme.example -keyout server.key -out server.csr
    openssl x509 -req -in server.csr -CA authority.pem -CAkey authority.key -CAcreateserial \
      -days 3650 -extfile extensions -out server.pem
    chmod 600 server.key
  ) > "$dir/tls.log" 2>&1 || fail "no certificates: $(tail -n 3 "$dir/tls.log")"
}

# A thousand records at a time: one transaction of 10,000 takes more than twice as long.
load() {
  local part
  awk -v RS= -v ORS='\n\n' -v name="$dir/load" \
    '{ print > sprintf("%s.%05d.ldif", name, (NR - 1) / 1000) }' "$1"
  for part in "$dir"/load.*.ldif; do
    [ -e "$part" ] || continue
    ldbadd --configfile="$dir/etc/smb.conf" -H "$dir/private/sam.ldb" "$part" \
      > "$dir/load.log" 2>&1 || fail "$1 was not loaded: $(tail -n 3 "$dir/load.log")"
    rm "$part"
  done
}

init() {
  local ldif=${1:-} strong=yes
  [ "${CLEARTEXT:-0}" != 1 ] || strong=no
  command -v samba-tool > /dev/null || fail "samba is missing; Tests/install.sh installs it"
  stop
  rm -rf "$dir"
  mkdir -p "$dir/run"
  samba-tool domain provision --targetdir="$dir" --realm=ACME.EXAMPLE --domain=ACME \
    --host-name=DC1 --host-ip=127.0.0.1 --adminpass=Secret-words1 --server-role=dc \
    --use-rfc2307 --dns-backend=NONE > "$dir/provision.log" 2>&1 \
    || fail "no domain: $(tail -n 5 "$dir/provision.log")"
  cat > "$dir/etc/smb.conf" << CONF
[global]
  netbios name = DC1
  realm = ACME.EXAMPLE
  workgroup = ACME
  server role = active directory domain controller
  interfaces = $address/8
  bind interfaces only = yes
  server services = ldap, kdc
  private dir = $dir/private
  state directory = $dir/state
  cache directory = $dir/cache
  binddns dir = $dir/bind-dns
  pid directory = $dir/run
  lock directory = $dir/run
  ncalrpc dir = $dir/run/ncalrpc
  winbindd socket directory = $dir/run/winbindd
  log file = $dir/log.%m
  disable netbios = yes
  ldap server require strong auth = $strong
  tls keyfile = $dir/private/tls/server.key
  tls certfile = $dir/private/tls/server.pem
  tls cafile = $dir/private/tls/authority.pem
CONF
  make_certificates
  samba-tool user create reader Secret-words1 -H "$dir/private/sam.ldb" \
    --configfile="$dir/etc/smb.conf" > "$dir/reader.log" 2>&1 || fail "$(tail -n 3 "$dir/reader.log")"
  # Kerberos knows the server by its address, since no name leads to it.
  samba-tool spn add "ldap/$address" 'DC1$' -H "$dir/private/sam.ldb" \
    --configfile="$dir/etc/smb.conf" >> "$dir/reader.log" 2>&1 || fail "$(tail -n 3 "$dir/reader.log")"
  [ -z "$ldif" ] || load "$ldif"
}

running_pid() {
  local pid
  pid=$(cat "$dir/run/server.pid" 2> /dev/null) || return 1
  # Samba hides its command line; its folder tells it from a stranger that was given the same number later.
  [ "$(readlink "/proc/$pid/cwd")" = "$dir/run" ] || return 1
  echo "$pid"
}

start() {
  [ -e "$dir/etc/smb.conf" ] || fail "$dir holds no server; make one: samba.sh init $dir"
  ! running_pid > /dev/null || fail "the server in $dir is running already"
  (
    for descriptor in /proc/self/fd/*; do
      [ "${descriptor##*/}" -le 2 ] || eval "exec ${descriptor##*/}>&-"
    done
    cd "$dir/run"
    exec samba --foreground --no-process-group -s "$dir/etc/smb.conf" --model=single
  ) < /dev/null > "$dir/samba.log" 2>&1 &
  local child=$!
  echo "$child" > "$dir/run/server.pid"
  while kill -0 "$child" 2> /dev/null; do
    if LDAPTLS_CACERT="$dir/private/tls/authority.pem" ldapsearch -x -LLL -o nettimeout=2 -l 2 \
      -H "ldaps://$address" -s base -b "" 1.1 > /dev/null 2>&1; then
      printf '%s\n' "LDAP_URL=ldap://$address" "LDAPS_URL=ldaps://$address" \
        "CA=$dir/private/tls/authority.pem" "PID=$(running_pid)" | tee "$dir/server.env"
      return 0
    fi
    sleep 0.05
  done
  stop
  fail "samba did not start: $(tail -n 3 "$dir/samba.log")"
}

stop() {
  local pid attempt signal
  pid=$(running_pid) || return 0
  for signal in TERM KILL; do
    kill -"$signal" "$pid" 2> /dev/null || true
    for ((attempt = 0; attempt < 400; attempt++)); do
      running_pid > /dev/null || { rm -f "$dir/run/server.pid"; return 0; }
      sleep 0.05
    done
  done
  fail "samba ($pid) does not end"
}

if [ $# -lt 2 ] || [ -z "$2" ]; then
  sed -n '4,6s/^# *//p' "$0" >&2
  exit 64
fi
command=$1 dir=$(realpath -m -- "$2")
case $dir in *[!A-Za-z0-9/._+-]*) fail "$dir: use a path of letters, digits and . _ + - alone" ;; esac
digest=$(printf '%s' "$dir" | sha256sum)
address=127.$((16#${digest:0:2} % 200 + 20)).$((16#${digest:2:2})).$((16#${digest:4:2} % 250 + 2))
case $command in
  init) init "${3:-}" ;;
  start) start ;;
  stop) stop ;;
  *) fail "$command is none of init, start, stop" ;;
esac
