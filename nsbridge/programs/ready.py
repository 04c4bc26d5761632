"""Waits until a message comes back from an endpoint, or just until a stream opens; then exits with 0."""

from __future__ import annotations

import sys
import time

from nsbridge.errors import NsbridgeError, StreamError
from nsbridge.media.table import medium

_STEP = 0.005  # seconds; the server may not have bound its endpoint yet, and nothing tells when it has
_WORD = b"ready?\n"


def main(words: list[str]) -> int:
    """Take `SECONDS` and an endpoint in words; `--accepts` before them if a stream that opens is enough."""
    accepts = words[0] == "--accepts"
    words = words[accepts:]
    deadline = time.monotonic() + float(words[0])
    endpoint = medium(*words[1:])
    while True:
        try:
            with endpoint.connect() as stream:
                if accepts:
                    return 0
                stream.write(_WORD)
                stream.end()
                echo = b"".join(iter(stream.read, b""))
        except StreamError as error:
            reason = str(error)
        except NsbridgeError as error:
            print(error, file=sys.stderr)
            return 1
        else:
            if echo == _WORD:
                return 0
            reason = f"{_WORD!r} came back as {echo!r}"
        if time.monotonic() > deadline:
            print(reason, file=sys.stderr)
            return 1
        time.sleep(_STEP)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
