"""What the notebooks show: each function looks at a lab and returns something that shows itself.

A lower layer never imports it. Nothing here draws: pictures are `study/plots.py`, `drawings.py` and `timelines.py`.
"""

from nsbridge.forms import Lines, Sheet
from nsbridge.labs import fresh
from nsbridge.show.bundle import against_spec, annotated, bundle, chroot, differences, layers, write
from nsbridge.show.containers import hit, inodes, life, limits, lsns, outlook, reach
from nsbridge.show.joining import Journey
from nsbridge.show.safety import attempts, story, used_up, verdict
from nsbridge.show.talk import Conversation, crowd, hard_messages
from nsbridge.show.watching import Watched

__all__ = [
    "Conversation",
    "Journey",
    "Lines",
    "Sheet",
    "Watched",
    "against_spec",
    "annotated",
    "attempts",
    "bundle",
    "chroot",
    "crowd",
    "differences",
    "fresh",
    "hard_messages",
    "hit",
    "inodes",
    "layers",
    "life",
    "limits",
    "lsns",
    "outlook",
    "reach",
    "story",
    "used_up",
    "verdict",
    "write",
]
