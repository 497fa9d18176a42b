"""Each network is built and saved once."""

import pytest

from audit.models.probe import ModelProbe

from .networks import NETWORKS, config, keras


@pytest.fixture(autouse=True)
def seeded():
    """Weights are random, and the same each time."""
    keras.utils.set_random_seed(0)


@pytest.fixture(scope="session")
def network(tmp_path_factory):
    """name -> (network, path of its file)."""
    made = {}

    def get(name):
        if name not in made:
            keras.utils.set_random_seed(sorted(NETWORKS).index(name))
            path = tmp_path_factory.mktemp("models") / f"{name}.keras"
            made[name] = NETWORKS[name](), path
            made[name][0].model.save(path)
        return made[name]

    return get


@pytest.fixture
def probe(network):
    """A probe of a network by name; its layer is named only where it has to be."""

    def get(name, **keys):
        made, path = network(name)
        if made.explicit:
            keys.setdefault("explain__layer", made.layer)
        return ModelProbe(config(path, **keys))

    return get
