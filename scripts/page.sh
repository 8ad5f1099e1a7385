#!/usr/bin/env bash
# Tries the page: its licences, its types, its pure parts, and then the whole in Debian's Chromium,
# against real masters and agents with real containers.
#
#   scripts/page.sh [arguments of `playwright test`]
#
# Exit code 3: npm or Chromium is not to be had.

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

# A tab has 25 s at the least; what hangs is not to be waited for by the hour.
TESTS_SECONDS_MAX=1200

command -v npm >/dev/null || die "npm is needed for the tests of the page" "scripts/setup.sh test installs it on Debian and Ubuntu"
# As web/build.rs has it: with an older one there is no page to try, which no package of an older Debian mends.
if ! node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)'; then
    note "the page is NOT tried: Node $(node --version) is older than 20.19"
    exit 0
fi
chromium=${ENCLOS_CHROMIUM:-/usr/bin/chromium}
[ -x "$chromium" ] || die "no Chromium at $chromium" "scripts/setup.sh test installs it on Debian and Ubuntu"

say "page: packages"
# Only when the lock file is another than that of what is installed.
stamp=web/node_modules/.enclos-lock
lock=$(sha256sum web/package-lock.json | cut -d' ' -f1)
if [ "$(cat "$stamp" 2>/dev/null || true)" != "$lock" ]; then
    npm --prefix web ci --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null
    echo "$lock" >"$stamp"
fi
npm --prefix web run --silent licences

say "page: types and pure parts"
npm --prefix web run --silent check
npm --prefix web run --silent test

say "page: in a browser"
cargo build --quiet --workspace --bins
if ! grep -qa 'assets/RunPage-' "$target_dir/debug/enclos"; then
    die "the programs were built without the page" "'cargo build' says why in a warning"
fi
cd web
ENCLOS_PROGRAMS=$target_dir/debug ENCLOS_CHROMIUM=$chromium timeout "$TESTS_SECONDS_MAX" npx --no-install playwright test "$@" </dev/null
