"""Shifts of the mechanics: backlash, a bent hand, and couplings that cannot be."""

from typing import Any

import mujoco
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ttt_ros.errors import SimulationError
from ttt_ros.simulation.engine import MODEL_PATH
from ttt_ros.simulation.shifted_model import apply_to_model
from ttt_ros.simulation.shifts import Shifts

PATH = str(MODEL_PATH)
POSE = np.array([0.3, 0.2, 0.1, 1.2, 0.4, 0.6])
JOINTS = st.tuples(*[st.floats(-2.0, 2.0)] * 6)


@settings(deadline=None)
@given(backlash=st.floats(0.0, 0.3), present=JOINTS, target=JOINTS)
def test_a_drive_stays_within_half_the_backlash_of_its_target_and_moves_no_further_than_needed(
    backlash: float, present: tuple[float, ...], target: tuple[float, ...]
) -> None:
    engaged = Shifts(backlash=backlash).engaged(np.array(present), np.array(target))
    gap = np.abs(np.array(target) - present)
    np.testing.assert_allclose(np.abs(engaged - target), np.minimum(gap, backlash / 2), atol=1e-12)
    np.testing.assert_allclose(np.abs(engaged - present), np.maximum(gap - backlash / 2, 0), atol=1e-12)


@pytest.mark.parametrize("bend", [(0.02, 0.0), (0.0, 0.03), (-0.01, -0.02)])
def test_a_bent_hand_moves_the_fingertip_by_its_bend(bend: tuple[float, float]) -> None:
    model, original = mujoco.MjModel.from_xml_path(PATH), mujoco.MjModel.from_xml_path(PATH)
    straight, bent = mujoco.MjData(original), mujoco.MjData(model)
    apply_to_model(Shifts(bent_hand=bend), model, original)
    for data, described in ((straight, original), (bent, model)):
        data.qpos[:6] = POSE
        mujoco.mj_forward(described, data)
    frame = straight.body("hand").xmat.reshape(3, 3)
    for kind, name in (("site", "tip"), ("geom", "fixed_finger"), ("geom", "moving_finger")):
        moved = getattr(bent, kind)(name).xpos - getattr(straight, kind)(name).xpos
        np.testing.assert_allclose(frame.T @ moved, [0.0, *bend], atol=1e-12)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"cross_coupling": (0.1, *(0.0,) * 35)}, "must be zero on its diagonal; use 'actuator_gain'"),
        (
            {"cross_coupling": (0.0, 0.2, -0.2, *(0.0,) * 33), "actuator_gain": (0.3, *(1.0,) * 5)},
            "moves shoulder_pan by 0.4 times the other joints' commands and must stay below its gain 0.3",
        ),
    ],
)
def test_a_coupling_that_would_make_commands_ambiguous_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(SimulationError) as refused:
        Shifts(**fields)
    assert message in str(refused.value)
