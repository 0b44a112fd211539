#!/usr/bin/env bash
# Runs the shell linter over every shell script of the tree, found by its first line.
set -euo pipefail
cd "$(dirname "$0")/../.."
mapfile -t scripts < <(git grep -lIE --untracked '^#!(/usr/bin/env bash|/bin/bash|/bin/sh)' -- . | while read -r f; do head -1 "$f" | grep -q '^#!' && echo "$f"; done)
[ ${#scripts[@]} -gt 0 ]
shellcheck "${scripts[@]}"
echo "shell: ${#scripts[@]} scripts are clean"
