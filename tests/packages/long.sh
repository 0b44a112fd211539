#!/usr/bin/env bash
# What tools/test --long asks of the packages: lintian finds nothing, the same commit compiled anew in another
# folder gives the same octets, a host lives through install, upgrade, removal and purge, the tarball runs where there is
# nothing else, and the daemons ask the kernel for no more than their units allow. As root; needs Debian's mirror.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d /tmp/lp-packages.XXXXXX)
trap 'rm -rf "$work"' EXIT

next=$(sed -n 's/^set(LINKPILOT_VERSION \([0-9]*\.[0-9]*\)\.\([0-9]*\) .*/\1 \2/p' CMakeLists.txt |
    while read -r minor patch; do echo "$minor.$((patch + 1))"; done)
tools/package --version "$next" --out "$work/new"
tools/package --check --out "$work/old"
tarball=$(echo "$work"/old/*-bundled.tar.xz)
version=$(dpkg-deb -f "$work"/old/linkpilot-agent_*.deb Version)

git clone -q . "$work/elsewhere"
# Without the compiler's cache: it would hand out the objects of the first build.
CCACHE_DISABLE=1 SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) "$work/elsewhere/tools/package" --out "$work/again"
for file in "$work"/old/*; do
    cmp "$file" "$work/again/${file##*/}"
done
echo "packages: compiled twice, in two folders, the same octets"

collector=$PWD/build/package/collector/linkpilot-collector
tests/packages/lifecycle_test.sh "$work/old" "$work/new" "$next"
tests/packages/tarball_test.sh "$tarball" "$collector" "$version"
tests/packages/syscalls_test.py build/package/agent/linkpilot-agent "$collector" \
    build/package/tools/linkpilot/linkpilot .
