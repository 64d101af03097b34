#!/usr/bin/env bash
# Starts a three-server ZooKeeper and five evenlight processes on this machine for trials: kill one by its process id and watch.
# Ctrl-C stops them all. ZooKeeper's data is temporary; images and results are kept in ./data/cluster. Arguments go to every process.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

PODS=5
FIRST_PORT=3000
DATA="$ROOT/data/cluster"
WORK=""
# Ids of the processes that this script started; it stops no others.
ZOOKEEPERS=()
EVENLIGHTS=()

stop_all() {
    local code=$? pid
    trap - EXIT INT TERM
    if [ ${#EVENLIGHTS[@]} -gt 0 ] || [ ${#ZOOKEEPERS[@]} -gt 0 ]; then printf '\n==> stopping\n'; fi
    # Pods first, while ZooKeeper still runs, so that they can hand over their tasks and leadership.
    for pid in ${EVENLIGHTS[@]+"${EVENLIGHTS[@]}"}; do kill -TERM "$pid" 2>/dev/null || true; done
    for pid in ${EVENLIGHTS[@]+"${EVENLIGHTS[@]}"}; do wait "$pid" 2>/dev/null || true; done
    for pid in ${ZOOKEEPERS[@]+"${ZOOKEEPERS[@]}"}; do kill -TERM "$pid" 2>/dev/null || true; done
    for pid in ${ZOOKEEPERS[@]+"${ZOOKEEPERS[@]}"}; do wait "$pid" 2>/dev/null || true; done
    if [ -n "$WORK" ]; then rm -rf "$WORK"; fi
    on_exit
    exit "$code"
}
trap stop_all EXIT
trap 'exit 0' INT TERM

port_is_taken() { (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

NEXT_PORT=21810
take_port() { # sets PORT
    while NEXT_PORT=$((NEXT_PORT + 1)) && port_is_taken "$NEXT_PORT"; do :; done
    PORT=$NEXT_PORT
}

# await SECONDS WHAT LOG COMMAND…: repeats the command until it succeeds.
await() {
    local end=$((SECONDS + $1)) what="$2" log="$3"
    shift 3
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || die "$what did not become ready. The end of its log ($log):" "$(tail -n 5 "$log" 2>/dev/null)"
        sleep 0.2
    done
}

write_zookeeper_configuration() {
    local i port
    CLIENT_PORTS=() SERVERS=""
    for i in 1 2 3; do
        take_port && port=$PORT
        CLIENT_PORTS+=("$port")
        take_port && SERVERS="${SERVERS}server.$i=127.0.0.1:$PORT"
        take_port && SERVERS="$SERVERS:$PORT"$'\n'
    done
    printf '%s\n' 'log4j.rootLogger=WARN, out' 'log4j.appender.out=org.apache.log4j.ConsoleAppender' \
        'log4j.appender.out.layout=org.apache.log4j.PatternLayout' 'log4j.appender.out.layout.ConversionPattern=%d %p %c: %m%n' \
        >"$WORK/log4j.properties"
    for i in 1 2 3; do
        mkdir -p "$WORK/zookeeper-$i"
        echo "$i" >"$WORK/zookeeper-$i/myid"
        # tickTime 1000 grants session timeouts of 2 to 20 s.
        cat >"$WORK/zookeeper-$i.cfg" <<END
tickTime=1000
initLimit=20
syncLimit=5
dataDir=$WORK/zookeeper-$i
clientPort=${CLIENT_PORTS[$((i - 1))]}
clientPortAddress=127.0.0.1
maxClientCnxns=0
admin.enableServer=false
4lw.commands.whitelist=srvr
$SERVERS
END
    done
}

start_zookeeper() {
    local i java_class=org.apache.zookeeper.server.quorum.QuorumPeerMain
    write_zookeeper_configuration
    for i in 1 2 3; do
        java -Xmx128m -cp "$WORK:/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-log4j12.jar:/usr/share/java/log4j-1.2.jar" "$java_class" "$WORK/zookeeper-$i.cfg" \
            </dev/null >"$DATA/zookeeper-$i.log" 2>&1 &
        ZOOKEEPERS+=("$!")
    done
    for i in 1 2 3; do
        await 60 "ZooKeeper server $i" "$DATA/zookeeper-$i.log" serves "${CLIENT_PORTS[$((i - 1))]}"
        say "ZooKeeper server $i: 127.0.0.1:${CLIENT_PORTS[$((i - 1))]}, process ${ZOOKEEPERS[$((i - 1))]}"
    done
}

# Succeeds if the ZooKeeper server at this port is part of a quorum.
serves() {
    local answer
    port_is_taken "$1" || return 1
    answer="$( (
        exec 3<>"/dev/tcp/127.0.0.1/$1"
        printf srvr >&3
        cat <&3
    ) 2>/dev/null)" || return 1
    case "$answer" in *"Mode: leader"* | *"Mode: follower"*) return 0 ;; *) return 1 ;; esac
}

start_evenlight() {
    local i port ensemble
    ensemble="127.0.0.1:${CLIENT_PORTS[0]},127.0.0.1:${CLIENT_PORTS[1]},127.0.0.1:${CLIENT_PORTS[2]}"
    for ((i = 0; i < PODS; i++)); do
        port=$((FIRST_PORT + i))
        "$BINARY" serve --zookeeper "$ensemble" --pod-name "pod-$i" --listen "127.0.0.1:$port" --data "$DATA/pod-$i" \
            --store "$DATA/store" --catalog "$DATA/catalog.sqlite" --whole-below 0 "$@" </dev/null >"$DATA/pod-$i.log" 2>&1 &
        EVENLIGHTS+=("$!")
    done
    for ((i = 0; i < PODS; i++)); do
        port=$((FIRST_PORT + i))
        await 60 "pod-$i" "$DATA/pod-$i.log" answers "$port" "${EVENLIGHTS[$i]}"
        say "pod-$i: http://127.0.0.1:$port, process ${EVENLIGHTS[$i]}"
    done
}

# Succeeds if /readyz answers 200. If the process has ended, the script ends.
answers() { # PORT PID
    kill -0 "$2" 2>/dev/null || die "A pod ended while it was starting. Its log is in $DATA."
    port_is_taken "$1" || return 1
    local status
    status="$( (
        exec 3<>"/dev/tcp/127.0.0.1/$1"
        printf 'GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' >&3
        head -n 1 <&3
    ) 2>/dev/null)" || return 1
    case "$status" in *" 200 "*) return 0 ;; *) return 1 ;; esac
}

[ "$PODS" -ge 1 ]
for ((i = 0; i < PODS; i++)); do
    if port_is_taken $((FIRST_PORT + i)); then
        die "Port $((FIRST_PORT + i)) is in use, perhaps by another evenlight. Stop that first: the pods use $FIRST_PORT to $((FIRST_PORT + PODS - 1))."
    fi
done
step "Debian packages: ZooKeeper and Java" apt_install "make cluster" zookeeper default-jre-headless
[ -n "${EVENLIGHT_SKIP_BUILD:-}" ] || scripts/build.sh
mkdir -p "$DATA"
WORK="$(mktemp -d "${TMPDIR:-/tmp}/evenlight-cluster.XXXXXX")"
step "start a ZooKeeper of three servers" start_zookeeper
step "start $PODS pods" start_evenlight "$@"
printf '==> ready. Logs are in data/cluster/*.log; kill -9 a pod'"'"'s process to see another take over; Ctrl-C stops them all.\n'
wait
