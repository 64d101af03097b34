#!/bin/bash
# A server's number is its place in the StatefulSet, from 1.
set -eu
echo "$((${HOSTNAME##*-} + 1))" >/data/myid
exec zkServer.sh start-foreground
