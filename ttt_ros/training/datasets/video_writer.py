"""Writing a video file frame by frame, as LeRobot does: AV1 with a key frame every second frame, so that any frame is found fast."""

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from ttt_ros.errors import RecordingError
from ttt_ros.training.datasets.episode import Pixels

_ENCODER = "libsvtav1"
_OPTIONS = {"g": "2", "crf": "30", "preset": "10"}

_ERRORS_ONLY = "1"


class VideoWriter:
    """An mp4 file that is open until it is closed."""

    def __init__(self, path: Path, *, size: tuple[int, int], rate: float) -> None:
        """Opens ``path`` for frames of ``size`` (height and width in pixels, both even) at ``rate`` per second.

        Raises:
            RecordingError: the size is odd, which the colour format of videos cannot hold, or FFmpeg lacks the encoder.
        """
        height, width = size
        if height % 2 or width % 2:
            raise RecordingError(f"a video needs an even height and width, not {height} x {width}; write the images as png instead")
        # The encoder otherwise prints twenty lines for each file, and reads its level from here alone.
        os.environ.setdefault("SVT_LOG", _ERRORS_ONLY)
        self._period = 1 / rate
        self._count = 0
        self._container = av.open(str(path), mode="w")
        try:
            stream: Any = self._container.add_stream(_ENCODER, rate=Fraction(rate).limit_denominator(100_000), options=_OPTIONS)
        except av.codec.codec.UnknownCodecError:
            raise RecordingError(f"this build of PyAV has no encoder {_ENCODER}; write the images as png instead") from None
        self._stream = _sized(stream, height=height, width=width)

    @property
    def duration(self) -> float:
        """Seconds written so far."""
        return self._count * self._period

    def write(self, pixels: Pixels) -> None:
        """Appends one frame."""
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts = self._count
        frame.time_base = Fraction(self._period).limit_denominator(100_000)
        self._container.mux(self._stream.encode(frame))
        self._count += 1

    def close(self) -> None:
        """Writes what is left and the index; nothing may be written afterwards."""
        self._container.mux(self._stream.encode())
        self._container.close()


def _sized(stream: Any, *, height: int, width: int) -> Any:
    stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
    return stream
