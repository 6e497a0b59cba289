#!/usr/bin/env bash
# Is a newcomer's `./dev up` and `./dev test` enough? Tried by hand before a release, as root, in a
# fresh clone of HEAD on a bare Debian 12 (debootstrap's minbase, git, ca-certificates):
#
#   tools/bare-debian.sh root|user [COMMAND...]
#
# `user` is an ordinary user with sudo. Without a COMMAND: `./dev up` until it is ready, then
# `./dev test`. The system lives in a temporary folder (about 6 GB), with process and mount
# namespaces that end with it. BARE_KEEP=1 leaves the folder, BARE_CCACHE=DIR lends
# a compiler cache.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

who=${1:-}
case $who in root | user) shift ;; *) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" && exit 2 ;; esac
die() { echo "bare-debian: $*" >&2 && exit 1; }
[ "$(id -u)" -eq 0 ] || die "run it as root"
command -v debootstrap >/dev/null || die "missing: apt-get install debootstrap"

root=$(mktemp -d "${TMPDIR:-/var/tmp}/holdfast-bare.XXXXXX")
[ -n "${BARE_KEEP:-}" ] || trap 'rm -rf --one-file-system "$root"' EXIT
chmod 755 "$root" # it becomes /
echo "==> A bare Debian 12 in $root"
mirror=$(sed -n 's/^\(deb\|URIs:\) .*\(http[^ ]*\/debian\)\/\{0,1\}\( .*\|$\)/\2/p' \
    $(ls /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null) | head -n 1)
debootstrap --variant=minbase --include=git,ca-certificates bookworm "$root" \
    "${mirror:-http://deb.debian.org/debian}" >"$root.log" 2>&1 || { tail "$root.log"; exit 1; }
rm -f "$root.log"

# How this machine reaches the network: names, proxies, and certificates of its own.
cp /etc/resolv.conf /etc/hosts "$root/etc/"
apt-config dump Acquire::http::Proxy >"$root/etc/apt/apt.conf.d/99host"
find /usr/local/share/ca-certificates -name '*.crt' \
    -exec cp -t "$root/usr/local/share/ca-certificates" {} +
chroot "$root" update-ca-certificates >/dev/null 2>&1
network=(NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt)
for name in http_proxy https_proxy no_proxy; do
    [ -z "${!name:-}" ] || network+=("$name=${!name}")
done

home=/root
if [ "$who" = user ]; then
    home=/srv/newcomer
    chroot "$root" sh -c 'apt-get -q update && apt-get -q -y install --no-install-recommends sudo' \
        >/dev/null 2>&1
    chroot "$root" useradd --create-home --home-dir "$home" --shell /bin/bash newcomer
    echo 'newcomer ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/newcomer"
fi
git clone -q --no-hardlinks "$PWD" "$root$home/holdfast"
[ "$who" = root ] || chroot "$root" chown -R newcomer: "$home/holdfast"

cat >"$root/usr/local/bin/newcomer-check" <<'CHECK'
#!/bin/bash
# ./dev up until it says that it is ready, then ./dev test.
set -euo pipefail
./dev up --ready-file "$HOME/ready.json" & # where nothing is said, the defaults must do
up=$!
until [ -s "$HOME/ready.json" ]; do
    kill -0 "$up" || { echo "bare-debian: ./dev up ended before it was ready" >&2; exit 1; }
    sleep 1
done
cat "$HOME/ready.json"
kill -TERM "$up"
wait "$up"
echo "==> ./dev up was ready and stopped cleanly"
./dev test
CHECK
chmod +x "$root/usr/local/bin/newcomer-check"
[ $# -gt 0 ] || set -- newcomer-check

echo "==> As $who: $*"
export root home who
BARE_NETWORK="${network[*]}" unshare --mount --pid --fork --kill-child bash -s -- "$@" <<'INSIDE'
set -euo pipefail
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/dev/shm"
variables=(HOME="$home" PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    LANG=C.UTF-8 $BARE_NETWORK)
if [ -n "${BARE_CCACHE:-}" ]; then
    mkdir -p "$root/ccache"
    mount --bind "$BARE_CCACHE" "$root/ccache"
    variables+=(CCACHE_DIR=/ccache)
fi
login=(env -i "${variables[@]}")
[ "$who" = root ] || login=(setpriv --reuid newcomer --regid newcomer --init-groups "${login[@]}")
exec chroot "$root" "${login[@]}" bash -c 'cd ~/holdfast && exec "$@"' newcomer "$@" </dev/null
INSIDE
