#!/usr/bin/env bash
# Every C and C++ file is as clang-format 19 writes it. To mend: tests/tidy/format_test.sh --fix
set -euo pipefail
cd "$(dirname "$0")/../.."
mapfile -t files < <(git ls-files --cached --others --exclude-standard '*.h' '*.cc' '*.c' | while read -r f; do [ -e "$f" ] && echo "$f"; done)
if [ "${1:-}" = --fix ]; then
    exec clang-format-19 -i "${files[@]}"
fi
clang-format-19 --dry-run --Werror "${files[@]}"
echo "format: ${#files[@]} files are formatted"
