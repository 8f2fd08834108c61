"""Writing a file that appears whole or not at all."""

from pathlib import Path

from ttt_ros.errors import RecordingError


def write_whole(path: Path, content: str | bytes) -> None:
    """Writes a file aside and renames it; its folder is made if missing, and text is UTF-8.

    Raises:
        RecordingError: it cannot be written.
    """
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        unfinished.replace(path)
    except OSError as error:
        raise RecordingError(f"cannot write {path}: {error.strerror}; check the folder and the space left on the disk") from None
