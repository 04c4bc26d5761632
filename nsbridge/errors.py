"""The errors that nsbridge raises: one shallow tree, and every message says what to do.

A module translates foreign errors once, where it meets them; above that edge only these are seen.
"""


class NsbridgeError(Exception):
    """Base of all; its text is one line that a person can act on."""

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows in place of a traceback."""
        return [f"\x1b[1;31m{type(self).__name__}\x1b[0m: {' '.join(str(self).split())}"]


class UsageError(NsbridgeError):
    """What was asked for cannot be: an unknown pair, a name in use, no such lab."""


class HostError(NsbridgeError):
    """The host lacks something: a program, a permission, a kernel feature."""


class ContainerError(NsbridgeError):
    """runc refused or a container died; carries runc's own words."""


class StreamError(NsbridgeError):
    """Base of what a stream or a medium raises."""


class Refused(StreamError):
    """Nobody serves at the endpoint."""


class Broken(StreamError):
    """The stream ended without its end: the other side is gone or gave up."""
