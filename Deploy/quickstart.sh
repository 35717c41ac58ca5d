#!/bin/bash
# Usher at work on a made-up company of 2,000 people, in one command and without any set-up:
# installs what is missing, builds, starts a private OpenLDAP server on loopback, then checks,
# previews, applies, and syncs again to no effect. Each run has a new folder in the temporary
# directory; nothing else of the machine is touched, and the server is stopped at the end.
set -euo pipefail
umask 077

root=$(realpath -- "$(dirname -- "$0")/..")
server_script=$root/Tests/Servers/slapd.sh
folder=

fail() {
  echo "quickstart: $*" >&2
  exit 1
}

finish() {
  local code=$?
  trap - EXIT
  [ ! -e "$folder/server/slapd.conf" ] || "$server_script" stop "$folder/server" || true
  [ "$code" = 0 ] || [ -z "$folder" ] || echo "quickstart: its files are in $folder" >&2
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' plain=$'\e[0m'; else bold='' plain=''; fi

say() {
  printf '\n%s%s%s\n' "$bold" "$*" "$plain"
}

# run CODE HEAD TAIL COMMAND...: shows the command, runs it, and stops the script if it ends with
# another exit code than CODE. Of a long output the first HEAD and last TAIL lines are shown.
steps=0
run() {
  local expected=$1 head=$2 tail=$3 code=0 lines output
  shift 3
  steps=$((steps + 1))
  output=$folder/output/$(printf '%02d' "$steps")-$2.txt
  printf '$ %s\n' "$*"
  "$@" > "$output" || code=$?
  lines=$(wc -l < "$output")
  if [ "$lines" -le $((head + tail + 3)) ]; then
    cat "$output"
  else
    head -n "$head" "$output"
    echo "  ... $((lines - head - tail)) more lines: $output ..."
    tail -n "$tail" "$output"
  fi
  [ "$code" = "$expected" ] || fail "\"$*\" ended with exit code $code, not $expected"
}

# What is needed

"$root/Deploy/packages.sh" libldap2-dev libsqlite3-dev slapd ldap-utils openssl
command -v python3 > /dev/null || "$root/Deploy/packages.sh" python3
command -v swift > /dev/null \
  || fail "no Swift toolchain in PATH; see swift.org/install (with sudo, PATH may need passing on)"

say "Building Usher (some minutes the first time)"
swift build --package-path "$root" -c release --static-swift-stdlib --product usher
bin=$(swift build --package-path "$root" -c release --show-bin-path)
[ -x "$bin/usher" ] || fail "the build left no $bin/usher"

# The company and its directory

folder=$(mktemp -d "${TMPDIR:-/tmp}/usher-quickstart.XXXXXX")
mkdir "$folder/Mappings" "$folder/output"
say "Making the company: 2,000 people, 120 groups"
openssl rand -hex 16 > "$folder/bind-password"
python3 "$root/Deploy/company.py" --bind-password-file "$folder/bind-password" \
  > "$folder/company.ldif"

say "Starting a private OpenLDAP server"
# As in real life: only Usher's own account may read, and others only sign in.
reader="cn=usher,ou=system,dc=acme,dc=example"
SUFFIX=dc=acme,dc=example EXTRA_DB="access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact=\"$reader\" read by * none" \
  "$server_script" init "$folder/server" "$folder/company.ldif"
"$server_script" start "$folder/server" > "$folder/output/server.txt"
# shellcheck source=/dev/null
. "$folder/server/server.env"
echo "It answers at $LDAPS_URL"
sed "s|@LDAPS_URL@|$LDAPS_URL|" "$root/Deploy/quickstart/usher.yaml" > "$folder/usher.yaml"
cp "$root/Deploy/quickstart/acme.yaml" "$folder/Mappings/acme.yaml"
cp "$root/Deploy/quickstart/changes.ldif" "$folder/changes.ldif"

# Usher

cd "$folder"
export PATH="$bin:$PATH" USHER_CONFIG="$folder/usher.yaml"
say "Are configuration and mapping right, and does the directory answer?"
run 0 20 20 usher check --connect
say "What would a sync do? Nothing is changed yet."
run 0 30 40 usher plan
say "The same, saved: what is applied is exactly what was reviewed."
run 0 0 12 usher plan --out plan.usher --format text
run 0 0 12 usher apply plan.usher --yes
say "Again: nothing to do."
run 0 10 20 usher sync
run 0 10 20 usher plan --detailed-exitcode
say "Who has an account, but no license and no group?"
run 0 12 3 usher list unassigned
say "Whom did Usher leave alone, and why?"
run 0 30 30 usher list holds
say "Why does the head of engineering have what she has?"
run 0 40 20 usher explain ada.lindqvist@acme.example
say "Something by hand: previewed, made, shown, and taken back."
run 0 12 3 usher grant ada.lindqvist@acme.example --group on-call --preview
run 0 3 3 usher grant ada.lindqvist@acme.example --group on-call --yes
run 0 30 6 usher show ada.lindqvist@acme.example
run 0 12 3 usher runs
run 0 8 3 usher undo 3 --yes
run 0 0 8 usher plan --detailed-exitcode
say "How would the site come out of the move to Atlassian accounts?"
run 0 20 5 usher transition

"$server_script" stop "$folder/server"
say "Done. The server has been stopped; everything is in $folder"
cat << TEXT
  usher.yaml, Mappings/acme.yaml   the configuration, and who is entitled to what
  usher.db                         the site
  output/                          what the commands above printed, in full

To go on from here:
  cd $folder
  export PATH="$bin:\$PATH" USHER_CONFIG=$folder/usher.yaml
  $server_script start server
  usher plan                       # change Mappings/acme.yaml first, and see what follows from it
  . server/server.env && ldapmodify -Q -Y EXTERNAL -H "\$LDAPI_URL" -f changes.ldif
  usher plan                       # somebody left, somebody was employed, somebody married
  usher sync
  $server_script stop server
The folder may be deleted when you are done: rm -r $folder
TEXT
