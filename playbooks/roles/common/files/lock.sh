#!/bin/sh
# The lock of a fleet: a file that appears whole, with one line that says who holds it.
#   lock.sh FILE take LINE           "taken", or "held", its age in seconds and its line
#   lock.sh FILE replace LINE OLD    the same, but a lock whose line is OLD goes first
#   lock.sh FILE release LINE        gives it back, if it is ours
set -eu
file=$1 verb=$2 line=$3 old=${4:-}

if [ "$verb" = release ]; then
    if [ "$(cat "$file" 2>/dev/null)" = "$line" ]; then rm -f "$file"; fi
    exit 0
fi
if [ "$verb" = replace ] && [ "$(cat "$file" 2>/dev/null)" = "$old" ]; then rm -f "$file"; fi
new=$(mktemp "$file.XXXXXX")
printf '%s\n' "$line" >"$new"
chmod 644 "$new"
if ln "$new" "$file" 2>/dev/null; then
    rm -f "$new"
    echo taken
    exit 0
fi
rm -f "$new"
echo held
since=$(stat -c %Y "$file" 2>/dev/null || date +%s)
echo $(($(date +%s) - since))
cat "$file" 2>/dev/null || echo "nobody@nowhere 0:0 now"
