#!/bin/bash
# A private OpenLDAP server on loopback, for tests and for trying things out.
#
#   slapd.sh init DIR [LDIF]   build a server in DIR (replacing one made earlier) and load LDIF
#   slapd.sh start DIR         start it; prints how to reach it, and leaves that in DIR/server.env
#   slapd.sh stop DIR          stop it, also when it was paused by SIGSTOP
#
# `start` prints LDAP_URL, LDAPS_URL, LDAPI_URL, CA and PID, one NAME=value a line. Its ports are
# free ones picked at random and kept in DIR/ports, so that a restart has the same URLs.
# Manager: cn=admin,$SUFFIX with the password "secret"; through LDAPI_URL with SASL EXTERNAL the
# user who ran `init` is the manager as well. Everybody else may read everything but passwords,
# even unbound, unless EXTRA_DB says otherwise. The manager also changes the running server's
# settings, until it stops: `olcDatabase={2}mdb,cn=config` is the database with the entries.
#
# What `init` reads from the environment:
#   SUFFIX      dc=example,dc=com
#   SIZELIMIT   unlimited   entries per search (never applied to the manager)
#   PAGELIMIT   unlimited   entries per page (size.pr)
#   PAGETOTAL   unlimited   entries per paged search (size.prtotal; "disabled" forbids paging)
#   MEMBEROF    0           1: the memberof overlay keeps memberOf; LDIF then goes in by ldapadd,
#                           slower, because slapadd does not run overlays, and has to name the
#                           members before their groups
#   SYNCPROV    0           1: RFC 4533 is served
#   MAXSIZE     8589934592  bytes that the database may grow to (a sparse file)
#   TLSVERIFY   never       demand: wants a client's certificate; DIR/tls/client.pem and client.key are one
#   TLSFAULT    (empty)     expired: the certificate was; wrong-name: it bears another name; old-tls: the
#                           server speaks TLS 1.1 at most
#   EXTRA_DB    (empty)     lines for the database section, before the limits' and access defaults
set -euo pipefail
export LC_ALL=C LDAPNOINIT=1 PATH="$PATH:/usr/sbin:/sbin"
umask 077

fail() {
  echo "slapd.sh: $*" >&2
  exit 1
}

require() {
  local tool
  for tool in "$@"; do
    command -v "$tool" > /dev/null || fail "$tool is missing; Tests/install.sh installs it"
  done
}

# Own CA and a server certificate. libldap replaces "localhost" by the host's own name when it
# checks a certificate, hence the host names.
make_certificates() {
  local ca_extensions=(-addext "basicConstraints=critical,CA:TRUE"
    -addext "keyUsage=critical,keyCertSign,cRLSign")
  local ec=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
  local name names="DNS:localhost,IP:127.0.0.1"
  for name in "$(hostname)" "$(hostname -f 2> /dev/null || true)"; do
    case ",$names," in *",DNS:$name,"*) ;; *) [ -z "$name" ] || names="$names,DNS:$name" ;; esac
  done
  [ "$tls_fault" != wrong-name ] || names=DNS:elsewhere.example
  mkdir "$dir/tls"
  (
    cd "$dir/tls"
    printf '%s\n' "subjectAltName=$names" extendedKeyUsage=serverAuth basicConstraints=CA:FALSE \
      > extensions
    openssl req -x509 "${ec[@]}" -days 3650 -subj "/CN=Private test CA" "${ca_extensions[@]}" \
      -keyout ca.key -out ca.pem
    openssl req "${ec[@]}" -subj /CN=localhost -keyout srv.key -out srv.csr
    if [ "$tls_fault" = expired ]; then
      mkdir certificates && : > index
      openssl ca -batch -config <(printf '%s\n' "[ca]" "default_ca=a" "[a]" "database=index" \
        "new_certs_dir=certificates" "rand_serial=yes" "default_md=sha256" "policy=p" "[p]" \
        "commonName=supplied") -cert ca.pem -keyfile ca.key -in srv.csr -out srv.pem -notext \
        -extfile extensions -startdate 20200101000000Z -enddate 20210101000000Z
    else
      openssl x509 -req -in srv.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 \
        -extfile extensions -out srv.pem
    fi
    openssl req "${ec[@]}" -subj "/CN=usher client" -keyout client.key -out client.csr
    openssl x509 -req -in client.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 \
      -out client.pem
  ) > "$dir/tls.log" 2>&1 || fail "no certificates: $(tail -n 3 "$dir/tls.log")"
}

write_configuration() {
  local modules=/usr/lib/ldap module size="size.soft=$size_limit size.hard=$size_limit"
  [ -e /etc/ldap/schema/inetorgperson.schema ] || fail "no schemas in /etc/ldap/schema"
  {
    printf 'include /etc/ldap/schema/%s.schema\n' core cosine inetorgperson nis
    echo "modulepath $modules"
    for module in back_mdb syncprov memberof ppolicy; do
      [ ! -e "$modules/$module.so" ] || echo "moduleload $module.so"
    done
    cat << CONF
pidfile $dir/run/slapd.pid
argsfile $dir/run/slapd.args
loglevel none
threads 4
timelimit unlimited
sizelimit $size size.pr=$page_limit size.prtotal=$page_total
TLSCACertificateFile $dir/tls/ca.pem
TLSCertificateFile $dir/tls/srv.pem
TLSCertificateKeyFile $dir/tls/srv.key
TLSVerifyClient $tls_verify
$([ "$tls_fault" != old-tls ] || echo "TLSCipherSuite NORMAL:-VERS-ALL:+VERS-TLS1.1:+VERS-TLS1.0:%COMPAT")
authz-regexp "gidNumber=$(id -g)\\\\+uidNumber=$(id -u),cn=peercred,cn=external,cn=auth" "$root_dn"

database config
rootdn "$root_dn"

database monitor
rootdn "$root_dn"

database mdb
suffix "$suffix"
rootdn "$root_dn"
rootpw secret
directory $dir/db
maxsize $max_size
envflags nosync
dbnosync
index objectClass,uid,entryUUID,entryCSN eq
$extra_db
access to attrs=userPassword by anonymous auth by * none
access to * by * read
CONF
    if [ "$member_of" = 1 ]; then
      printf '%s\n' "overlay memberof" "memberof-refint TRUE" "memberof-dangling ignore"
    fi
    if [ "$sync_provider" = 1 ]; then
      printf '%s\n' "overlay syncprov" "syncprov-checkpoint 100 1" "syncprov-sessionlog 1000"
    fi
  } > "$dir/slapd.conf"
}

load() {
  local ldif=$1 log="$dir/load.log" ok=1
  [ -r "$ldif" ] || fail "cannot read $ldif"
  if [ "$member_of" = 1 ]; then
    launch "$(ldapi_url)" || fail "slapd did not start: $(tail -n 3 "$dir/slapd.log")"
    # "relax" lets operational attributes in, such as entryUUID.
    ldapadd -Q -Y EXTERNAL -e relax -H "$(ldapi_url)" -f "$ldif" > "$log" 2>&1 || ok=0
    stop
  else
    # Never with -w: OpenLDAP 2.5.13 then reads cursors that -q has freed, and may abort.
    slapadd -q -f "$dir/slapd.conf" -b "$suffix" -l "$ldif" > "$log" 2>&1 || ok=0
  fi
  [ "$ok" = 1 ] || fail "$ldif was not loaded: $(tail -n 3 "$log")"
}

init() {
  local ldif=${1:-}
  suffix=${SUFFIX:-dc=example,dc=com} root_dn=cn=admin,${SUFFIX:-dc=example,dc=com}
  size_limit=${SIZELIMIT:-unlimited} page_limit=${PAGELIMIT:-unlimited}
  page_total=${PAGETOTAL:-unlimited} member_of=${MEMBEROF:-0} sync_provider=${SYNCPROV:-0}
  tls_verify=${TLSVERIFY:-never} tls_fault=${TLSFAULT:-}
  max_size=${MAXSIZE:-8589934592} extra_db=${EXTRA_DB:-}
  require slapd slapadd ldapadd openssl
  if [ -n "$(ls -A "$dir" 2> /dev/null)" ]; then
    [ -e "$dir/slapd.conf" ] || fail "$dir is not empty and holds no server of ours"
    stop
    rm -rf "$dir"
  fi
  mkdir -p "$dir/db" "$dir/run"
  chmod 700 "$dir"
  make_certificates
  write_configuration
  slaptest -u -f "$dir/slapd.conf" > "$dir/slapd.log" 2>&1 \
    || fail "slapd refuses its configuration: $(tail -n 3 "$dir/slapd.log")"
  [ -z "$ldif" ] || load "$ldif"
}

ldapi_url() {
  printf 'ldapi://%s' "$dir/run/ldapi" | sed 's,/,%2F,3g'
}

# The running server's pid; fails if none runs. The command line tells it from a stranger that
# was given the same number later.
running_pid() {
  local pid
  pid=$(cat "$dir/run/slapd.pid" 2> /dev/null) || return 1
  grep -qF "$dir/slapd.conf" "/proc/$pid/cmdline" 2> /dev/null || return 1
  echo "$pid"
}

# Starts slapd on these URLs and waits until the last of them answers. It keeps no stream of the
# caller, who may wait for the end of a pipe. A high limit of open files would cost it memory.
launch() {
  local urls="$*" last="${*: -1}" attempt
  (
    ulimit -Sn 4096 2> /dev/null || true
    # A caller may watch a descriptor of its own for our end; a server that keeps it open would hide it.
    for descriptor in /proc/self/fd/*; do
      [ "${descriptor##*/}" -le 2 ] || eval "exec ${descriptor##*/}>&-"
    done
    exec slapd -f "$dir/slapd.conf" -h "$urls" -n usher-slapd
  ) < /dev/null > "$dir/slapd.log" 2>&1 || return 1
  for ((attempt = 0; attempt < 200; attempt++)); do
    if ldapsearch -x -LLL -o nettimeout=2 -l 2 -H "$last" -s base -b "" 1.1 > /dev/null 2>&1; then
      return 0
    fi
    sleep 0.05
  done
  stop
  return 1
}

start() {
  local port tls_port attempt kept=0 up=0
  require slapd ldapsearch
  [ -e "$dir/slapd.conf" ] || fail "$dir holds no server; make one: slapd.sh init $dir"
  ! running_pid > /dev/null || fail "the server in $dir is running already"
  [ ! -e "$dir/ports" ] || { read -r port tls_port < "$dir/ports" && kept=1; }
  for ((attempt = 0; attempt < 50 && up == 0; attempt++)); do
    # Below the range from which the kernel gives clients their ports.
    [ "$kept" = 1 ] || { port=$((20000 + RANDOM % 12000)) tls_port=$((20000 + RANDOM % 12000)); }
    [ "$port" != "$tls_port" ] || continue
    if launch "$(ldapi_url)" "ldaps://127.0.0.1:$tls_port" "ldap://127.0.0.1:$port"; then
      up=1
    else
      sleep 0.1
    fi
  done
  [ "$up" = 1 ] || fail "slapd did not start: $(tail -n 3 "$dir/slapd.log")"
  echo "$port $tls_port" > "$dir/ports"
  cat > "$dir/server.env" << ENV
LDAP_URL=ldap://127.0.0.1:$port
LDAPS_URL=ldaps://127.0.0.1:$tls_port
LDAPI_URL=$(ldapi_url)
CA=$dir/tls/ca.pem
PID=$(running_pid)
ENV
  cat "$dir/server.env"
}

stop() {
  local pid attempt signal
  pid=$(running_pid) || return 0
  kill -CONT "$pid" 2> /dev/null || true
  for signal in TERM KILL; do
    kill -"$signal" "$pid" 2> /dev/null || true
    for ((attempt = 0; attempt < 200; attempt++)); do
      if ! running_pid > /dev/null; then
        rm -f "$dir/run/slapd.pid" "$dir/run/ldapi"
        return 0
      fi
      sleep 0.05
    done
  done
  fail "slapd ($pid) does not end"
}

if [ $# -lt 2 ] || [ -z "$2" ]; then
  sed -n '4,6s/^# *//p' "$0" >&2
  exit 64
fi
command=$1 dir=$(realpath -m -- "$2")
case $dir in *[!A-Za-z0-9/._+-]*) fail "$dir: use a path of letters, digits and . _ + - alone" ;; esac
[ "${#dir}" -le 90 ] || fail "$dir is too long a path for a local socket (90 characters at most)"
case $command in
  init) init "${3:-}" ;;
  start) start ;;
  stop) stop ;;
  *) fail "$command is none of init, start, stop" ;;
esac
