#!/bin/bash
# assemble.sh evenlight|zookeeper|postgres|tools DIR [BINARY]: creates the root folder of an image from packages of this machine
# (Debian's zookeeper, default-jre-headless, postgresql, busybox-static), for test clusters without a registry. In production use
# k8s/Dockerfile and the official images. The folders accept the same commands and variables.
set -euo pipefail

die() {
    echo "assemble.sh: $*" >&2
    exit 1
}

# take PATH…: copies files to the same paths in the image, with the libraries that they are linked to.
take() {
    local path library
    for path in "$@"; do
        [ -e "$path" ] || die "$path is missing on this machine"
        mkdir -p "$ROOT$(dirname "$path")"
        cp -L "$path" "$ROOT$path"
        while read -r library; do
            [ -e "$ROOT$library" ] || { mkdir -p "$ROOT$(dirname "$library")" && cp -L "$library" "$ROOT$library"; }
        done < <(ldd "$path" 2>/dev/null | grep -oE '/[^ ]+' || true)
    done
}

# A shell and the usual tools: busybox under all its names.
shell() {
    local name
    [ -x /bin/busybox ] || die "busybox is missing: apt-get install busybox-static"
    mkdir -p "$ROOT/bin" "$ROOT/usr/bin"
    take /bin/busybox
    for name in $(/bin/busybox --list); do [ "$name" = busybox ] || ln -sf busybox "$ROOT/bin/$name"; done
}

# users NAME ID: creates root and this user. initdb looks up names.
users() {
    mkdir -p "$ROOT/etc" "$ROOT/tmp"
    printf 'root:x:0:0:root:/:/bin/sh\n%s:x:%s:%s:%s:/:/bin/sh\n' "$1" "$2" "$2" "$1" >"$ROOT/etc/passwd"
    printf 'root:x:0:\n%s:x:%s:\n' "$1" "$2" >"$ROOT/etc/group"
    printf 'hosts: files dns\npasswd: files\ngroup: files\n' >"$ROOT/etc/nsswitch.conf"
}

# The libraries that glibc loads to look up names.
name_lookup() {
    local library
    for library in libnss_files.so.2 libnss_dns.so.2 libresolv.so.2; do
        take "$(ldconfig -p | awk -v name="$library" '$1 == name { print $NF; exit }')"
    done
}

evenlight() {
    users evenlight 10001
    name_lookup
    mkdir -p "$ROOT/usr/local/bin" "$ROOT/etc/ssl/certs"
    take "$(realpath "$1")"
    mv "$ROOT$(realpath "$1")" "$ROOT/usr/local/bin/evenlight"
    if [ -e /etc/ssl/certs/ca-certificates.crt ]; then take /etc/ssl/certs/ca-certificates.crt; fi
    # `evenlight` is the image's entry point; Kubernetes passes `args` to it.
    ln -s usr/local/bin/evenlight "$ROOT/evenlight"
}

zookeeper() {
    local home jar jars=/usr/share/java classpath=/conf
    home="$(dirname "$(dirname "$(readlink -f "$(command -v java)")")")"
    users zookeeper 1000
    shell
    name_lookup
    take /bin/bash
    mkdir -p "$ROOT/java/bin" "$ROOT/usr/local/bin" "$ROOT$jars" "$ROOT/conf" "$ROOT/data"
    take "$home/bin/java"
    mv "$ROOT$home/bin/java" "$ROOT/java/bin/java"
    # Symbolic links point to /etc. Files that only a compiler needs are left out.
    cp -rL "$home/lib" "$ROOT/java/lib" 2>/dev/null || true
    cp -rL "$home/conf" "$ROOT/java/conf" 2>/dev/null || true
    rm -f "$ROOT/java/lib/ct.sym" "$ROOT/java/lib/src.zip"
    [ -s "$ROOT/java/lib/server/libjvm.so" ] || die "Java is missing at $home"
    while read -r library; do take "$library"; done < <(ldd "$home"/lib/*.so "$home/lib/server/libjvm.so" 2>/dev/null |
        grep -oE '=> /(usr/)?lib/[^ ]+' | cut -d ' ' -f 2 | grep -v "^$home" | sort -u)
    for jar in zookeeper zookeeper-jute slf4j-api slf4j-simple netty-all log4j-1.2 snappy-java metrics-core commons-cli commons-io \
        jackson-annotations jackson-core jackson-databind; do
        take "$jars/$jar.jar"
        classpath+=":$jars/$jar.jar"
    done
    cat >"$ROOT/usr/local/bin/zkServer.sh" <<END
#!/bin/bash
# Like the official image's, but only for start-foreground.
[ "\$1" = start-foreground ] || exit 2
# Word splitting is intended: the variable contains several options.
exec /java/bin/java \$JVMFLAGS -Dzookeeper.jmx.log4j.disable=true -cp $classpath \\
    org.apache.zookeeper.server.quorum.QuorumPeerMain "\${ZOOCFGDIR:-/conf}/zoo.cfg"
END
    chmod +x "$ROOT/usr/local/bin/zkServer.sh"
}

postgres() {
    local home share
    home="$(find /usr/lib/postgresql -mindepth 1 -maxdepth 1 | sort -V | tail -n 1)"
    [ -x "$home/bin/initdb" ] || die "PostgreSQL is missing: apt-get install postgresql"
    share="/usr/share/postgresql/$(basename "$home")"
    users postgres 999
    shell
    name_lookup
    take /bin/bash
    for program in postgres initdb pg_ctl pg_isready psql; do take "$home/bin/$program"; done
    mkdir -p "$ROOT$home/lib" "$ROOT$share" "$ROOT/usr/local/bin" "$ROOT/var/run/postgresql" "$ROOT/var/lib/postgresql/data" "$ROOT/usr/lib/locale"
    cp -rL "$home"/lib/*.so "$ROOT$home/lib/"
    take "$home"/lib/plpgsql.so "$home"/lib/dict_snowball.so
    cp -rL "$share/." "$ROOT$share/"
    cp -rL /usr/share/zoneinfo "$ROOT/usr/share/zoneinfo"
    cp -rL /usr/lib/locale/C.utf8 "$ROOT/usr/lib/locale/"
    ln -s "$home/bin/pg_isready" "$ROOT/usr/local/bin/pg_isready"
    ln -s "$home/bin/psql" "$ROOT/usr/local/bin/psql"
    cat >"$ROOT/docker-entrypoint.sh" <<END
#!/bin/bash
# Like the official image's: creates the database at the first start, from the same variables.
set -eu
if ! [ -s "\$PGDATA/PG_VERSION" ]; then
    $home/bin/initdb --pgdata="\$PGDATA" --username="\$POSTGRES_USER" --pwfile=<(echo "\$POSTGRES_PASSWORD") \\
        --auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8
    echo "host all all all scram-sha-256" >>"\$PGDATA/pg_hba.conf"
    $home/bin/pg_ctl --pgdata="\$PGDATA" --wait start -o "-c listen_addresses='' -c unix_socket_directories=/var/run/postgresql"
    $home/bin/psql --host=/var/run/postgresql --username="\$POSTGRES_USER" --dbname=postgres --command="CREATE DATABASE \"\$POSTGRES_DB\""
    $home/bin/pg_ctl --pgdata="\$PGDATA" --wait stop
fi
exec $home/bin/postgres -D "\$PGDATA" -c "listen_addresses=*" -c unix_socket_directories=/var/run/postgresql -c max_connections=200
END
    chmod +x "$ROOT/docker-entrypoint.sh"
}

tools() {
    users nobody 65534
    shell
}

[ $# -ge 2 ] || die "expected: assemble.sh evenlight|zookeeper|postgres|tools DIR [BINARY]"
what="$1" ROOT="$2"
shift 2
case $what in
evenlight | zookeeper | postgres | tools) ;;
*) die "unknown image: $what" ;;
esac
[ ! -e "$ROOT" ] || die "$ROOT already exists"
mkdir -p "$ROOT"
ROOT="$(cd "$ROOT" && pwd)"
"$what" "$@"
chmod 1777 "$ROOT/tmp"
