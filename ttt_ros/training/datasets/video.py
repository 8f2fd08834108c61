"""Frames of a video file, by time, decoded by FFmpeg through PyAV (AV1 included)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from ttt_ros.errors import RecordingError
from ttt_ros.training.datasets.episode import Pixels

_TOLERANCE = 0.5
"""Of the time between two frames: a frame further than this from its row belongs to another one."""


@dataclass(frozen=True, kw_only=True)
class VideoFrames:
    """The frames of one episode in a video file, which may hold others.

    Attributes:
        path: of the file.
        times: of the frames in the video, in seconds, increasing.
        period: seconds between two frames.
        size: height and width in pixels.
    """

    path: Path
    times: Sequence[float]
    period: float
    size: tuple[int, int]

    def __iter__(self) -> Iterator[Pixels]:
        """Decodes frame after frame.

        Raises:
            RecordingError: the file is missing or damaged, a frame is missing, or its size is another.
        """
        if not self.path.exists():
            raise RecordingError(f"the video {self.path} is missing; download the data set again, videos included")
        wanted = 0
        try:
            for time, pixels in _decoded(self.path, start=self.times[0]):
                if time < self.times[wanted] - _TOLERANCE * self.period:
                    continue
                if time > self.times[wanted] + _TOLERANCE * self.period:
                    break
                if pixels.shape[:2] != self.size:
                    raise RecordingError(f"the frames of {self.path} are {pixels.shape[:2]}, but the data set says {self.size}; mend it")
                yield pixels
                wanted += 1
                if wanted == len(self.times):
                    return
        except av.error.FFmpegError as error:
            raise RecordingError(f"the video {self.path} is truncated or damaged ({error.strerror}); download it again") from None
        raise RecordingError(
            f"the video {self.path} has no frame at {self.times[wanted]:.3f} s, row {wanted} of {len(self.times)}; "
            "it does not belong to these numbers, or it was cut off"
        )


def _decoded(path: Path, *, start: float) -> Iterator[tuple[float, Pixels]]:
    """The frames from the key frame before ``start`` seconds on, each with its time."""
    with av.open(str(path)) as container:
        if not container.streams.video:
            raise RecordingError(f"{path} holds no video stream; download it again")
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        if start > 0 and stream.time_base:
            container.seek(int(start / stream.time_base), stream=stream)
        for frame in container.decode(stream):
            if frame.time is not None:
                yield frame.time, np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
