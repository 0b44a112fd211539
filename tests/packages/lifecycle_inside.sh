#!/usr/bin/env bash
# The part of lifecycle_test.sh that runs inside the root: see there. usage: lifecycle_inside.sh NEW_VERSION
set -euo pipefail
version=$1

fail() {
    echo "lifecycle: $*" >&2
    cat /tmp/out >&2 2>/dev/null || true
    tail -n 20 /var/log/linkpilot-*.log >&2 2>/dev/null || true
    exit 1
}
step() { echo "lifecycle: $1"; }
expect() {  # EXIT_CODE CMD...
    local want=$1 got=0
    shift
    "$@" >/tmp/out 2>&1 || got=$?
    [ "$got" -eq "$want" ] || { cat /tmp/out >&2; fail "'$*' ended with $got, not $want"; }
}
wait_for() {  # SECONDS WHAT CMD...
    local tries=$(($1 * 10)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || fail "waited in vain: $what"
        sleep 0.1
    done
}
is() {  # WHAT WANT GOT
    [ "$2" = "$3" ] || fail "$1 is '$3', not '$2'"
}
pid_of() { cat "/run/$1.pid"; }
running() {  # how many processes of ours, of this program
    local link count=0
    for link in /proc/[0-9]*/exe; do
        case "$(readlink "$link" 2>/dev/null || true)" in
            /usr/bin/"$1"*) count=$((count + 1)) ;;
        esac
    done
    echo $count
}

# What init would have written, utmp(5): the run level is 2. Without it invoke-rc.d starts nothing.
perl -e 'print pack("sx2lx376", 1, ord("N") * 256 + ord("2"))' >/run/utmp

step "what installing made"
is "owner of the agent's state" "linkpilot-agent:linkpilot-routes 750" "$(stat -c '%U:%G %a' /var/lib/linkpilot)"
is "owner of the collector's state" "linkpilot-collector:linkpilot-collector 750" \
    "$(stat -c '%U:%G %a' /var/lib/linkpilot-collector)"
is "the agent's groups" "linkpilot-agent" "$(id -Gn linkpilot-agent)"
is "the agent's shell" "/usr/sbin/nologin" "$(getent passwd linkpilot-agent | cut -d: -f7)"
is "daemons that run without a configuration" 0 "$(running linkpilot)"
for daemon in linkpilot-agent linkpilot-collector; do
    [ -L /etc/systemd/system/multi-user.target.wants/$daemon.service ] || fail "$daemon.service is not enabled"
    compgen -G "/etc/rc2.d/S*$daemon" >/dev/null || fail "$daemon is not enabled for init"
    expect 6 service $daemon start
    expect 3 service $daemon status
    expect 7 service $daemon reload
    expect 0 service $daemon stop
done

step "the first start, as README.Debian says"
linkpilot-collector --init /etc/linkpilot --state /var/lib/linkpilot-collector --user linkpilot-collector >/dev/null
expect 0 service linkpilot-collector start
linkpilot keys new /etc/linkpilot/agent.key >/dev/null 2>&1
chown linkpilot-agent: /etc/linkpilot/agent.key
export LINKPILOT_TOKEN_FILE=/etc/linkpilot/token
linkpilot agent enrol node-1 --file /etc/linkpilot/agent.key.pub --reason test >/dev/null
sed -e 's/"192.0.2.10"/"127.0.0.1"/' -e 's/192.0.2.1:7100/127.0.0.1:7100/' \
    -e 's,/etc/linkpilot/collector.pub,/etc/linkpilot/collector.key.pub,' \
    -e 's,/etc/linkpilot/routes.pub,/etc/linkpilot/routes.key.pub,' \
    /usr/share/doc/linkpilot-agent/examples/agent.toml >/etc/linkpilot/agent.toml
expect 0 runuser -u linkpilot-agent -- linkpilot-agent --check-config
expect 0 service linkpilot-agent start
expect 0 service linkpilot-agent start  # once is enough
is "agents" 1 "$(running linkpilot-agent)"
wait_for 20 "the first report" grep -q first_report_acknowledged /var/log/linkpilot-agent.log
for daemon in linkpilot-agent linkpilot-collector; do
    expect 0 service $daemon status
    is "user of $daemon" $daemon "$(stat -c %U /proc/"$(pid_of $daemon)")"
done

step "who may read the routes"
useradd media
adduser --quiet media linkpilot-routes
useradd stranger
expect 0 runuser -u media -- cat /var/lib/linkpilot/marks.bin
expect 2 runuser -u media -- ls /var/lib/linkpilot/spool
expect 1 runuser -u stranger -- cat /var/lib/linkpilot/marks.bin

step "reload"
expect 0 service linkpilot-agent reload
wait_for 5 "reloading" grep -q ' reloaded ' /var/log/linkpilot-agent.log
expect 0 service linkpilot-collector reload
before=$(pid_of linkpilot-agent)
echo 'nonsense = 1' >>/etc/linkpilot/agent.toml
expect 1 service linkpilot-agent reload
grep -q nonsense /tmp/out || fail "the mistake is not named"
expect 0 service linkpilot-agent status
is "the process after a refused reload" "$before" "$(pid_of linkpilot-agent)"
sed -i '/^nonsense/d' /etc/linkpilot/agent.toml

step "upgrade while both run"
collector_before=$(pid_of linkpilot-collector)
dpkg -i /debs/new/linkpilot-collector_*.deb /debs/new/linkpilot_*.deb /debs/new/liblinkpilot-routes0_*.deb \
    >/tmp/out 2>&1 || { cat /tmp/out; fail "upgrade"; }
is "the agent during the collector's upgrade" "$before" "$(pid_of linkpilot-agent)"
acknowledged=$(grep -c first_report_acknowledged /var/log/linkpilot-agent.log)
dpkg -i /debs/new/linkpilot-agent_*.deb >/tmp/out 2>&1 || { cat /tmp/out; fail "upgrade"; }
[ "$before" != "$(pid_of linkpilot-agent)" ] || fail "the old agent still runs"
[ "$collector_before" != "$(pid_of linkpilot-collector)" ] || fail "the old collector still runs"
is "agents" 1 "$(running linkpilot-agent)"
for program in linkpilot-agent linkpilot-collector linkpilot; do
    is "version of $program" "$program $version" "$($program --version)"
    is "version of its package" "$version" "$(dpkg-query -W -f '${Version}' $program)"
done
reports_again() { [ "$(grep -c first_report_acknowledged /var/log/linkpilot-agent.log)" -gt "$acknowledged" ]; }
wait_for 20 "a report of the new agent" reports_again
linkpilot agent list | grep -q node-1 || fail "the collector forgot its node"

step "back to the version before"
dpkg -i /debs/old/linkpilot-agent_*.deb >/tmp/out 2>&1 || { cat /tmp/out; fail "downgrade"; }
acknowledged=$((acknowledged + 1))
wait_for 20 "a report of the old agent" reports_again

step "a crash leaves nothing in the way"
kill -KILL "$(pid_of linkpilot-agent)"
gone() { [ "$(running linkpilot-agent)" -eq 0 ]; }
wait_for 5 "the end of the agent" gone
expect 1 service linkpilot-agent status
expect 0 service linkpilot-agent start
expect 0 service linkpilot-agent restart

step "remove"
apt-get remove -q -y linkpilot-agent linkpilot-collector >/tmp/out 2>&1 || { cat /tmp/out; fail "remove"; }
is "daemons that still run" 0 "$(running linkpilot)"
[ -e /etc/linkpilot/agent.key ] || fail "removing deleted the key"
[ -d /var/lib/linkpilot/spool ] || fail "removing deleted the state"
expect 0 /etc/init.d/linkpilot-agent start

step "purge the agent: the collector's are kept"
apt-get purge -q -y linkpilot-agent >/tmp/out 2>&1 || { cat /tmp/out; fail "purge"; }
[ ! -e /etc/linkpilot/agent.toml ] || fail "the agent left its configuration"
[ ! -e /var/lib/linkpilot ] || fail "the agent left its state"
[ -e /etc/linkpilot/collector.key.pub ] || fail "the collector's key is gone"
getent group linkpilot-routes >/dev/null || fail "the group is gone although a media server is in it"
gpasswd -d media linkpilot-routes >/dev/null 2>&1
groupdel linkpilot-routes

step "purge the rest: nothing is left"
apt-get purge -q -y linkpilot-collector linkpilot liblinkpilot-routes0 >/tmp/out 2>&1 || { cat /tmp/out; fail "purge"; }
rm -rf /debs/old /debs/new
left=$(find / -xdev -not -path '/proc/*' -not -path '/tmp/*' -iname '*linkpilot*' 2>/dev/null || true)
is "what is left" "" "$left"
left=$(grep -rIl linkpilot /etc /var/lib/systemd /var/lib/dpkg/info /var/lib/dpkg/status /var/lib/dpkg/triggers 2>/dev/null |
    grep -vE '^/etc/g?(passwd|shadow|group)-$' || true)  # those: what was before the last change
is "what still speaks of it" "" "$left"
echo "lifecycle: all of it held"
