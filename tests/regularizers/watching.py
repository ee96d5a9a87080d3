"""What the state of a network is after every step."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from stages.config import Training
from stages.regularizers.base import Regularizer, Step, Work
from stages.training.loop import Trained
from tests.training.conftest import run


def watched(settings: Training, **methods: dict[str, Any]) -> tuple[Trained, list[dict[str, Tensor]]]:
    """A training, and its network's own states: the initial one and that after each step."""
    states: list[dict[str, Tensor]] = []

    class Watch(Work):
        def note(self, step: Step) -> None:
            states.append({name: value.clone() for name, value in step.network.state_dict().items()})

        def batch(self, step: Step) -> None:
            if not states:
                self.note(step)

        def updated(self, step: Step) -> None:
            self.note(step)

    fields = {"key": "zz_watch", "acts_on": "weights", "work": Watch, "__module__": __name__}
    spec: Regularizer = type("Watching", (Regularizer,), fields)()
    return run(settings, others=[spec], **methods), states
