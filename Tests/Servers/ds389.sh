#!/bin/bash
# A private 389 Directory Server on loopback, for tests. Needs root, which the server's tools want.
#
#   ds389.sh init DIR [LDIF]   build a server in DIR (replacing one made earlier) and load LDIF
#   ds389.sh start DIR         start it; prints how to reach it, and leaves that in DIR/server.env
#   ds389.sh stop DIR          stop it
#   ds389.sh remove DIR        stop it and take away what it left outside of DIR
#
# `start` prints LDAP_URL, LDAPS_URL, CA and PID, one NAME=value a line. Its ports are free ones picked at
# random and kept in DIR/ports. Manager: cn=Directory Manager with the password "Secret-words1"; whoever is signed in may
# read everything but passwords. memberOf and referential integrity are on; content synchronization
# (RFC 4533) and the retro changelog with SYNCPROV=1. The server keeps its configuration in /etc/dirsrv, whatever it is told.
#
# What `init` reads from the environment: SUFFIX (dc=acme,dc=example), SYNCPROV (0).
set -euo pipefail
export LC_ALL=C LDAPNOINIT=1 PATH="$PATH:/usr/sbin:/sbin"
umask 022

fail() {
  echo "ds389.sh: $*" >&2
  exit 1
}

make_certificates() {
  local ec=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
  mkdir -p "$dir/tls"
  (
    cd "$dir/tls"
    printf '%s\n' "subjectAltName=DNS:localhost,IP:127.0.0.1" extendedKeyUsage=serverAuth \
      > extensions
    openssl req -x509 "${ec[@]}" -days 3650 -subj "/CN=Private test CA" \
      -addext "keyUsage=critical,keyCertSign,cRLSign" -keyout ca.key -out ca.pem
    openssl req "${ec[@]}" -subj /CN=localhost -keyout srv.key -out srv.csr
    openssl x509 -req -in srv.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 \
      -extfile extensions -out srv.pem
    openssl pkcs12 -export -in srv.pem -inkey srv.key -name Server-Cert -passout pass:x -out srv.p12
    certutil -D -d "$configuration" -n Server-Cert -f "$configuration/pwdfile.txt"
    pk12util -i srv.p12 -d "$configuration" -k "$configuration/pwdfile.txt" -W x
    certutil -A -d "$configuration" -n "Test CA" -t CT,, -i ca.pem -f "$configuration/pwdfile.txt"
  ) > "$dir/tls.log" 2>&1 || fail "no certificates: $(tail -n 3 "$dir/tls.log")"
  chown -R dirsrv:dirsrv "$configuration"
}

# Edits the stopped server's configuration: loopback only, plugins on, room for an import.
configure() {
  python3 - "$configuration/dse.ldif" << 'PY'
import os, sys
path = sys.argv[1]
blocks = open(path).read().split("\n\n")
on = ["memberof plugin", "referential integrity postoperation"]
if os.environ.get("SYNCPROV") == "1":
    on += ["retro changelog plugin", "content synchronization"]
def put(lines, name, value):
    return [l for l in lines if not l.lower().startswith(name.lower() + ":")] + [f"{name}: {value}"]
for i, block in enumerate(blocks):
    lines = block.strip("\n").split("\n")
    dn = lines[0].lower()
    if dn == "dn: cn=config":
        for name in ("nsslapd-listenhost", "nsslapd-securelistenhost"):
            lines = put(lines, name, "127.0.0.1")
    if any(dn.startswith(f"dn: cn={plugin},cn=plugins") for plugin in on):
        lines = put(lines, "nsslapd-pluginEnabled", "on")
    if dn.startswith("dn: cn=retro changelog plugin,"):
        lines = put(lines, "nsslapd-attribute", "nsuniqueid:targetUniqueId")
    if dn.startswith("dn: cn=memberof plugin,"):
        lines = put(lines, "memberofgroupattr", "member")
        lines = put(lines, "memberofautoaddoc", "nsMemberOf")
    if dn.startswith("dn: cn=userroot,cn=ldbm database"):
        lines = put(lines, "nsslapd-cachememsize", "536870912")
    blocks[i] = "\n".join(lines)
open(path, "w").write("\n\n".join(blocks) + "\n")
PY
}

init() {
  local ldif=${1:-} suffix=${SUFFIX:-dc=acme,dc=example}
  command -v dscreate > /dev/null || fail "389-ds-base is missing; Tests/install.sh installs it"
  remove
  rm -rf "$dir"
  mkdir -p "$dir" /run/dirsrv /run/lock/dirsrv
  # The server gives up its rights, and has to reach its files all the same.
  chmod 755 "$dir"
  chown dirsrv:dirsrv /run/dirsrv /run/lock/dirsrv
  cat > "$dir/instance.inf" << INF
[general]
config_version = 2
full_machine_name = localhost
strict_host_checking = False
selinux = False
systemd = False
start = False
[slapd]
instance_name = $instance
port = 389
secure_port = 636
self_sign_cert = True
root_password = Secret-words1
db_dir = $dir/db
db_home_dir = $dir/dbhome
backup_dir = $dir/bak
ldif_dir = $dir/ldif
log_dir = $dir/log
inst_dir = $dir/inst
ldapi = /run/dirsrv/$instance.socket
tmp_dir = $dir
[backend-userroot]
suffix = $suffix
sample_entries = no
INF
  # dscreate insists on systemctl, and starts the server on all addresses for a moment: patched in memory,
  # and in a network of its own.
  cat > "$dir/create.py" << 'PY'
import runpy
import sys
import lib389.paths
lib389.paths.Paths.with_systemd = property(lambda self: False)
sys.argv[0] = "/usr/sbin/dscreate"
runpy.run_path("/usr/sbin/dscreate", run_name="__main__")
PY
  unshare -n bash -c "ip link set lo up 2> /dev/null || ifconfig lo up
    exec /usr/bin/python3 '$dir/create.py' from-file '$dir/instance.inf'" > "$dir/create.log" 2>&1 \
    || fail "dscreate: $(tail -n 5 "$dir/create.log")"
  configure
  make_certificates
  [ -n "$ldif" ] || return 0
  # Without a rule nobody may read anything.
  awk -v suffix="dn: $suffix" '{ print } tolower($0) == tolower(suffix) { print "aci: (targetattr!=\"userPassword\")(version 3.0; acl \"read\"; allow (read,search,compare) userdn=\"ldap:///all\";)" }' \
    "$ldif" > "$dir/ldif/load.ldif"
  chown dirsrv:dirsrv "$dir/ldif/load.ldif"
  ns-slapd ldif2db -D "$configuration" -n userRoot -i "$dir/ldif/load.ldif" > "$dir/load.log" 2>&1 \
    || fail "$ldif was not loaded: $(tail -n 3 "$dir/load.log")"
}

running_pid() {
  local pid
  pid=$(cat "/run/dirsrv/slapd-$instance.pid" 2> /dev/null) || return 1
  grep -qF "$configuration" "/proc/$pid/cmdline" 2> /dev/null || return 1
  echo "$pid"
}

start() {
  local port tls_port attempt kept=0
  [ -e "$configuration/dse.ldif" ] || fail "$dir holds no server; make one: ds389.sh init $dir"
  ! running_pid > /dev/null || fail "the server in $dir is running already"
  mkdir -p /run/dirsrv /run/lock/dirsrv
  chown dirsrv:dirsrv /run/dirsrv /run/lock/dirsrv
  [ ! -e "$dir/ports" ] || { read -r port tls_port < "$dir/ports" && kept=1; }
  for ((attempt = 0; attempt < 20; attempt++)); do
    [ "$kept" = 1 ] || { port=$((20000 + RANDOM % 12000)) tls_port=$((20000 + RANDOM % 12000)); }
    sed -i "s/^nsslapd-port:.*/nsslapd-port: $port/; s/^nsslapd-secureport:.*/nsslapd-securePort: $tls_port/I" \
      "$configuration/dse.ldif"
    (
      for descriptor in /proc/self/fd/*; do
        [ "${descriptor##*/}" -le 2 ] || eval "exec ${descriptor##*/}>&-"
      done
      exec ns-slapd -D "$configuration" -i "/run/dirsrv/slapd-$instance.pid"
    ) < /dev/null > "$dir/start.log" 2>&1 || continue
    for ((wait = 0; wait < 400; wait++)); do
      if ldapsearch -x -LLL -o nettimeout=2 -l 2 -H "ldap://127.0.0.1:$port" -s base -b "" 1.1 \
        > /dev/null 2>&1 && running_pid > /dev/null; then
        echo "$port $tls_port" > "$dir/ports"
        printf '%s\n' "LDAP_URL=ldap://127.0.0.1:$port" "LDAPS_URL=ldaps://127.0.0.1:$tls_port" \
          "CA=$dir/tls/ca.pem" "PID=$(running_pid)" | tee "$dir/server.env"
        return 0
      fi
      sleep 0.05
    done
    stop
  done
  fail "ns-slapd did not start: $(tail -n 3 "$dir/start.log" "$dir"/log/errors)"
}

stop() {
  local pid attempt signal
  pid=$(running_pid) || return 0
  for signal in TERM KILL; do
    kill -"$signal" "$pid" 2> /dev/null || true
    for ((attempt = 0; attempt < 400; attempt++)); do
      running_pid > /dev/null || return 0
      sleep 0.05
    done
  done
  fail "ns-slapd ($pid) does not end"
}

remove() {
  stop
  rm -rf "$configuration" "/etc/dirsrv/slapd-$instance.removed" "/run/dirsrv/slapd-$instance.pid"
}

if [ $# -lt 2 ] || [ -z "$2" ]; then
  sed -n '4,7s/^# *//p' "$0" >&2
  exit 64
fi
command=$1 dir=$(realpath -m -- "$2")
case $dir in *[!A-Za-z0-9/._+-]*) fail "$dir: use a path of letters, digits and . _ + - alone" ;; esac
instance=usher$(printf '%s' "$dir" | sha256sum | cut -c 1-8)
configuration=/etc/dirsrv/slapd-$instance
case $command in
  init) init "${3:-}" ;;
  start) start ;;
  stop) stop ;;
  remove) remove ;;
  *) fail "$command is none of init, start, stop, remove" ;;
esac
