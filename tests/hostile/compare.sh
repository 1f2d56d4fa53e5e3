#!/usr/bin/env bash
# Runs the hostile programs under other sandboxes, as docs/isolation.md compares them. By hand only, not in CI:
#
#     tests/hostile/compare.sh [bwrap|srt|codex|loopbox|none]... [-- PROGRAM...]
#
# As root it runs everything as root, then once more as an ordinary user ($COMPARE_USER, default alice). An attack got through
# if its program says so, or if the witness saw harm outside. `none` is no sandbox but the control's own namespaces. A summary
# of got through / run comes last; $COMPARE_LOG (default /tmp/hostile-compare.log) has a line for each attack.
#
# Needs: bubblewrap, npm (fetches sandbox-runtime, pinned), ripgrep and socat (for sandbox-runtime), tests/agents/install.sh (codex), a built target/debug/loopbox.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
root=$(realpath "$here/../..")
srt_version=0.0.78
user=${COMPARE_USER:-alice}
work=${COMPARE_WORK:-}
log=${COMPARE_LOG:-/tmp/hostile-compare.log}

# Puts everything that is needed where an ordinary user can read it, and starts over as each of them.
prepare() {
    work=$(mktemp -d /tmp/hostile-compare.XXXXXX)
    trap 'rm -rf "$work"' EXIT
    "$here/build.sh" "$work/bin"
    cp -r "$here" "$work/programs"
    cp "$root/target/debug/loopbox" "$work/bin/"
    mkdir "$work/npm"
    if [[ " ${sandboxes[*]} " == *' srt '* ]]; then
        npm install --silent --no-audit --no-fund --prefix "$work/npm" "@anthropic-ai/sandbox-runtime@$srt_version"
    fi
    if [[ " ${sandboxes[*]} " == *' codex '* ]]; then
        cp -rL "$root/tests/agents/node_modules/@openai" "$work/npm/openai"
    fi
    chmod -R a+rX "$work"
    chmod 755 "$work"
    : >"$log"
    chmod 666 "$log"
    export COMPARE_WORK=$work COMPARE_LOG=$log
    local arguments=("${sandboxes[@]}" -- "${programs[@]}")
    "$work/programs/compare.sh" "${arguments[@]}"
    if [ "$(id -u)" = 0 ]; then
        su "$user" -c "COMPARE_WORK='$work' COMPARE_LOG='$log' '$work/programs/compare.sh' ${arguments[*]}"
    fi
}

# The command that runs $2... in a sandbox of kind $1, with the workspace of the stage writable.
in_sandbox() {
    local kind=$1 workspace=$HOSTILE_STAGE/workspace
    shift
    case $kind in
        none) "$@" ;;
        bwrap)
            bwrap --ro-bind /usr /usr --ro-bind /etc /etc --symlink usr/bin /bin --symlink usr/sbin /sbin --symlink usr/lib /lib \
                --symlink usr/lib64 /lib64 --proc /proc --dev /dev --tmpfs /tmp --bind "$workspace" "$workspace" \
                --unshare-all --die-with-parent --chdir "$workspace" "$@"
            ;;
        srt)
            # The home and what lies beside the workspace are denied, as its documentation recommends.
            cat >"$HOSTILE_STAGE/srt.json" <<JSON
{"network": {"allowedDomains": [], "deniedDomains": []},
 "filesystem": {"denyRead": ["$HOSTILE_STAGE/home", "$HOSTILE_STAGE/sibling", "$HOSTILE_STAGE/state"],
                "allowWrite": ["$workspace"], "denyWrite": []}}
JSON
            node "$COMPARE_WORK/npm/node_modules/@anthropic-ai/sandbox-runtime/dist/cli.js" \
                --settings "$HOSTILE_STAGE/srt.json" -- "$@"
            ;;
        codex)
            local binary
            binary=$(find "$COMPARE_WORK/npm/openai" -name codex -type f -perm -u+x -path '*vendor*' | head -n 1)
            # It refuses to work from a home below /tmp.
            mkdir -p "/var/tmp/hostile-codex.$(id -u)"
            CODEX_HOME=/var/tmp/hostile-codex.$(id -u) "$binary" sandbox -c 'sandbox_mode="workspace-write"' -- "$@"
            ;;
        loopbox)
            local names=() name flags
            for name in STAGE HOST_PIDNS VICTIM ABSTRACT PORT UDP_PORT HOSTNAME MACHINE_ID HOST_USER; do
                names+=(-e "HOSTILE_$name")
            done
            read -ra flags <<<"${COMPARE_FLAGS:-}"
            export LOOPBOX_STATE_DIR=$HOSTILE_STAGE/state
            "$COMPARE_WORK/bin/loopbox" create -q --name bed "${flags[@]}" shell "$workspace" || return 1
            local code=0
            "$COMPARE_WORK/bin/loopbox" exec "${names[@]}" bed "$@" || code=$?
            "$COMPARE_WORK/bin/loopbox" exec --scan bed true || true
            "$COMPARE_WORK/bin/loopbox" rm bed
            return "$code"
            ;;
    esac
}

# One attack; prints the word for what came of it.
attack() {
    local kind=$1 file=$2 name stage mode=host command output said
    name=${file%.*}
    stage=$(mktemp -d /tmp/hostile-stage.XXXXXX)
    cp -a "$template/." "$stage"
    mkdir "$stage/workspace/attack"
    cp "$COMPARE_WORK/bin/hostile" "$COMPARE_WORK/programs/common/hostile.sh" "$stage/workspace/attack"
    command=("$stage/workspace/attack/hostile" "$name")
    if [[ $file == *.sh ]]; then
        cp "$COMPARE_WORK/programs/$file" "$stage/workspace/attack/script.sh"
        command=(sh "$stage/workspace/attack/script.sh")
    fi
    if [ "$(key judge "$file")" = host ]; then
        cp "$COMPARE_WORK/programs/common/host-uses.sh" "$stage"
    fi
    (cd "$stage" && HOSTILE_PROGRAMS=$COMPARE_WORK/programs sh -c "$(key prepare "$file")") 2>/dev/null || true
    local witness=("$COMPARE_WORK/bin/witness")
    if [ "$kind" = none ]; then
        # As ordinary users become root of a namespace, which is what the attack has without a sandbox.
        mode=control
        witness=(unshare --fork --pid --mount --net --uts --ipc --mount-proc --kill-child "${witness[@]}")
        [ "$(id -u)" = 0 ] || witness=(unshare --map-root-user "${witness[@]:1}")
    fi
    output=$(cd "$stage/workspace" && COMPARE_FLAGS=$(key create "$file") HOME=$stage/home \
        HOSTILE_HOST_PIDNS=$(readlink /proc/self/ns/pid) HOSTILE_MACHINE_ID=$(cat /etc/machine-id 2>/dev/null || true) \
        timeout 90 "${witness[@]}" "$mode" "$stage" -- "$COMPARE_WORK/programs/compare.sh" --inside "$kind" "${command[@]}" \
        </dev/null 2>&1) || true
    rm -rf "$stage" 2>/dev/null || true
    said=$(grep '^witness: ' <<<"$output" | tail -n 1)
    local exit=${said#witness: exit=} harm=${said##*harm=}
    exit=${exit%% *}
    [ -z "${COMPARE_VERBOSE:-}" ] || sed 's/^/    /' <<<"$output" >>"$COMPARE_LOG"
    if [ -n "$harm" ]; then
        echo "through ($harm)"
    elif [ "$(key judge "$file")" = host ] && grep -q '^began' <<<"$output"; then
        echo held
    elif grep -q '^GOT THROUGH' <<<"$output"; then
        echo through
    elif grep -q '^held' <<<"$output" || [ "${exit:-0}" -ge 126 ]; then
        echo held
    else
        echo "did not run: $(grep -v '^witness: ' <<<"$output" | tail -n 1)"
    fi
}

# A value from the head of a program, see tests/tests/hostile/program.rs.
key() {
    sed -n "s,^[ #*]*$1: \(.*\),\1,p" "$COMPARE_WORK/programs/$2" | sed 's, \*/$,,' | head -n 1
}

# Every attack under every sandbox, as whoever this is.
compare() {
    template=$(mktemp -d /tmp/hostile-template.XXXXXX)
    trap 'rm -rf "$template"' EXIT
    "$COMPARE_WORK/programs/common/stage.sh" "$template"
    cd "$COMPARE_WORK/programs"
    if [ ${#programs[@]} -eq 0 ]; then
        for file in */*.c */*.sh; do
            case $file in common/* | life/*) continue ;; esac
            [ -n "$(key part-of "$file")" ] || programs+=("$file")
        done
    fi
    for kind in "${sandboxes[@]}"; do
        local through=0 run=0 result
        for file in "${programs[@]}"; do
            # A limit can only be broken where one was asked for: others have no such option.
            if [ -n "$(key create "$file")" ] && [ "$kind" != loopbox ]; then
                continue
            fi
            result=$(attack "$kind" "$file")
            echo "$(id -un) $kind ${file%.*}: $result" >>"$COMPARE_LOG"
            case $result in
                through*) through=$((through + 1)) run=$((run + 1)) ;;
                held) run=$((run + 1)) ;;
            esac
        done
        echo "$kind as $(id -un): $through got through of $run"
    done
}

if [ "${1:-}" = --inside ]; then
    shift
    in_sandbox "$@"
    exit
fi
sandboxes=()
programs=()
while [ $# -gt 0 ]; do
    case $1 in
        --) shift; programs=("$@"); break ;;
        *) sandboxes+=("$1"); shift ;;
    esac
done
[ ${#sandboxes[@]} -gt 0 ] || sandboxes=(none bwrap srt codex loopbox)
if [ -z "$work" ]; then
    prepare
else
    compare
fi
