"""The images of a report, named by their content; knows only their bytes."""

import base64
import hashlib
import io
from dataclasses import dataclass, field

from PIL import Image

# First bytes of each format that Typst can place, and what browsers call it.
_FORMATS = (
    (b"\x89PNG\r\n\x1a\n", "png", "image/png"),
    (b"\xff\xd8\xff", "jpg", "image/jpeg"),
    (b"GIF8", "gif", "image/gif"),
    (b"RIFF", "webp", "image/webp"),
    (b"%PDF-", "pdf", "application/pdf"),
)
_SVG = ("svg", "image/svg+xml")


def _format(data: bytes) -> tuple[str, str] | None:
    for magic, suffix, mimetype in _FORMATS:
        if data.startswith(magic):
            return suffix, mimetype
    return _SVG if b"<svg" in data[:4096] else None


def _is_broken(data: bytes, suffix: str) -> bool:
    if suffix in ("svg", "pdf"):
        return False
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
    except (OSError, ValueError, SyntaxError):
        return True
    return False


@dataclass
class Assets:
    """Image files by name (`<hash>.<suffix>`)."""

    files: dict[str, bytes] = field(default_factory=dict)

    def add(self, data: bytes) -> str | None:
        """Keep the image `data` and return its name, or None where no known format is in it, or a broken one."""
        found = _format(data)
        if found is None or _is_broken(data, found[0]):
            return None
        name = f"{hashlib.sha256(data).hexdigest()[:16]}.{found[0]}"
        self.files[name] = data
        return name

    def data_url(self, name: str) -> str:
        """Return the image as a `data:` address (RFC 2397)."""
        data = self.files[name]
        found = _format(data)
        mimetype = found[1] if found else "application/octet-stream"
        return f"data:{mimetype};base64,{base64.b64encode(data).decode()}"
