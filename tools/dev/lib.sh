# Shared by ./dev: messages, what is missing on this machine, configure and build.

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
plain_say() { printf '==> %s\n' "$*" >&2; }
[ -t 2 ] || say() { plain_say "$@"; }

die() {
    printf 'dev: %s\n' "$1" >&2
    shift
    [ $# -eq 0 ] || printf '     %s\n' "$@" >&2
    exit 1
}

# quietly LOG COMMAND...: output goes to LOG; on failure its end is shown and the log is named.
quietly() {
    local log=$1
    shift
    mkdir -p "$(dirname "$log")"
    if ! "$@" >"$log" 2>&1 </dev/null; then
        tail -n 40 "$log" >&2
        die "failed: $*" "the whole output is in $log"
    fi
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "this needs root, and there is no sudo" "run as root:  $*"
    fi
}

# --- Debian packages --------------------------------------------------------------------------

wanted_packages() { sed -e 's/#.*//' -e '/^[[:space:]]*$/d' -e 's/[[:space:]]//g' "$@"; }

# Names of LISTS... that no installed package is called or provides (another vendor's nodejs
# brings npm along, for instance).
missing_packages() {
    local present
    present=$(dpkg-query -W -f '${db:Status-Status} ${Package} ${Provides}\n' 2>/dev/null |
        sed -n 's/^installed //p' | sed -e 's/([^)]*)//g' | tr ', ' '\n\n' | sort -u)
    wanted_packages "$@" | sort -u | comm -23 - <(printf '%s\n' "$present")
}

apt_get() {
    as_root env DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1 apt-get -q -y \
        -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 "$@"
}

# Debian's PostgreSQL package would start a server of its own, on port 5432. Holdfast runs
# its own pair, so the package is told not to; a setting that was there before is put back.
install_postgresql() {
    local conf=/etc/postgresql-common/createcluster.conf before
    quietly build/log/apt-install.log apt_get install --no-install-recommends postgresql-common
    before=$(as_root pg_conftool "$conf" show -s create_main_cluster 2>/dev/null || true)
    as_root pg_conftool "$conf" set create_main_cluster off
    quietly build/log/apt-install.log apt_get install --no-install-recommends postgresql-15
    if [ -n "$before" ]; then
        as_root pg_conftool "$conf" set create_main_cluster "$before"
    else
        as_root pg_conftool "$conf" remove create_main_cluster
    fi
}

# Packages of servers start them when they are installed and at every boot. ./dev wants their
# programs only, so the first is forbidden meanwhile and the second undone; a policy that this
# machine has already stays in force.
install_without_services() { # install_without_services PACKAGES...
    local policy=/usr/sbin/policy-rc.d script
    if [ ! -e "$policy" ]; then
        trap "as_root rm -f $policy" EXIT
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
    fi
    quietly build/log/apt-install.log apt_get install --no-install-recommends "$@"
    if [ -n "$(trap -p EXIT)" ]; then
        as_root rm -f "$policy"
        trap - EXIT
    fi
    for script in $(dpkg -L "$@" | sed -n 's,^/etc/init\.d/,,p'); do
        as_root update-rc.d "$script" disable >>build/log/apt-install.log 2>&1
    done
}

# need_packages LISTS...: installs what is missing, and only that.
need_packages() {
    local missing
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null && grep -q '^VERSION_CODENAME=bookworm' /etc/os-release ||
        die "missing: $(echo $missing)" \
            "./dev installs by itself on Debian 12 only; install the equivalents and run again"
    say "Installing $(wc -l <<<"$missing") Debian packages (tools/packages*.txt says why each):"
    printf '    %s\n' "$(echo $missing)" >&2
    quietly build/log/apt-update.log apt_get update
    if grep -qx postgresql-15 <<<"$missing"; then install_postgresql; fi
    # shellcheck disable=SC2086
    install_without_services $missing
    missing=$(missing_packages "$@")
    [ -z "$missing" ] || die "still missing: $(echo $missing)" "see build/log/apt-install.log"
}

# --- npm packages -----------------------------------------------------------------------------

# The stripe client wants Node 20 or newer and Debian 12 has 18: tools/node then brings one.
node_min=20

node_major() { "$1" --version 2>/dev/null | sed -n 's/^v\([0-9]*\)\..*/\1/p'; }

npm_ci() { # npm_ci FOLDER WHY: as package-lock.json says, when that is newer than what is there
    local done_mark=$1/node_modules/.package-lock.json
    if [ -f "$done_mark" ] && [ ! "$1/package-lock.json" -nt "$done_mark" ]; then return 0; fi
    say "Installing npm packages of $1 ($2)"
    quietly "build/log/npm-$(basename "$1").log" \
        npm --prefix "$1" ci --no-audit --no-fund --loglevel=error
    touch "$done_mark"
}

need_node() {
    if [ "$(node_major node || true)" -ge "$node_min" ] 2>/dev/null; then
        NODE_PROGRAM=$(command -v node)
    else
        npm_ci tools/node "Node $node_min or newer; this machine has $(node --version)"
        NODE_PROGRAM=$PWD/tools/node/node_modules/.bin/node
        [ "$(node_major "$NODE_PROGRAM")" -ge "$node_min" ] 2>/dev/null ||
            die "tools/node did not bring a Node that runs" "see build/log/npm-node.log"
    fi
    export NODE_PROGRAM
}

need_npm_packages() {
    local folder why
    need_node
    for folder in $(find tests web -name node_modules -prune -o -name package-lock.json \
        -printf '%h\n' 2>/dev/null); do
        why=$(sed -n 's/^ *"description": "\(.*\)".*/\1/p' "$folder/package.json")
        npm_ci "$folder" "$why"
    done
}

# --- configure and build ----------------------------------------------------------------------

# A clone elsewhere on this machine shares the compiler cache: paths are relative to the tree.
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1

configure() { # configure PRESET
    if [ ! -f "build/$1/build.ninja" ] || [ CMakePresets.json -nt "build/$1/build.ninja" ]; then
        say "Configuring build/$1"
        quietly "build/log/configure-$1.log" cmake --preset "$1"
    fi
}

pause() { read -rt "$1" _ <><(:) || true; } # sleeps without a child process

# Says how far ninja is, as its log tells: at once on a terminal, every 30 s elsewhere. Says nothing
# when the build is over within a second.
show_progress() { # show_progress PRESET LOG
    local every=30 end='\n' steps
    if [ -t 2 ] && [ -z "${CI:-}" ]; then every=1 end='\r'; fi
    pause 1
    say "Building build/$1 on $(nproc) cores"
    while kill -0 $$ 2>/dev/null; do # not beyond an interrupted ./dev
        pause $every
        steps=$(sed -n '$s/^\[\([0-9]*\).\([0-9]*\)\].*/\1 of \2/p' "$2")
        [ -z "$steps" ] || printf "    %s steps$end" "$steps" >&2
    done
}

build() { # build PRESET [TARGETS...]
    local preset=$1 log=build/log/build-$1.log progress failed=
    shift
    configure "$preset"
    mkdir -p build/log
    : >"$log"
    show_progress "$preset" "$log" &
    progress=$!
    ninja -C "build/$preset" "$@" >"$log" 2>&1 </dev/null || failed=yes
    kill "$progress"
    wait "$progress" 2>/dev/null || true
    [ -z "$failed" ] || {
        grep -v '^\[[0-9]*/[0-9]*\]\|^-- ' "$log" | head -n 200 >&2
        die "build/$preset does not build" "all messages of the compiler are in $log"
    }
}
