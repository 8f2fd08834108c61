"""The gate refuses outliers, learns from accepted windows alone, and gives way to a world that has changed for good."""

import math

import pytest

from ttt_ros.adaptation.checks import WindowRefusedError
from ttt_ros.adaptation.configuration import AdaptationConfig
from ttt_ros.adaptation.gate import LossGate

CONFIG = AdaptationConfig(gate_quantile=0.5, gate_factor=3.0, gate_history=8, gate_warmup=4, gate_patience=5)


def warm_gate(losses: tuple[float, ...] = (1.0, 2.0, 3.0, 4.0)) -> LossGate:
    gate = LossGate(history=CONFIG.gate_history)
    for loss in losses:
        gate.accept(loss)
    return gate


def test_there_is_no_limit_before_the_warm_up_is_over():
    assert warm_gate((1.0, 2.0, 3.0)).limit(CONFIG) == math.inf


def test_the_limit_is_the_factor_times_the_quantile():
    assert warm_gate().limit(CONFIG) == 3.0 * 2.0


def test_only_the_last_accepted_losses_count():
    assert warm_gate((100.0,) * 8 + (1.0,) * 8).limit(CONFIG) == 3.0


def test_refused_windows_do_not_move_the_limit():
    gate = warm_gate()
    for _ in range(CONFIG.gate_patience - 1):
        with pytest.raises(WindowRefusedError, match="window loss 100 is above the gate's limit, 6"):
            gate.check(100.0, CONFIG)
    assert gate.limit(CONFIG) == 6.0


def test_a_world_that_stays_changed_is_accepted_in_the_end():
    gate = warm_gate()
    for _ in range(CONFIG.gate_patience):
        with pytest.raises(WindowRefusedError):
            gate.check(100.0, CONFIG)
    gate.check(100.0, CONFIG)


def test_one_good_window_between_glitches_keeps_the_limit():
    gate = warm_gate()
    for _ in range(3 * CONFIG.gate_patience):
        with pytest.raises(WindowRefusedError):
            gate.check(100.0, CONFIG)
        gate.check(1.0, CONFIG)
    assert gate.limit(CONFIG) == 6.0


def test_the_history_ends_with_its_epoch():
    gate = warm_gate()
    gate.begin(0)
    assert gate.limit(CONFIG) == 6.0
    gate.begin(1)
    assert gate.limit(CONFIG) == math.inf


def test_a_loss_that_is_not_a_number_is_refused():
    with pytest.raises(WindowRefusedError):
        warm_gate().check(math.nan, CONFIG)
