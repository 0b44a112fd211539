#!/usr/bin/env bash
# What happens to a host: the packages are installed on a Debian that has only Debian's own sources, and
# started by their init scripts, reloaded, upgraded while they run, removed and purged.
# usage: lifecycle_test.sh OLD_DEBS NEW_DEBS NEW_VERSION   (folders; as root)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=/dev/null
. "$here/root.sh"
old=$1 new=$2 version=$3
[ "$(id -u)" -eq 0 ] || { echo "lifecycle_test: run as root: it makes a root of its own" >&2; exit 3; }

work=$(mktemp -d /tmp/lp-lifecycle.XXXXXX)
trap 'rm -rf --one-file-system "$work"' EXIT
root=$work/root
make_root "$root"
mkdir -p "$root/debs/old" "$root/debs/new"
cp "$old"/*.deb "$root/debs/old/"
cp "$new"/*.deb "$root/debs/new/"
cp "$here/lifecycle_inside.sh" "$root/debs/"
enter online "$root" sh -ec '
    apt-get update -q >/debs/apt.log 2>&1 || { cat /debs/apt.log; exit 1; }
    # An init of the old kind: without any, invoke-rc.d starts nothing.
    apt-get install -q -y --no-install-recommends sysvinit-core /debs/old/linkpilot*.deb /debs/old/liblinkpilot-routes0*.deb \
        >>/debs/apt.log 2>&1 || { tail -n 30 /debs/apt.log; exit 1; }
    grep -iE "linkpilot.*(warning|error|failed)" /debs/apt.log && exit 1
    exit 0'
enter alone "$root" bash /debs/lifecycle_inside.sh "$version"
