"""Finding the files of config/."""

import pytest

from ttt_ros.control.shipped_configuration import shipped_configuration
from ttt_ros.errors import ConfigurationError


@pytest.mark.parametrize("name", ["safeguard.yaml", "calibration.yaml", "safeguard_reactive.yaml"])
def test_a_shipped_file_is_found(name: str) -> None:
    assert shipped_configuration(name).is_file()


def test_a_file_that_is_not_shipped_is_refused_with_its_name() -> None:
    with pytest.raises(ConfigurationError, match=r"'other.yaml' did not come with this installation"):
        shipped_configuration("other.yaml")
