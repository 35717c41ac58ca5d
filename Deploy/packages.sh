#!/bin/bash
# Installs those of the named Debian packages that are missing; as root, or through sudo.
#
#   packages.sh PACKAGE...
#
# Debian starts a server as soon as its package is installed. Here none is started: a temporary
# policy-rc.d forbids it, and slapd is told not to make a directory of its own.
set -euo pipefail

missing=()
for package in "$@"; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2> /dev/null || true)
  [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if ! command -v apt-get > /dev/null; then
  echo "packages.sh: no apt-get here; please install by other means: ${missing[*]}" >&2
  exit 1
fi
if [ "$(id -u)" != 0 ]; then
  if ! command -v sudo > /dev/null; then
    echo "packages.sh: run this as root, or install: ${missing[*]}" >&2
    exit 1
  fi
  exec sudo -- "$(realpath -- "$0")" "${missing[@]}"
fi

echo "Installing ${missing[*]}"
exec 9> /run/usher-packages.lock
flock 9 # one at a time: two would restore each other's policy

policy=/usr/sbin/policy-rc.d
saved=$policy.before-usher
restore() {
  if [ -e "$saved" ]; then mv -f "$saved" "$policy"; else rm -f "$policy"; fi
}
trap restore EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
if [ -e "$policy" ] && ! grep -q "^# Usher's" "$policy"; then mv -f "$policy" "$saved"; fi
printf '%s\n' '#!/bin/sh' "# Usher's, while packages are being installed" 'exit 101' > "$policy"
chmod 755 "$policy"

export DEBIAN_FRONTEND=noninteractive
options=(-y -q -o DPkg::Lock::Timeout=600 --no-install-recommends)
for package in "${missing[@]}"; do
  [ "$package" != slapd ] \
    || echo "slapd slapd/no_configuration boolean true" | debconf-set-selections
done
apt-get "${options[@]}" update 9>&- || echo "packages.sh: package lists as they were" >&2
apt-get "${options[@]}" install "${missing[@]}" 9>&-
