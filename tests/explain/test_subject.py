"""The stand-in for a model is right about itself: its derivatives are those of its scores."""

import numpy as np
import pytest

from audit.explain import METHODS

from .subject import CELL, CLASSES, HEIGHT, WIDTH, FakeSubject, photographs, question


@pytest.mark.parametrize("n", range(CLASSES))
def test_gradients_at_the_image_are_the_slopes_of_the_scores(n):
    """In every cell and colour where no rectifier switches on the way."""
    subject, image = FakeSubject(), photographs(1)[0].astype(np.float32)
    seed = np.eye(CLASSES, dtype=np.float32)[n]
    (found,) = subject.input_gradients(None, image[None], [0], seed[None], "plain")
    seen = 0
    for i, j, c in np.ndindex(HEIGHT, WIDTH, 3):
        up, down = image.copy(), image.copy()
        up[i * CELL : (i + 1) * CELL, j * CELL : (j + 1) * CELL, c] += 4
        down[i * CELL : (i + 1) * CELL, j * CELL : (j + 1) * CELL, c] -= 4
        if ((subject._before(up) > 0) == (subject._before(down) > 0)).all():
            # A whole cell at once: one pixel's share would drown in float32.
            high, low = subject.scores_of(None, np.stack([up, down]), [0, 0])[:, n]
            slope = (float(high) - float(low)) / 8 / CELL**2
            own = found[i * CELL, j * CELL, c]
            assert own == pytest.approx(slope, rel=0.02, abs=0.02 * float(np.abs(found).max()))
            seen += 1
    assert seen > 30


def test_gradients_at_the_layer_lead_to_those_at_the_image():
    subject, pixels = FakeSubject(), photographs()
    forward, seeds = subject.forward(pixels), np.eye(CLASSES, dtype=np.float32)[[1]]
    (at_layer,) = subject.gradients(forward, 0, [2], seeds)
    active = subject.activations(forward, 0)[2] > 0
    cells = np.zeros((HEIGHT, WIDTH, 3))
    for i, j in np.ndindex(HEIGHT, WIDTH):
        for c in range(3):
            cells[i, j, c] = (at_layer[i, j] * active[i, j] * subject.mix[c]).sum()
    (at_image,) = subject.input_gradients(forward, pixels[[2]], [2], seeds, "plain")
    np.testing.assert_allclose(
        at_image[::CELL, ::CELL], cells / (255 * CELL**2), rtol=1e-4, atol=1e-9
    )


def test_methods_of_a_layer_share_what_was_asked_there():
    """Three methods take the gradient at a layer, which is worked out once."""
    subject = FakeSubject()
    asked, calls = question(subject), []
    answer = subject.gradients
    subject.gradients = lambda *given: calls.append(given) or answer(*given)
    for name in ("layercam", "hirescam", "gradcam_plus_plus"):
        METHODS.get(name).heatmaps(asked.trace(0))
    assert len(calls) == 1
