from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from lightly.loss.swav_loss import sinkhorn
from numpy.typing import NDArray

from teachmatters.errors import UnknownNameError
from teachmatters.models.mini.sources import mini_network
from teachmatters_train.backbone import class_token, embed, encode
from teachmatters_train.contrast import info_nce
from teachmatters_train.loop import Training
from teachmatters_train.method import LIGHT, Batch, Corpus
from teachmatters_train.methods import METHODS, find, moco
from teachmatters_train.recipe import Recipe, seeded

Small = Callable[[str], Any]
CPU = torch.device("cpu")
STEPS = 20
# The momentum at the start.
MOMENTUM = {"dino": 0.99, "moco": 0.99}


def whole(corpus: Corpus) -> Batch:
    return Batch(torch.from_numpy(corpus.images), torch.arange(len(corpus.images)))


def test_an_unknown_method_suggests_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown method 'dyno'. Did you mean 'dino'\? The methods are"):
        find("dyno")


@pytest.mark.parametrize("name", ["supervised", "clip", "moco", "mae", "beit"])
def test_the_loss_falls(name: str, corpus: Corpus, small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moco, "PAIRED", LIGHT)  # rotated crops of these bars look all the same
    method = small(name)
    training = Training(method, Recipe(images=16, epochs=STEPS, batch=16), {"method": name}, CPU)
    for _ in range(STEPS):
        training._step(corpus)
    assert np.mean(training.losses[-3:]) < 0.95 * np.mean(training.losses[:3])


def test_dino_learns_to_match_a_teacher(corpus: Corpus, small: Small) -> None:
    """Its loss need not fall while the teacher moves, so it stands still here."""
    method: Any = small("dino")
    method.after_step = lambda progress: None
    training = Training(method, Recipe(images=16, epochs=STEPS, batch=16), {"method": "dino"}, CPU)
    for _ in range(STEPS):
        training._step(corpus)
    assert np.mean(training.losses[-3:]) < 0.98 * np.mean(training.losses[:3])


@pytest.mark.parametrize("name", METHODS)
def test_every_part_of_the_backbone_is_trained(name: str, corpus: Corpus, small: Small) -> None:
    method = small(name)
    with seeded(0, 1):
        method.loss(whole(corpus), 0.5).backward()
    still = [key for key, each in method.backbone.named_parameters() if each.grad is None or not each.grad.any()]
    assert still == []


def test_the_forward_pass_in_parts_is_timms() -> None:
    network: Any = mini_network().eval()
    pixels = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(encode(network, embed(network, pixels)), network.forward_features(pixels))


def test_smaller_images_take_interpolated_positions() -> None:
    network: Any = mini_network()
    torch.nn.init.zeros_(network.patch_embed.proj.weight)
    torch.nn.init.zeros_(network.patch_embed.proj.bias)
    slope = torch.linspace(0, 7, 8)
    with torch.no_grad():
        network.pos_embed[0, 1:, 0] = slope.repeat(8)
    first = embed(network, torch.zeros(1, 3, 32, 32))[0, :, 0].reshape(4, 4)
    expected = slope.reshape(4, 2).mean(1)  # the middle of every two columns
    torch.testing.assert_close(first, expected.expand(4, 4), atol=0.2, rtol=0)


def slow_info_nce(queries: NDArray[Any], keys: NDArray[Any], scale: float) -> float:
    total = 0.0
    for i, query in enumerate(queries):
        scores = [scale * query @ key / np.linalg.norm(query) / np.linalg.norm(key) for key in keys]
        total += math.log(sum(math.exp(score) for score in scores)) - scores[i]
    return total / len(queries)


def test_info_nce_equals_a_textbook_loop() -> None:
    rng = np.random.default_rng(0)
    queries, keys = rng.normal(size=(2, 6, 5))
    found = info_nce(torch.from_numpy(queries), torch.from_numpy(keys), 4.0)
    assert found.item() == pytest.approx(slow_info_nce(queries, keys, 4.0))


@pytest.mark.parametrize("name", ["dino", "moco"])
@pytest.mark.parametrize("progress", [0.0, 0.5, 1.0])
def test_the_teacher_is_the_moving_average_of_its_student(name: str, progress: float, small: Small) -> None:
    method: Any = small(name)
    head = "head" if name == "dino" else "projector"
    taught = [*method.teacher.parameters(), *getattr(method, f"teacher_{head}").parameters()]
    followed = [*method.backbone.parameters(), *getattr(method, head).parameters()]
    before = [value.clone() for value in taught]
    assert all(torch.equal(old, student) for old, student in zip(before, followed, strict=True))
    assert not any(value.requires_grad for value in taught)
    with torch.no_grad():
        torch._foreach_add_(followed, 1.0)
    method.after_step(progress)
    moved = (1 - MOMENTUM[name]) * (1 - progress)  # half a cosine is straight at its ends and its middle
    for old, now in zip(before, taught, strict=True):
        torch.testing.assert_close(now, old + moved)


def test_every_step_moves_the_teacher(corpus: Corpus, small: Small) -> None:
    method: Any = small("moco")
    asked: list[float] = []
    method.after_step = asked.append
    training = Training(method, Recipe(images=16, epochs=4, batch=16), {"method": "moco"}, CPU)
    training._step(corpus)
    training._step(corpus)
    assert asked == [0.0, 0.25]


def test_dino_uses_all_prototypes_equally(corpus: Corpus, small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sinkhorn-Knopp's centring: each row sums to 1, and the columns' sums are far more alike than a softmax's."""
    from teachmatters_train.methods import dino

    taught: list[torch.Tensor] = []

    def noted(answers: torch.Tensor, epsilon: float) -> torch.Tensor:
        taught.extend((answers, sinkhorn(answers, epsilon=epsilon)))
        return taught[-1]

    monkeypatch.setattr(dino, "sinkhorn", noted)
    small("dino").loss(whole(corpus), 0.0)
    answers, centred = taught[0], taught[1]
    torch.testing.assert_close(centred.sum(1), torch.ones(16))
    assert centred.sum(0).std() < 0.2 * (answers / dino.TEACHER[0]).softmax(1).sum(0).std()


def test_the_class_token_sees_another_part_of_each_image() -> None:
    network: Any = mini_network().eval()
    seen: list[torch.Tensor] = []
    network.blocks[0].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    pixels = torch.randn(2, 3, 64, 64)
    class_token(network, pixels, 0.5)
    torch.testing.assert_close(class_token(network, pixels), network.forward_features(pixels)[:, 0])
    part, every = seen[0], seen[1]
    assert part.shape == (2, 33, 96)
    torch.testing.assert_close(part[:, 0], every[:, 0])
    places = [[int((every[i, 1:] - token).abs().sum(1).argmin()) for token in part[i, 1:]] for i in range(2)]
    assert all(len(set(found)) == 32 for found in places)
    assert set(places[0]) != set(places[1])
    for i in range(2):
        torch.testing.assert_close(part[i, 1:], every[i, 1:][places[i]])


def test_mae_sees_a_quarter_and_reconstructs_the_rest(corpus: Corpus, small: Small) -> None:
    method: Any = small("mae")
    kept, masked = method.mask(8)
    assert kept.shape == (8, 16)
    assert masked.shape == (8, 48)
    assert all(sorted([*k.tolist(), *m.tolist()]) == list(range(64)) for k, m in zip(kept, masked, strict=True))
    assert len({tuple(sorted(row.tolist())) for row in kept}) == 8
    seen: list[int] = []
    hook = method.backbone.blocks[0].register_forward_pre_hook(lambda _, given: seen.append(given[0].shape[1]))
    method.loss(whole(corpus), 0.0)
    hook.remove()
    assert seen == [17]


def test_reconstructed_patches_are_at_their_positions(small: Small) -> None:
    """A visible patch's token reaches the decoder at its own place."""
    method: Any = small("mae")
    taken: list[torch.Tensor] = []
    method.decoder.register_forward_pre_hook(lambda _, given: taken.append(given[0]))
    kept = torch.tensor([[3, 60]])
    seen = torch.randn(1, 3, 96)
    method.decode(seen, kept)
    tokens = taken[0] - method.positions
    torch.testing.assert_close(tokens[0, [0, 4, 61]], method.enter(seen)[0])
    torch.testing.assert_close(tokens[0, 5], method.hidden[0, 0])


def test_beit_masks_rectangles_of_about_two_fifths(small: Small) -> None:
    method: Any = small("beit")
    with seeded(0, 0):
        masks = method.mask(50)
    share = masks.float().mean(1)
    assert 0.3 < share.mean() < 0.41
    assert share.max() <= 26 / 64
    grid = masks.reshape(50, 8, 8)
    neighbours = (grid[:, :, 1:] == grid[:, :, :-1]).float().mean()
    assert neighbours > 0.65  # independent masks would have 0.52


def test_beits_tokens_are_the_nearest_centres(corpus: Corpus, small: Small) -> None:
    method: Any = small("beit")
    pixels = torch.from_numpy(corpus.images[:2]).float() / 127.5 - 1
    found = method.tokens(pixels)
    patch = pixels[1].numpy()[:, 8:16, 24:32].transpose(1, 2, 0).reshape(-1)  # row 1, column 3
    distances = ((method.centres.numpy() - patch) ** 2).sum(1)
    assert found[1, 11] == distances.argmin()
    assert len(method.centres) == 128


def test_captions_of_mirror_images_swap_sides() -> None:
    from teachmatters_train.methods.clip import Words

    words = Words(["a bird flying left", "a bird flying right"])
    numbers = words.numbers("a bird flying left")
    assert torch.equal(words.mirrored(numbers), words.numbers("a bird flying right"))
    assert torch.equal(words.mirrored(words.mirrored(numbers)), numbers)
