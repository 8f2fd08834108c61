"""The limits of the verdict, read from YAML; config/evaluation.yaml says why each is what it is."""

from dataclasses import dataclass
from typing import Annotated, TypeAlias

from pydantic import Field

from ttt_ros import configuration
from ttt_ros.evaluation.bags.examination import Share
from ttt_ros.evaluation.run_record import Count

Positive: TypeAlias = Annotated[float, Field(gt=0)]
Change: TypeAlias = Annotated[float, Field(ge=0)]
"""A relative difference; 0.02 is two per cent."""


@configuration.strict
@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """What an evaluation on bags must keep to. The defaults are those of config/evaluation.yaml.

    Attributes:
        max_gap: s for which a camera or the joint states may be silent.
        min_camera_rate: Hz.
        min_joint_rate: Hz.
        max_repeated: share of a stream's messages that repeat the stamp before.
        max_backwards: messages of a stream whose stamp is earlier than the one before.
        max_lag_difference: s by which the streams' lags may differ.
        max_frozen: s for which a camera may give the same picture while the arm moves.
        max_gain_error: by how much a joint's gain may differ from 1.
        min_explained: share of a joint's motion that its commands must explain for its gain to be judged.
        min_chunks: that the adapting and the frozen arm have in common with commands, if there are commands.
        min_windows: that the adapting and the frozen arm have in common.
        min_blocks: in which these windows lie; intervals are drawn from them.
        max_held: share of the control ticks of the frozen and the adapting arm.
        max_error_over_held: action error of the frozen arm over that of holding still.
        min_committed: share of the windows.
        max_loss_increase: of the adapting arm against the frozen one.
        max_action_increase: likewise of the action error.
        min_loss_decrease: beyond the noise floor; None: no gain is asked for.
        min_action_decrease: likewise of the action error.
        max_drift: of any window, relative.
        max_at_greatest: share of the windows whose drift is the greatest of the run.
        max_action_deviation: on the probes, rad.
        min_flipped_loss: by how much worse than the adapting arm the one with flipped sign must predict, relative to frozen.
    """

    max_gap: Positive = 1.0
    min_camera_rate: Positive = 5.0
    min_joint_rate: Positive = 10.0
    max_repeated: Share = 0.01
    max_backwards: Count = 0
    max_lag_difference: Positive = 0.08
    max_frozen: Positive = 1.0
    max_gain_error: Positive = 0.15
    min_explained: Share = 0.5

    min_chunks: Count = 20
    min_windows: Count = 20
    min_blocks: Count = 10

    max_held: Share = 0.1
    max_error_over_held: Positive = 1.0

    min_committed: Share = 0.5
    max_loss_increase: Change = 0.02
    max_action_increase: Change = 0.02
    min_loss_decrease: Change | None = 0.0
    min_action_decrease: Change | None = None
    max_drift: Positive = 3.0
    max_at_greatest: Share = 0.5
    max_action_deviation: Positive = 1.0
    min_flipped_loss: Change = 0.0
