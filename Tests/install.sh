#!/bin/bash
# Installs what the tests need and is missing: a directory server two libraries, and what breaks system calls.
set -euo pipefail
packages=$(realpath -- "$(dirname -- "$0")/../Deploy/packages.sh")

"$packages" libldap2-dev libsqlite3-dev slapd ldap-utils openssl strace
command -v python3 > /dev/null || "$packages" python3
