"""Chunks and reports of windows as the safeguard reads them."""

from ttt_ros.adaptation.report import WindowReport
from ttt_ros.control.schedule import Chunk
from ttt_ros.safeguard.figures import ChunkFigures, WindowFigures


def chunk_figures(chunk: Chunk) -> ChunkFigures:
    """Of one scheduled chunk."""
    return ChunkFigures(base_deviation=chunk.base_deviation, feature_deviation=chunk.feature_deviation)


def window_figures(report: WindowReport) -> WindowFigures:
    """Of one window."""
    return WindowFigures(
        version=report.version,
        committed=report.committed,
        withheld=report.withheld,
        samples=report.samples,
        trimmed=report.trimmed or 0,
        prediction_loss=report.prediction_loss,
        gradient_norm=report.gradient_norm,
        update_norm=report.update_norm,
        action_deviation=report.action_deviation,
        drift_total=report.drift_total,
        drift_per_module=report.drift_per_module,
    )
