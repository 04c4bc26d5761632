"""Waits until a message comes back from an endpoint, or just until a stream opens; then exits with 0."""

from __future__ import annotations

import sys
import time

from nsbridge.errors import NsbridgeError, StreamError
from nsbridge.media.base import Medium
from nsbridge.media.table import medium

_STEP = 0.005  # seconds; the server may not have bound its endpoint yet, and nothing tells when it has
_WORD = b"ready?\n"


def main(words: list[str]) -> int:
    """Take `SECONDS` and an endpoint in words; `--accepts` before them if a stream that opens is enough."""
    accepts = words[0] == "--accepts"
    words = words[accepts:]
    deadline = time.monotonic() + float(words[0])
    try:
        with medium(*words[1:]) as endpoint:
            while (fault := _try(endpoint, accepts)) and time.monotonic() < deadline:
                time.sleep(_STEP)
    except NsbridgeError as error:
        fault = str(error)
    if fault:
        print(fault, file=sys.stderr)
    return 1 if fault else 0


def _try(endpoint: Medium, accepts: bool) -> str | None:
    """Return what is wrong with the endpoint, if anything."""
    try:
        with endpoint.connect() as stream:
            if accepts:
                return None
            stream.write(_WORD)
            stream.end()
            echo = b"".join(iter(stream.read, b""))
    except StreamError as error:
        return str(error)
    return None if echo == _WORD else f"{_WORD!r} came back as {echo!r}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
