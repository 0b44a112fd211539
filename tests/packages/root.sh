# shellcheck shell=bash
# A Debian root that has nothing but Debian's own packages, to install ours into. Source it, as root.
#
#   make_root DIR              a fresh minimal one, from a copy kept in $LINKPILOT_ROOTS
#   enter online DIR CMD...    runs CMD in it, with the machine's network
#   enter alone DIR CMD...     ... with a loopback of its own; what CMD started ends with it
#
# Mounts are made in a namespace of the call: nothing is left to unmount, DIR may simply be removed.

roots=${LINKPILOT_ROOTS:-/var/cache/linkpilot/roots}
suite=bookworm
mirror=${LINKPILOT_MIRROR:-http://deb.debian.org/debian}

make_root() {
    local root=$1 fresh
    mkdir -p "$roots/archives/partial"
    if [ ! -e "$roots/$suite.tar" ]; then
        fresh=$(mktemp -d "$roots/fresh.XXXXXX")
        if ! debootstrap --variant=minbase "$suite" "$fresh" "$mirror" >"$fresh.log" 2>&1; then
            tail -n 20 "$fresh.log" >&2
            rm -rf "$fresh" "$fresh.log"
            return 1
        fi
        printf 'deb %s-security %s-security main\n' "$mirror" "$suite" >>"$fresh/etc/apt/sources.list"
        tar -C "$fresh" --numeric-owner -cf "$roots/$suite.tar.part" .
        mv "$roots/$suite.tar.part" "$roots/$suite.tar"
        rm -rf "$fresh" "$fresh.log"
    fi
    mkdir -p "$root"
    tar -C "$root" --numeric-owner -xpf "$roots/$suite.tar"
    cp /etc/resolv.conf /etc/hosts "$root/etc/"
}

enter() {
    local network=() root=$2
    [ "$1" = alone ] && network=(--net)
    shift 2
    # shellcheck disable=SC2016 # expanded by the shell inside
    unshare --mount --pid --fork --kill-child "${network[@]}" bash -euc '
        root=$1 archives=$2
        shift 2
        mount -t proc proc "$root/proc"
        mount -t tmpfs -o mode=755 tmpfs "$root/run"
        mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
        mount --bind "$archives" "$root/var/cache/apt/archives"
        for device in null zero full random urandom; do
            : >"$root/dev/$device" 2>/dev/null || true
            mount --bind "/dev/$device" "$root/dev/$device"
        done
        ip link set lo up
        exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
            LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
    ' enter "$root" "$roots/archives" "$@"
}
