"""Which classes are explained in an image, and what of the model's scores each of them is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

# A multi-label output counts as predicted from this probability on.
MULTI_LABEL_THRESHOLD = 0.5


@dataclass(frozen=True)
class Target:
    """One class to explain in one image."""

    class_name: str
    outputs: tuple[int, ...]
    roles: tuple[str, ...]
    annotated: bool
    """The class has an object in the image; else all annotated objects are the reference."""


class TargetChooser:
    """Chooses targets by the config's rule; one for a whole shard.

    ``mapping``: data set class -> outputs. ``labels``: names of the outputs, or None. ``kind``:
    softmax, sigmoid, binary or logits.
    """

    def __init__(
        self,
        mapping: Mapping[str, Sequence[int]],
        labels: Sequence[str] | None,
        kind: str,
        chosen: Sequence[str],
        top_k: int,
    ) -> None:
        self.mapping = {name: tuple(outputs) for name, outputs in mapping.items()}
        self._labels = labels
        self._kind = kind
        self._chosen = chosen
        self._top_k = top_k
        self._class_of = {o: name for name, outputs in self.mapping.items() for o in outputs}
        # A label that names a class already, or several outputs (ImageNet's two cranes).
        self._taken = {*self.mapping, *(n for n, k in Counter(labels or ()).items() if k > 1)}

    def choose(self, annotated: Sequence[str], probabilities: np.ndarray) -> list[Target]:
        """Targets of an image with these annotated classes and probabilities (n,), sorted by name."""
        roles: dict[str, list[str]] = {}
        outputs: dict[str, tuple[int, ...]] = {}
        annotated = [name for name in annotated if name in self.mapping]
        for role in self._chosen:
            for name, its_outputs in self._of_role(role, annotated, probabilities):
                outputs[name] = its_outputs
                known = roles.setdefault(name, [])
                label = role if role in ("annotated", "predicted", "top_k") else "listed"
                if label not in known:
                    known.append(label)
        for name, its_roles in roles.items():
            # A role that applies is told even where another one asked for the class.
            if name in annotated and "annotated" not in its_roles:
                its_roles.append("annotated")
            if name == self.predicted_class(probabilities) and "predicted" not in its_roles:
                its_roles.append("predicted")
        return [
            Target(name, outputs[name], tuple(sorted(roles[name])), name in annotated)
            for name in sorted(roles)
        ]

    def _of_role(
        self, role: str, annotated: Sequence[str], probabilities: np.ndarray
    ) -> list[tuple[str, tuple[int, ...]]]:
        if role == "annotated":
            return [(name, self.mapping[name]) for name in annotated]
        if role == "predicted":
            return [self.class_of(o) for o in self._predicted(probabilities)]
        if role == "top_k":
            order = np.argsort(-probabilities, kind="stable")[: self._top_k]
            return list(dict.fromkeys(self.class_of(int(o)) for o in order))
        return [(role, self.mapping[role])]

    def _predicted(self, probabilities: np.ndarray) -> list[int]:
        if self._kind == "sigmoid":
            return [int(o) for o in np.flatnonzero(probabilities >= MULTI_LABEL_THRESHOLD)]
        return [int(probabilities.argmax())]

    def class_of(self, output: int) -> tuple[str, tuple[int, ...]]:
        """Name and outputs of the class that an output belongs to; itself where it is not mapped."""
        name = self._class_of.get(output)
        if name is not None:
            return name, self.mapping[name]
        label = self._labels[output] if self._labels else f"output_{output}"
        return (f"{label} (output {output})" if label in self._taken else label), (output,)

    def predicted_class(self, probabilities: np.ndarray) -> str:
        """Name of the top output's class."""
        return self.class_of(int(probabilities.argmax()))[0]

    def correct(
        self, target: Target, annotated: Sequence[str], probabilities: np.ndarray
    ) -> bool | None:
        """Whether the prediction is right; None where no annotated class is mapped.

        The top output belongs to an annotated class; for multi-label models, the target's own
        probability passes .5.
        """
        if self._kind == "sigmoid":
            if not target.annotated:
                return None
            return bool(probabilities[list(target.outputs)].max() >= MULTI_LABEL_THRESHOLD)
        mapped = [name for name in annotated if name in self.mapping]
        if not mapped:
            return None
        return self._class_of.get(int(probabilities.argmax())) in mapped


def output_rank(outputs: Sequence[int], probabilities: np.ndarray) -> int:
    """Place of a class's best output among all of the model's, from 1; of equal ones the first is
    ahead, as where the top output is taken."""
    best = min(outputs, key=lambda output: (-probabilities[output], output))
    ahead = probabilities > probabilities[best]
    ahead[:best] |= probabilities[:best] == probabilities[best]
    return int(np.count_nonzero(ahead)) + 1
