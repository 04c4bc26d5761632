#!/bin/sh
# A client of the bridge that knows nothing but docs/wire-mnt.md: standard input goes out, what comes back is printed.
#
#   mnt-client.sh /run/nsbridge < file
set -eu
place=${1:-/run/nsbridge}
name=1-$(hostname)-$$
new=$place/new/$name stream=$place/open/$name

# watch FOLDER: from now on each `changed` waits for one event in it
watch() {
    mkfifo "$new.events"
    inotifywait -m -e modify,create,moved_to,delete,delete_self "$1" >"$new.events" 2>&1 5>&- &
    watcher=$!
    exec 3<"$new.events"
    rm "$new.events"
    event=
    until [ "$event" = "Watches established." ]; do changed; done
}
changed() { read -r event <&3; }
quit() {
    rm -f "$new.events"
    kill "${watcher:-$!}" 2>&- || :
}

# What comes on standard input, in segments of at most 131072 bytes, of which three may be there at once
send() {
    watcher=
    trap quit EXIT
    trap 'exit 1' HUP INT TERM
    watch "$stream/up"
    number=0
    part=$stream/up/part
    while dd bs=131072 count=1 of="$part" 2>/dev/null && [ -s "$part" ]; do
        while [ -e "$stream/up/$((number - 3))" ]; do changed; done
        mv "$part" "$stream/up/$number"
        number=$((number + 1))
    done
    mv "$part" "$stream/up/end" # an empty one: there was no more
}

# What is new in the last segment; one that has a next one is whole, and is removed
receive() {
    number=0 done=0
    while [ -d "$stream/down" ]; do
        if [ -e "$stream/down/end" ]; then ended=yes; else ended=no; fi
        if [ -e "$stream/down/$((number + 1))" ]; then next=yes; else next=no; fi
        if [ -e "$stream/down/$number" ]; then
            size=$(wc -c <"$stream/down/$number")
            tail -c +$((done + 1)) "$stream/down/$number" | head -c $((size - done))
            done=$size
        fi
        if [ $next = yes ]; then
            rm "$stream/down/$number"
            number=$((number + 1)) done=0
        elif [ $ended = yes ] && [ -e "$stream/down/end" ]; then
            return 0
        else
            changed
        fi
    done
    echo "the stream is broken" >&2
    return 1
}

break_off() { rm -rf "$new" "$stream/up/end" "$stream" 2>&- || :; } # in this order: no end before the rest

watcher=
trap 'break_off; quit' EXIT
trap 'exit 1' HUP INT TERM
mkdir "$new" "$new/up" "$new/down"
chmod 777 "$new" "$new/up" "$new/down"
exec 5>"$new/up/lock"
flock 5 # from now on the bridge knows that somebody is here, until this process ends
watch "$new/down"
mv "$new" "$stream"
exec 4<&0
(send <&4) 5>&- &
sender=$!
receive
wait $sender
trap quit EXIT # both ends are there: the bridge removes the stream
