#!/usr/bin/env bash
# The tarball of the agent on a host that has nothing: a chroot with the tarball and busybox. There it says
# its version, checks a configuration, and reports to a collector until that acknowledges.
# usage: tarball_test.sh TARBALL COLLECTOR_PROGRAM VERSION   (as root)
set -euo pipefail
tarball=$1 collector=$2 version=$3
[ "$(id -u)" -eq 0 ] || { echo "tarball_test: run as root: it changes the root directory" >&2; exit 3; }
if [ "${4:-}" != inside ]; then
    exec unshare --net --pid --fork --kill-child "$0" "$tarball" "$collector" "$version" inside
fi
ip link set lo up

work=$(mktemp -d /tmp/lp-tarball.XXXXXX)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root"/{bin,etc,opt,state,dev}
cp "$(command -v busybox)" "$root/bin/busybox"
for tool in sh readlink cat; do ln -s busybox "$root/bin/$tool"; done
tar -C "$root/opt" --no-same-owner -xJf "$tarball"
mv "$root"/opt/linkpilot-agent-* "$root/opt/linkpilot-agent"
ln -s ../opt/linkpilot-agent/bin/linkpilot-agent "$root/bin/linkpilot-agent"
file "$root/bin/busybox" | grep -q 'statically linked'
for gone in lib lib64 usr; do [ ! -e "$root/$gone" ]; done

is() { [ "$2" = "$3" ] || { echo "tarball: $1 is '$3', not '$2'" >&2; exit 1; }; }
is "the agent's version" "linkpilot-agent $version" "$(chroot "$root" /opt/linkpilot-agent/bin/linkpilot-agent --version)"
is "the same through a link" "linkpilot-agent $version" "$(chroot "$root" /bin/linkpilot-agent --version)"
is "the same from its folder" "linkpilot-agent $version" \
    "$(chroot "$root" /bin/sh -c 'cd /opt/linkpilot-agent/bin && ./linkpilot-agent --version')"
is "the command line's version" "linkpilot $version" "$(chroot "$root" /opt/linkpilot-agent/bin/linkpilot --version)"

"$collector" --init "$work/collector" >/dev/null
sed -i 's,0.0.0.0:7100,127.0.0.1:7100,' "$work/collector/collector.toml"
"$collector" --config "$work/collector/collector.toml" >"$work/collector.log" 2>&1 &
cp "$work"/collector/{collector,routes}.key.pub "$root/etc/"
chroot "$root" /opt/linkpilot-agent/bin/linkpilot keys new /etc/agent.key >/dev/null 2>&1
cp "$root/etc/agent.key.pub" "$work/collector/enrolled/bare.pub"
cat >"$root/etc/agent.toml" <<END
node = { name = "bare", state_directory = "/state" }
ports = [{ listen = "127.0.0.1" }]
collector = { connect = ["tcp://127.0.0.1:7100"], public_key_file = "/etc/collector.key.pub", key_file = "/etc/agent.key" }
routes = { signer_public_key_files = ["/etc/routes.key.pub"] }
END
chroot "$root" /bin/linkpilot-agent --config /etc/agent.toml --check-config
chroot "$root" /bin/linkpilot-agent --config /etc/agent.toml >"$work/agent.log" 2>&1 &
agent=$!
for _ in $(seq 100); do
    if grep -q first_report_acknowledged "$work/agent.log"; then
        kill -TERM $agent
        wait $agent
        echo "tarball: reports from a host that has nothing else"
        exit 0
    fi
    sleep 0.1
done
cat "$work/agent.log" "$work/collector.log" >&2
echo "tarball: no report was acknowledged" >&2
exit 1
