#!/bin/bash
# Installs what the tests need and is missing: directory servers, two libraries, and what breaks system calls.
set -euo pipefail
packages=$(realpath -- "$(dirname -- "$0")/../Deploy/packages.sh")

"$packages" libldap2-dev libsqlite3-dev slapd ldap-utils openssl strace \
  389-ds-base samba samba-dsdb-modules samba-vfs-modules winbind ldb-tools python3-samba \
  samba-ad-provision python3-yaml python3-jsonschema krb5-user libsasl2-modules libsasl2-modules-gssapi-mit
command -v python3 > /dev/null || "$packages" python3
