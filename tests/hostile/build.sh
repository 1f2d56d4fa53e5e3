#!/usr/bin/env bash
# Builds `hostile` (all programs, see common/dispatch.c) and `witness` into the directory $1. Built already: returns at once.
set -euo pipefail
cd "$(dirname "$0")"
mkdir -p "$1"
out=$(realpath "$1")

# One build at a time: several test processes may call this together.
exec 9>"$out/.lock"
flock 9
sources=$(find . -name '*.[ch]' -o -name build.sh | sort | xargs cksum | cksum)
if [ "$(cat "$out/.built" 2>/dev/null)" = "$sources" ]; then
    exit 0
fi

rm -rf "$out/objects"
mkdir "$out/objects"
table=$out/objects/programs.c
names=()
for file in */*.c; do
    case $file in common/*) continue ;; esac
    names+=("${file%.c}")
done
{
    for name in "${names[@]}"; do echo "int program_${name//[\/-]/_}(int, char **);"; done
    echo 'const struct { const char *name; int (*main)(int, char **); } programs[] = {'
    for name in "${names[@]}"; do echo "    {\"$name\", program_${name//[\/-]/_}},"; done
    echo '    {0, 0},'
    echo '};'
} >"$table"

compile() {
    for name in "$@"; do
        local symbol=program_${name//[\/-]/_}
        "${CC:-cc}" -O1 -Wall -Wextra -Werror -Wno-unused-parameter -Wno-format-truncation -Icommon -Dmain="$symbol" -c "$name.c" -o "$out/objects/$symbol.o"
    done
}
export -f compile
export out
printf '%s\n' "${names[@]}" | xargs -P 4 -n 12 bash -c 'set -e; compile "$@"' compile
"${CC:-cc}" -O1 -static -Icommon common/dispatch.c "$table" "$out"/objects/*.o -o "$out/hostile"
"${CC:-cc}" -O1 -Wall -Wextra -Werror -Wno-format-truncation -static -Icommon common/witness.c -o "$out/witness"
rm -rf "$out/objects"
echo "$sources" >"$out/.built"
