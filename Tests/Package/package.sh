#!/bin/bash
# The Debian package from build to purge: lints it, installs it in a fresh Debian, syncs 2,000 people there as the service's
# account, upgrades it with everything in place, and looks for what a purge leaves behind; without systemd and with it.
#
#   package.sh [--binary FILE]
#
# As root. What it makes is in one temporary folder, which goes at the end; what it mounts, nobody else sees.
set -euo pipefail
umask 022

release=bookworm
root=$(realpath -- "$(dirname -- "$0")/../..")
build=("$root/Deploy/debian/build.sh")
case "${1:-} $#" in
  ' 0') ;;
  '--binary 2') build+=(--binary "$(realpath -- "$2")") ;;
  *)
    echo "usage: package.sh [--binary FILE]" >&2
    exit 64
    ;;
esac

fail() {
  echo "package.sh: $*" >&2
  exit 1
}

say() {
  printf '\n== %s\n' "$*"
}

[ "$(id -u)" = 0 ] || fail "only root can install a package; sudo $0 $*"
"$root/Deploy/packages.sh" debootstrap lintian dpkg-dev binutils systemd man-db mandoc zsh fish
command -v python3 > /dev/null || "$root/Deploy/packages.sh" python3

work=$(mktemp -d "${TMPDIR:-/tmp}/usher-package.XXXXXX")
system=$work/system
bootstrap=
finish() {
  local code=$?
  trap - EXIT
  [ -z "$bootstrap" ] || kill "$bootstrap" 2> /dev/null || true
  wait
  rm -rf --one-file-system "$work"
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# A Debian, in the background, from where apt gets this machine's

mirror=$(apt-get indextargets --format "\$(CODENAME) \$(ORIGIN) \$(REPO_URI)" 'Created-By: Packages' \
  | sed -n "s/^$release Debian //p" | head -n 1)
[ -n "$mirror" ] || fail "apt knows no mirror of Debian $release"
unshare --mount debootstrap --variant=minbase "$release" "$system" "$mirror" > "$work/debootstrap" 2>&1 &
bootstrap=$!

# The packages

say "Two versions of the package"
export DPKG_DEB_COMPRESSOR_LEVEL=1 # quickly
package=$("${build[@]}" --output "$work")
version=$(dpkg-deb -f "$package" Version)
newer=${version%-*}-$((${version##*-} + 1))
upgrade=$("${build[@]}" --output "$work" --version "$newer")
dpkg-deb --info "$package"
dpkg-deb --extract "$package" "$work/tree"

say "Its form"
lintian --fail-on error,warning --allow-root --tag-display-limit 0 "$package"
for page in "$work"/tree/usr/share/man/man1/*.gz; do
  zcat "$page" > "$work/page.1"
  mandoc -T lint -W warning "$work/page.1" || fail "${page##*/} is no good manual page"
  [ -z "$(man --warnings --local-file "$work/page.1" 2>&1 > /dev/null)" ] || fail "man warns of ${page##*/}"
done
"$work/tree/usr/bin/usher" --experimental-dump-help > "$work/help.json"
commands=$(python3 -c 'import json, sys
for command in json.load(sys.stdin)["command"]["subcommands"]: print(command["commandName"])' < "$work/help.json")
for command in $commands; do
  [ -e "$work/tree/usr/share/man/man1/usher-$command.1.gz" ] || fail "usher-$command(1) is missing"
done
bash -n "$work/tree/usr/share/bash-completion/completions/usher"
zsh -n "$work/tree/usr/share/zsh/vendor-completions/_usher"
fish --no-execute "$work/tree/usr/share/fish/vendor_completions.d/usher.fish"
for unit in usher.service usher-serve.service; do
  systemd-analyze security --no-pager --offline=yes --threshold=20 \
    "$work/tree/lib/systemd/system/$unit" > "$work/security" || fail "$unit is exposed: $(tail -n 1 "$work/security")"
  tail -n 1 "$work/security"
done

# The Debian

say "A fresh Debian $release"
wait "$bootstrap" || fail "debootstrap: $(tail -n 3 "$work/debootstrap")"
bootstrap=
apt-config dump Acquire > "$system/etc/apt/apt.conf.d/90acquire" # such as a proxy
mkdir "$system/packages"
ln "$package" "$upgrade" "$system/packages"
python3 "$root/Deploy/company.py" --bind-password-file <(echo unused) > "$system/packages/company.ldif"

inside() {
  unshare --mount --pid --fork --kill-child --mount-proc="$system/proc" chroot "$system" \
    /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
    DEBIAN_FRONTEND=noninteractive "$@" < /dev/null
}

# run COMMAND: shows a line of shell, and what it prints; that stays in $work/output.
run() {
  printf '# %s\n' "$1"
  inside sh -c "$1" 2>&1 | tee "$work/output"
}

# has FILE TYPE+MODE OWNER:GROUP
has() {
  local found
  found=$(inside stat -c '%A %U:%G' "$1") || fail "$1 is missing"
  [ "$found" = "$2 $3" ] || fail "$1 is $found, not $2 $3"
}

lacks() {
  local path
  for path in "$@"; do
    if [ -e "$system$path" ] || [ -L "$system$path" ]; then fail "$path is there"; fi
  done
}

prints() {
  grep -qE -- "$1" "$work/output" || fail "\"$1\" is not in what it printed"
}

# What a package that was purged may not have changed; what lives till the next boot, and caches and backups of apt, dpkg
# and passwd, aside.
snapshot() {
  (cd "$system" && find . -xdev \( -path ./proc -o -path ./var/lib/dpkg -o -path ./var/lib/apt \
    -o -path ./var/cache -o -path ./var/log -o -path ./packages -o -path ./run \) -prune -o ! -name '*-' -printf '%p %M %U %G\n') | sort
}

left() {
  diff "$work/before" <(snapshot) | sed -n 's/^[<>] \.//p' | cut -d ' ' -f 1 | sort -u
}

installed() {
  has /usr/bin/usher -rwxr-xr-x root:root
  has /etc/usher drwxr-x--- root:usher
  has /var/lib/usher drwx------ usher:usher
  for unit in usher.service usher.timer usher-serve.service; do
    has "/lib/systemd/system/$unit" -rw-r--r-- root:root
    cmp "$root/Deploy/systemd/$unit" "$system/lib/systemd/system/$unit"
  done
  [ "$(inside getent passwd usher | cut -d : -f 6,7)" = /var/lib/usher:/usr/sbin/nologin ] || fail "the account is another"
  [ "$(inside id -u usher)" -lt 1000 ] || fail "the account is no system account"
  [ "$(inside id -Gn usher)" = usher ] || fail "the account is in other groups"
  [ -z "$(inside dpkg --verify usher)" ] || fail "files are not as packaged"
  ! inside ldd /usr/bin/usher | grep "not found" || fail "libraries are missing"
}

say "Installing it, where there is no systemd"
inside apt-get -q update > "$work/apt" 2>&1 || fail "apt-get: $(cat "$work/apt")"
inside apt-get -qy --no-install-recommends satisfy "$(dpkg-deb -f "$package" Depends)" > "$work/apt" 2>&1 \
  || fail "apt-get: $(cat "$work/apt")"
snapshot > "$work/before"
run "dpkg -i /packages/${package##*/}"
installed
[ -z "$(ls -A "$system/etc/usher")" ] || fail "the package put something into /etc/usher"
run "find /etc/systemd -name '*usher*'"
[ ! -s "$work/output" ] || fail "the package enabled something"
run "usher --version"
prints "^${version%-*}$"

say "To the first sync"
examples=/usr/share/doc/usher/examples
run "cp $examples/quickstart/*.yaml /packages/company.ldif /etc/usher"
run "cd /etc/usher && sed -i '/^    url:/,/^    timeout:/d; s|sqlite:usher.db|sqlite:/var/lib/usher/usher.db|; s|Mappings/acme.yaml|acme.yaml|' usher.yaml"
run "echo '    ldif: company.ldif' >> /etc/usher/usher.yaml && chown usher: /etc/usher/*"
run "runuser -u usher -- usher check"
prints "in order: 9 rules"
run "runuser -u usher -- usher sync --quiet"
run "runuser -u usher -- usher list users | head -n 5"
prints "ada.lindqvist@acme.example"
run "runuser -u usher -- usher list licenses"
run "runuser -u usher -- usher sync > /dev/null"
prints "nothing was changed"
inside runuser -u usher -- usher export --format csv > "$work/accounts"
[ "$(wc -l < "$work/accounts")" -gt 1900 ] || fail "the site has few accounts"

say "The next version keeps configuration and site"
sums() {
  inside sh -c 'sha256sum /etc/usher/* /var/lib/usher/*'
}
sums > "$work/sums"
run "dpkg -i /packages/${upgrade##*/}"
sums | cmp - "$work/sums" || fail "the upgrade changed something"
run "dpkg-query -W usher"
prints "$newer$"
installed
run "runuser -u usher -- usher sync > /dev/null"
prints "nothing was changed"
inside runuser -u usher -- usher export --format csv | cmp - "$work/accounts"

say "Removed, then purged: the site stays"
run "dpkg -r usher"
lacks /usr/bin/usher /lib/systemd/system/usher.service /usr/share/man/man1/usher.1.gz
[ -e "$system/etc/usher/usher.yaml" ] || fail "the configuration is gone before the purge"
run "dpkg -P usher"
prints "site in /var/lib/usher was kept"
lacks /etc/usher
[ "$(left | grep -v '^/var/lib/usher/usher\.db')" = /var/lib/usher ] || fail "the purge leaves, or takes, $(left)"
[ -s "$system/var/lib/usher/usher.db" ] || fail "the purge took the site"
run "rm -r /var/lib/usher && deluser --quiet --system usher"

say "The same with systemd"
inside apt-get -qy --no-install-recommends install systemd > "$work/apt" 2>&1 || fail "apt-get: $(cat "$work/apt")"
snapshot > "$work/before"
run "dpkg -i /packages/${package##*/}"
installed
run "systemd-analyze verify --man=no usher.service usher.timer usher-serve.service"
[ ! -s "$work/output" ] || fail "systemd finds fault with the units"
run "systemctl preset usher.timer usher-serve.service; systemctl is-enabled usher.timer usher-serve.service || true"
[ "$(grep -cx disabled "$work/output")" = 2 ] || fail "a preset enables what nobody asked for"
run "systemctl enable usher.timer"
run "dpkg -i /packages/${upgrade##*/}"
! grep "both usher" "$work/output" || fail "it warns without a reason"
run "systemctl is-enabled usher.timer"
prints "^enabled$"
run "systemctl enable usher-serve.service"
run "dpkg -i /packages/${upgrade##*/}"
prints "both usher.timer and usher-serve.service are enabled"
installed
run "dpkg -r usher"
run "dpkg -P usher"
[ -z "$(left)" ] || fail "the purge leaves, or takes, $(left)"

say "All is well"
