#!/usr/bin/env bash
# Runs every libFuzzer target for some seconds over a copy of its kept corpus.
#   tests/fuzz/run_all.sh BUILD_FOLDER SECONDS
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${1:?usage: tests/fuzz/run_all.sh BUILD_FOLDER SECONDS}
seconds=${2:?usage: tests/fuzz/run_all.sh BUILD_FOLDER SECONDS}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ran=0
for corpus in tests/fuzz/corpus/*/; do
    name=$(basename "$corpus")
    target=$(find "$build/tests/fuzz" -type f -name "$name" -perm -u+x | head -n 1)
    if [ -z "$target" ]; then
        echo "fuzz: corpus $name has no target in $build" >&2
        exit 1
    fi
    cp -r "$corpus" "$work/$name"
    echo "fuzz: $name for $seconds s"
    "$target" -max_total_time="$seconds" -max_len=65536 -print_final_stats=0 -verbosity=0 "$work/$name"
    ran=$((ran + 1))
done
echo "fuzz: $ran targets found nothing"
[ "$ran" -gt 0 ]
