#!/bin/bash
# The console and its API from outside: in Chromium, by a fuzzer, and what people are told by mail and webhook.
#
#   run.sh USHER
#
# Installs Chromium from Debian and two Python packages into .build/console-python.
set -euo pipefail
here=$(realpath -- "$(dirname -- "$0")")
root=$(realpath -- "$here/../..")
usher=$(realpath -- "$1")

"$root/Deploy/packages.sh" chromium
command -v python3 > /dev/null || "$root/Deploy/packages.sh" python3
python3 -c 'import ensurepip' 2> /dev/null || "$root/Deploy/packages.sh" python3-venv
python=$root/.build/console-python
[ -x "$python/bin/st" ] || {
  python3 -m venv "$python"
  "$python/bin/pip" install --quiet playwright==1.65.2 axe-playwright-python==0.1.8 schemathesis==4.32.5
}

"$python/bin/python" "$here/notices.py" "$usher"
"$python/bin/python" "$here/sign_in.py" "$usher"
"$python/bin/python" "$here/api.py" "$usher"
"$python/bin/python" "$here/browser.py" "$usher" --output "$root/.build/console"
