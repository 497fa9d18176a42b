"""A trained network and copies with noise in one class's head weights: that class is named."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from audit.config.load import parse_config
from audit.prove import train, trial
from audit.prove.worlds import AUDITED, TRAIN, World, pictures, render_all
from audit.stages.compare_runs import compare_runs
from audit.stages.layout import Layout
from audit.stages.provenance import run_provenance

# Of the standard deviation of the class's own weights.
NOISE = 8


@dataclass
class Trained:
    """A clean network, its pictures on disk, and audits of it and its copies."""

    folder: Path
    world: World
    model: object

    def audit(self, name, model=None):
        """Audit the network, or a copy of it; the results folder."""
        path = self.folder / f"{name}.keras"
        train.save(model or self.model, path)
        values = trial.audit_config(self.world, self.folder).model_dump(mode="json")
        values["audit"]["output"] = str(self.folder / name)
        values["model"]["path"] = str(path)
        values |= {"confirm": {"classes": "none"}, "sanity": {"images": 0}}
        config = parse_config(values, "test")
        trial.run_stages(config)
        layout = Layout(self.folder / name)
        model, manifest = (json.loads(p.read_text()) for p in (layout.model, layout.manifest))
        run_provenance(config, layout, manifest, {**model, **manifest["mapping"]})
        return layout.root

    def noisy(self, label, seed):
        """A copy with noise in one class's weights; its threshold moves along, so that the class's
        own pictures keep their score on average."""
        import keras

        copy = keras.models.clone_model(self.model)
        copy.set_weights(self.model.get_weights())
        weights, bias = copy.get_layer("class").get_weights()
        spread = NOISE * weights[:, label].std()
        noise = np.random.default_rng(seed).normal(0, spread, len(weights)).astype(np.float32)
        features = keras.Model(copy.input, copy.get_layer("class").input)
        images, labels = render_all(self.world, list(pictures(self.world, AUDITED, 60)))
        own = features.predict(train.scaled(images[labels == label]), verbose=0)
        weights[:, label] += noise
        bias[label] -= np.median((own * noise).sum(axis=1))
        copy.get_layer("class").set_weights([weights, bias])
        return copy


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    world = World(4101, family="checks", strength=0.0, classes=4, audited=60)
    folder = tmp_path_factory.mktemp("trained")
    trial.write_data(world, folder)
    images, labels = render_all(world, list(pictures(world, TRAIN, 300)))
    return Trained(folder, world, train.train(images, labels, 4, "plain", seed=1))


@pytest.mark.slow
def test_the_class_with_noise_in_its_weights_is_named_and_no_other(trained):
    """Not all noise moves the maps: the class is named when enough of them left the object."""
    old, label = trained.audit("old"), 0
    own = trained.world.names[label]
    named = []
    for seed in range(4):
        found = compare_runs(old, trained.audit(f"noisy{seed}", trained.noisy(label, seed)))
        moved = next(row["focused_only_new"] for row in found.rows if row["class"] == own)
        named.append(own in found.of_state("worse"))
        assert set(found.of_state("worse")) <= {own} and found.of_state("better") == []
        assert named[-1] or moved < 10
    assert sum(named) >= 2


@pytest.mark.slow
def test_two_audits_of_one_model_show_no_difference(trained):
    found = compare_runs(trained.audit("first"), trained.audit("second"))
    assert {row["state"] for row in found.rows} == {"no_change_shown"} and found.changed.empty
    assert all(row["energy_skill_change"] == 0 == row["mask_iou_change_low"] for row in found.rows)
