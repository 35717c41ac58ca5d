#!/bin/bash
# Installs what the tests need and is missing: a directory server and two libraries.
set -euo pipefail
packages=$(realpath -- "$(dirname -- "$0")/../Deploy/packages.sh")

"$packages" libldap2-dev libsqlite3-dev slapd ldap-utils openssl
command -v python3 > /dev/null || "$packages" python3
