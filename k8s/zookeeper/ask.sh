#!/bin/bash
# ask.sh WORD ANSWER: succeeds if this server answers the four-letter word with a line that starts with ANSWER. `ruok imok`: it is alive;
# `srvr Mode:`: it serves.
exec 3<>/dev/tcp/127.0.0.1/2181 || exit 1
printf '%s' "$1" >&3
while IFS= read -r line || [ -n "$line" ]; do
    case "$line" in "$2"*) exit 0 ;; esac
done <&3
exit 1
