#!/bin/sh
# An echo server for the bridge that knows nothing but docs/wire-mnt.md; SIGTERM ends it.
#
#   mnt-echo.sh /run/nsbridge
set -eu
place=${1:-/run/nsbridge}

# watch NAME EVENTS FOLDER…: from now on each `changed` waits for one event, and names the file
watch() {
    events=$place/new/$1.events
    watcher=
    trap 'trap - EXIT; kill "${watcher:-$!}" 2>&- || :; exit' EXIT TERM
    mkfifo "$events"
    inotifywait -m -e "$2" --format %f "$3" ${4+"$4"} >"$events" 2>&1 9>&- &
    watcher=$!
    exec 3<"$events"
    rm "$events"
    event=
    until [ "$event" = "Watches established." ]; do changed; done
}
changed() { read -r event <&3; }

# What is new in the last segment goes back under the same number; one that has a next one is whole, and is removed
echo_stream() {
    up=$place/open/$1/up down=$place/open/$1/down
    watch "$1" modify,create,moved_to,delete,delete_self "$up" "$down"
    number=0 done=0
    while [ -d "$up" ]; do
        if [ -e "$up/end" ]; then ended=yes; else ended=no; fi
        if [ -e "$up/$((number + 1))" ]; then next=yes; else next=no; fi
        size=$done
        if [ -e "$up/$number" ]; then size=$(wc -c <"$up/$number"); fi
        if [ "$size" -gt $done ]; then
            while [ $done = 0 ] && [ -e "$down/$((number - 3))" ]; do changed; done
            tail -c +$((done + 1)) "$up/$number" | head -c $((size - done)) >>"$down/$number"
            done=$size
        fi
        if [ $next = yes ]; then
            rm "$up/$number"
            number=$((number + 1)) done=0
        elif [ $ended = yes ] && [ -e "$up/end" ]; then
            : >"$down/end"
            flock "$up/lock" rm -rf "$place/open/$1" # once the opener has let its lock go
        else
            changed
        fi
    done
}

rm -rf "$place/new" "$place/open" "$place/lock"
mkdir "$place/new" "$place/open"
chmod 777 "$place/new" "$place/open"
watch streams moved_to "$place/open"
exec 9>"$place/lock"
flock 9 # from now on the bridge knows that somebody serves, until this process ends
while changed; do
    case $event in
        1-*) (echo_stream "$event") 9>&- & ;;
        *) rm -rf "$place/open/$event" ;;
    esac
done
