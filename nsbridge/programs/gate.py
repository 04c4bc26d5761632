"""A gate: lets programs of one medium talk to those of another. It is the bridge without namespaces.

For each stream that comes to its first endpoint it opens one at its second, and relays the two: with
`gate net 127.0.0.1 8080 ipc 5566` any client of TCP reaches who serves the queue, and with
`gate ipc 5566 net 127.0.0.1 80` any server of TCP serves it.
"""

from __future__ import annotations

import sys

from nsbridge.errors import NsbridgeError
from nsbridge.media.base import SWITCH
from nsbridge.media.table import medium
from nsbridge.programs.ending import hold_back, until_ended
from nsbridge.relay import serve_through


def main(words: list[str]) -> int:
    """Take two endpoints in words: where to listen, and where to connect; SIGTERM ends it."""
    hold_back()
    sys.setswitchinterval(SWITCH)
    first = 3 if words[:1] == ["net"] else 2  # words
    try:
        with medium(*words[:first]) as here, medium(*words[first:]) as there, here.listen() as listener:
            until_ended(lambda: serve_through(listener, there, _say))
    except NsbridgeError as error:
        print(f"gate: {error}", file=sys.stderr)
        return 1
    return 0


def _say(line: str) -> None:
    sys.stderr.write(f"gate: {line}\n")  # in one piece, for others write as well


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
