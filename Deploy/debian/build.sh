#!/bin/bash
# Builds the Debian package usher_VERSION_ARCH.deb with plain dpkg-deb, and prints its path.
#
#   build.sh [--version V] [--output FOLDER] [--binary FILE]
#
#   --version V      the package's version with its Debian revision; otherwise that of `usher --version` and -1
#   --output FOLDER  where the package goes; otherwise the current folder
#   --binary FILE    an usher that is built already; otherwise one is built, with the Swift runtime in it
#
# Installs what it needs of dpkg-dev, binutils and chrpath. The same sources give the same package: dates are the last commit's.
set -euo pipefail
umask 022

here=$(realpath -- "$(dirname -- "$0")")
root=$(realpath -- "$here/../..")
version='' output=. binary=

fail() {
  echo "build.sh: $*" >&2
  exit 1
}

while [ $# -gt 0 ]; do
  case "$1" in
    --version | --output | --binary)
      [ $# -ge 2 ] || fail "$1 wants a value"
      declare "${1#--}=$2"
      shift 2
      ;;
    *) fail "usage: build.sh [--version V] [--output FOLDER] [--binary FILE]" ;;
  esac
done
mkdir -p "$output"

"$root/Deploy/packages.sh" dpkg-dev binutils chrpath >&2
command -v python3 > /dev/null || "$root/Deploy/packages.sh" python3 >&2
if [ -z "$binary" ]; then
  build=(swift build --package-path "$root" -c release --static-swift-stdlib --product usher
    --scratch-path "$root/.build-debian")
  "${build[@]}" >&2
  binary=$("${build[@]}" --show-bin-path)/usher
fi
binary=$(realpath -- "$binary")
[ -x "$binary" ] || fail "$binary is no program"
[ -n "$version" ] || version=$("$binary" --version)-1
architecture=$(dpkg --print-architecture)
[ -n "${SOURCE_DATE_EPOCH:-}" ] || SOURCE_DATE_EPOCH=$(git -C "$root" log -1 --format=%ct 2> /dev/null) \
  || SOURCE_DATE_EPOCH=$(stat -c %Y "$root/README.md")
export SOURCE_DATE_EPOCH

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/debian/usher # where dpkg-shlibdeps expects it
doc=usr/share/doc/usher

# put MODE TARGET FILE...: a target that ends with / is a folder.
put() {
  local mode=$1 target=$tree/$2
  shift 2
  if [ "${target%/}" = "$target" ]; then mkdir -p "${target%/*}"; else mkdir -p "$target"; fi
  install -m "$mode" "$@" "$target"
}

# The program, and what is made from it

put 755 usr/bin/usher "$binary"
strip --strip-unneeded --remove-section=.comment --remove-section=.note "$tree/usr/bin/usher"
chrpath --delete "$tree/usr/bin/usher" > /dev/null # SwiftPM's: the folder of the program
mkdir -p "$tree/usr/share/man/man1"
"$binary" --experimental-dump-help > "$work/help.json"
"$here/man.py" --version "$("$binary" --version)" --readme "$root/README.md" "$work/help.json" \
  "$tree/usr/share/man/man1"
gzip -9n "$tree"/usr/share/man/man1/*
while read -r shell file; do
  "$binary" --generate-completion-script "$shell" > "$work/completion"
  sed -i '1{/^#!/d}' "$work/completion" # it is read, not run
  put 644 "usr/share/$file" "$work/completion"
done << 'LIST'
bash bash-completion/completions/usher
zsh zsh/vendor-completions/_usher
fish fish/vendor_completions.d/usher.fish
LIST

# The service

put 644 lib/systemd/system/ "$root"/Deploy/systemd/*.service "$root"/Deploy/systemd/*.timer
put 644 lib/systemd/system-preset/50-usher.preset "$here/usher.preset"
put 644 usr/lib/sysusers.d/usher.conf "$here/usher.sysusers"
put 644 usr/lib/tmpfiles.d/usher.conf "$here/usher.tmpfiles"

# Documentation

put 644 $doc/ "$here/copyright" "$here/README.Debian" "$root/README.md"
put 644 $doc/Deploy/ "$root"/Deploy/*.md
put 644 $doc/examples/Mappings/ "$root"/Mappings/*
put 644 $doc/examples/quickstart/ "$root"/Deploy/quickstart/*.yaml
put 644 $doc/examples/prometheus/ "$root"/Deploy/prometheus/*
put 644 $doc/examples/cron/ "$root"/Deploy/cron/*
[ ! -d "$root/Deploy/schemas" ] || put 644 $doc/examples/schemas/ "$root"/Deploy/schemas/*
put 644 usr/share/lintian/overrides/usher "$here/lintian-overrides"
maintainer="${DEBFULLNAME:-The Usher maintainers} <${DEBEMAIL:-maintainers@usher.example}>"
cat > "$work/changelog.Debian" << TEXT
usher ($version) unstable; urgency=medium

  * Usher $("$binary" --version).

 -- $maintainer  $(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")
TEXT
gzip -9n "$work/changelog.Debian"
put 644 $doc/ "$work/changelog.Debian.gz"

# The package

mkdir "$tree/DEBIAN"
printf 'Source: usher\n\nPackage: usher\nArchitecture: any\n' > "$work/debian/control"
libraries=$(cd "$work" && dpkg-shlibdeps -O --warnings=1 "$tree/usr/bin/usher") \
  || fail "not all libraries of $binary are Debian's: was it built with --static-swift-stdlib?"
size=$(du -ks --apparent-size "$tree" | cut -f 1)
for script in postinst prerm postrm; do put 755 DEBIAN/ "$here/$script"; done
(cd "$tree" && find usr lib -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum) > "$work/md5sums"
cat > "$work/control" << TEXT
Package: usher
Version: $version
Architecture: $architecture
Maintainer: $maintainer
Installed-Size: $size
Depends: ${libraries#shlibs:Depends=}, systemd | systemd-standalone-sysusers | adduser
Recommends: ca-certificates
Suggests: libsasl2-modules-gssapi-mit, prometheus-node-exporter
Section: admin
Priority: optional
Description: seats everyone in an LDAP directory on a service-desk site
 Usher reads people and groups from an LDAP directory, works out from a mapping
 file who should have which account, licenses and groups on a service-desk
 site, shows the difference as a plan, and applies it, once or on a schedule.
 .
 It reads OpenLDAP, 389 Directory Server, FreeIPA and Active Directory.
TEXT
put 644 DEBIAN/ "$work/control" "$work/md5sums"
package=$output/usher_${version#*:}_$architecture.deb
dpkg-deb --root-owner-group --build "$tree" "$package" > /dev/null
echo "$package"
