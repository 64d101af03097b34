#!/bin/bash
# A server's id is its ordinal in the StatefulSet, plus 1.
set -eu
echo "$((${HOSTNAME##*-} + 1))" >/data/myid
exec zkServer.sh start-foreground
