#!/usr/bin/env bash
# clang-tidy 19 with the curated checks of .clang-tidy over every source of ours.
#   tests/tidy/clang_tidy.sh BUILD_FOLDER [FILE...]
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${1:?usage: tests/tidy/clang_tidy.sh BUILD_FOLDER [FILE...]}
shift
files=("$@")
if [ ${#files[@]} -eq 0 ]; then
    mapfile -t files < <(git ls-files '*.cc' ':!tests/' ':!tools/')
fi
printf '%s\0' "${files[@]}" |
    xargs -0 -n 1 -P 2 clang-tidy-19 -p "$build" --quiet --extra-arg=-Wno-unknown-warning-option
echo "clang-tidy: ${#files[@]} files are clean"
