"""What tests on regularizers share with those of training."""

from tests.training.conftest import _as_the_stage_sets_up_torch, settings

__all__ = ["_as_the_stage_sets_up_torch", "settings"]
