#!/usr/bin/env bash
# Makes the tarball of the agent for hosts that are not Debian: programs, libraries and the loader that
# starts them. usage: bundle.sh BUILD_DIR OUT_DIR VERSION   ($SOURCE_DATE_EPOCH set); prints the file
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$1" && pwd) out=$(cd "$2" && pwd) version=$3
name=linkpilot-agent-$version-$(uname -m)-bundled
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
top=$work/$name
mkdir -p "$top"/{bin,lib,libexec,licences,systemd} "$work/installed"

for component in agent cli; do
    DESTDIR=$work/installed cmake --install "$build" --component $component --strip --prefix /usr >/dev/null
done
loader=/lib64/ld-linux-x86-64.so.2
for program in linkpilot-agent linkpilot; do
    cp "$work/installed/usr/bin/$program" "$top/libexec/"
    cat >"$top/bin/$program" <<END
#!/bin/sh
# Starts the program with the libraries beside it. A link to this file finds them, too.
self=\$0
while [ -h "\$self" ]; do
    link=\$(readlink "\$self")
    case \$link in
        /*) self=\$link ;;
        *) self=\${self%/*}/\$link ;;
    esac
done
case \$self in
    */*) top=\${self%/*}/.. ;;
    *) top=.. ;;
esac
exec "\$top/lib/${loader##*/}" --library-path "\$top/lib" --argv0 $program "\$top/libexec/$program" "\$@"
END
    chmod 755 "$top/bin/$program"
done

# Libraries by the names they are asked for; the packages they come from for versions and licences.
ldd "$top"/libexec/* | awk '$2 == "=>" && $3 ~ /^\// { print $1, $3 }' | sort -u >"$work/libraries"
cp -L "$loader" "$top/lib/"
while read -r soname path; do
    cp -L "$path" "$top/lib/$soname"
done <"$work/libraries"
{ echo "$loader"; cut -d' ' -f2 "$work/libraries"; } | while read -r path; do
    dpkg-query -S "$path" 2>/dev/null || dpkg-query -S "$(readlink -f "$path")" 2>/dev/null ||
        dpkg-query -S "/usr$path" 2>/dev/null || dpkg-query -S "${path#/usr}"
done | cut -d: -f1 | sort -u >"$work/packages"
while read -r package; do
    dpkg-query -W -f '${Package} ${Version}\n' "$package"
    cp -L "/usr/share/doc/$package/copyright" "$top/licences/$package"
done <"$work/packages" >"$top/libraries.txt"

cp "$here/README.tarball" "$top/README"
cp "$here/../../../LICENSE" "$top/licences/linkpilot"
cp -R "$work/installed/usr/share" "$top/share"
sed 's,/usr/bin/,/opt/linkpilot-agent/bin/,' "$work/installed/lib/systemd/system/linkpilot-agent.service" \
    >"$top/systemd/linkpilot-agent.service"
find "$top" -type f ! -perm -u=x -exec chmod 644 {} +
chmod 755 "$top/lib/${loader##*/}"
tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" \
    --format=gnu -cf - "$name" | xz -6 -T1 >"$out/$name.tar.xz"
echo "$out/$name.tar.xz"
