"""The environment's word on tracking, beside params.yaml's."""

import pytest

from pipeline.errors import UserError
from pipeline.tracking.client.params import TrackingParams, is_switched_off


def test_the_environment_switches_tracking_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the variable stages are tracked; it says on or off."""
    monkeypatch.delenv("PIPELINE_TRACKING", raising=False)
    assert not is_switched_off(TrackingParams())
    for setting in ("on", "off"):
        monkeypatch.setenv("PIPELINE_TRACKING", setting)
        assert is_switched_off(TrackingParams()) == (setting == "off")


@pytest.mark.parametrize("setting", ["", "no", "0", "OFF\n"])
def test_another_setting_is_named(monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    """A word that could mean either is not guessed at."""
    monkeypatch.setenv("PIPELINE_TRACKING", setting)
    with pytest.raises(UserError, match=r"PIPELINE_TRACKING: expected on or off, got '.*'"):
        is_switched_off(TrackingParams())


def test_where_tracking_is_required_it_stays_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """params.yaml promises a run of every stage, and goes before the environment."""
    monkeypatch.setenv("PIPELINE_TRACKING", "off")
    assert not is_switched_off(TrackingParams(required=True))
