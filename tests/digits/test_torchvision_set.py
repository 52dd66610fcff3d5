"""MNIST and Fashion-MNIST through torchvision's own download, against a server on this machine."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torchvision.datasets
from downloads import GARBAGE, free_port, left_in
from local_server import Answer, Request, drip, half_then_nothing, no_answer, serving, status, whole
from PIL import Image
from typer.testing import CliRunner

from hindi_bn.cli import app
from hindi_bn.digits import fetch, load, torchvision_set
from hindi_bn.digits.checksums import Pixels
from hindi_bn.digits.datasets import fashion_mnist, mnist
from hindi_bn.errors import DataError, SourceError
from hindi_bn.study.files import load_study

FILES = {
    "train": "train-images-idx3-ubyte.gz", "train_labels": "train-labels-idx1-ubyte.gz",
    "test": "t10k-images-idx3-ubyte.gz", "test_labels": "t10k-labels-idx1-ubyte.gz",
}  # fmt: skip
ARRAYS = {"mnist": 3, "fashion-mnist": 4}  # seeds
DOWNLOADS = (("mnist", "MNIST", "MNIST"), ("fashion-mnist", "FashionMNIST", "Fashion-MNIST"))
CUT = "what it sends is cut off, or no file of this data set (by its MD5)"


def small_arrays(seed: int) -> dict[str, Pixels]:
    """70 + 40 images with a bright bar whose place tells the class; the classes are mixed."""
    random = np.random.default_rng(seed)
    arrays: dict[str, Pixels] = {}
    for split, count in (("train", 70), ("test", 40)):
        labels = random.permutation(np.arange(count) % 10).astype(np.uint8)
        images = random.integers(0, 40, (count, 28, 28), dtype=np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[2 * label : 2 * label + 3] += 190
        arrays[split], arrays[f"{split}_labels"] = images, labels
    return arrays


def idx(array: Pixels) -> bytes:
    """The file format, written out: two zeros, type 8 (uint8), dimensions, sizes, values; gzip."""
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return gzip.compress(head + array.tobytes(), mtime=0)


def small_files(name: str) -> dict[str, bytes]:
    arrays = small_arrays(ARRAYS[name])
    return {f"/{name}/{file}": idx(arrays[key]) for key, file in FILES.items()}


def serve(files: Mapping[str, bytes]) -> Answer:
    """Each file under its path, 404 for all else."""

    def answer(request: Request) -> None:
        known = files.get(request.url_path)
        (status(404) if known is None else whole(known))(request)

    return answer


def second_time(answer: Answer) -> Answer:
    """Well-behaved on the first request, on which torchvision looks for a redirection only."""

    def both(request: Request) -> None:
        first = len(request.server.requests) == 1
        (whole(b"") if first else answer)(request)

    return both


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No proxies, no variables of ours, and the MD5s of the small files in torchvision's lists."""
    for name in list(os.environ):
        if name.startswith("HINDI_BN_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name, torchvisions, _ in DOWNLOADS:
        resources = [
            (Path(path).name, hashlib.md5(data).hexdigest())
            for path, data in small_files(name).items()
        ]
        monkeypatch.setattr(getattr(torchvision.datasets, torchvisions), "resources", resources)
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


def download(monkeypatch: pytest.MonkeyPatch, urls: str, *arguments: str) -> Any:
    monkeypatch.setenv("HINDI_BN_MNIST_URL", urls)
    return run("download", *(arguments or ("--name", "mnist")))


def fetch_small(monkeypatch: pytest.MonkeyPatch, name: str = "mnist") -> None:
    with serving(serve(small_files(name))) as server:
        result = download(monkeypatch, server.url, "--name", name, "--quiet")
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""


@pytest.mark.parametrize(("name", "title"), [(d[0], d[2]) for d in DOWNLOADS])
def test_download_and_show(name: str, title: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(serve(small_files(name))) as server:
        result = download(monkeypatch, f"{server.url}/", "--name", name)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == f"{title} (from torchvision (127.0.0.1)) -> data\n"
    assert result.stderr == ""  # torchvision's own bars do not show
    assert left_in("data") == [".lock", f"{name}.safetensors"]
    expected, digits = small_arrays(ARRAYS[name]), load(Path("data"), name)
    for split, images, labels in (
        ("train", digits.train_images, digits.train_labels),
        ("test", digits.test_images, digits.test_labels),
    ):
        assert np.array_equal(images.numpy(), expected[split])  # in the files' order
        assert np.array_equal(labels.numpy(), expected[f"{split}_labels"])
        assert str(labels.dtype) == "torch.int64"
        assert digits.digests[split] == hashlib.sha256(expected[split].tobytes()).hexdigest()
    assert (digits.name, digits.title, digits.identical) == (name, title, False)
    seen = json.loads(run("data", "--name", name, "--json").stdout)
    assert (seen["title"], seen["source"]) == (title, "torchvision (127.0.0.1)")
    assert seen["counts"] == {"train": [7] * 10, "test": [4] * 10}
    assert seen["mean"]["train"] == pytest.approx(expected["train"].mean() / 255)
    assert seen["differing_classes"] is None


def test_what_is_there_is_not_fetched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    fetch_small(monkeypatch)
    with serving(serve(small_files("mnist"))) as server:
        again = download(monkeypatch, server.url)
        assert server.requests == []
        assert "`hindi-bn download --name mnist --force` fetches it again" in again.stderr
        assert again.exit_code == 0
        assert download(monkeypatch, server.url, "--name", "mnist", "--force").exit_code == 0
        assert len(server.requests) == 8  # torchvision asks for a redirection first, each time


def test_another_mirror_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(status(500)) as broken, serving(serve(small_files("mnist"))) as server:
        digits = download(
            monkeypatch, f"{broken.url} {f'http://127.0.0.1:{free_port()}'} {server.url}"
        )
    assert digits.exit_code == 0, digits.stderr
    assert left_in("data") == [".lock", "mnist.safetensors"]


def test_the_mirrors_are_torchvisions(monkeypatch: pytest.MonkeyPatch) -> None:
    assert mnist.DATA_SET.mirrors() == torchvision.datasets.MNIST.mirrors
    assert fashion_mnist.DATA_SET.mirrors() == torchvision.datasets.FashionMNIST.mirrors
    monkeypatch.setenv("HINDI_BN_MNIST_URL", "http://a/b  http://c/")
    assert mnist.DATA_SET.mirrors() == ["http://a/b/mnist/", "http://c/mnist/"]


def half(request: Request) -> None:
    data = small_files("mnist")[request.url_path]
    request.begin(200, len(data))
    request.wfile.write(data[: len(data) // 2])


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (half, CUT),
        (whole(GARBAGE), CUT),
        (whole(b""), CUT),
        (serve(small_files("fashion-mnist")), "HTTP Error 404: Not Found"),
        (status(503), "HTTP Error 503: Service Unavailable"),
        (second_time(status(404)), "HTTP Error 404: Not Found"),
        (lambda request: request.reply(302, Location=request.path), "HTTP Error 302: The HTTP"),
        (lambda request: None, "Remote end closed connection without response"),
        (second_time(lambda request: None), "Remote end closed connection without response"),
    ],
)
def test_it_fails_in_words(answer: Answer, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(answer) as server:
        result = download(monkeypatch, server.url)
    assert result.exit_code == 1
    assert "No mirror delivered MNIST." in result.stderr
    assert f"  - {server.url}/mnist/: {why}" in result.stderr
    assert "HINDI_BN_MNIST_URL" in result.stderr
    assert "Traceback" not in result.output
    assert left_in("data") == [".lock"]


@pytest.mark.parametrize(
    "answer",
    [no_answer, second_time(no_answer), second_time(half_then_nothing(b"x" * 1000))],
    ids=["silent", "silent at the file", "silent in the middle"],
)
def test_a_silent_mirror_is_given_up(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvision_set, "CONNECT_TIMEOUT", 0.3)
    start = time.monotonic()
    with serving(answer) as server:
        result = download(monkeypatch, server.url)
    assert f"{server.url}/mnist/: it did not answer in time\n" in result.stderr
    assert result.exit_code == 1
    assert time.monotonic() - start < 20
    assert left_in("data") == [".lock"]


def test_a_slow_mirror_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its bytes come within every time limit of a socket."""
    monkeypatch.setenv("HINDI_BN_DOWNLOAD_SECONDS", "0.5")
    with serving(second_time(drip(b"x" * 1000, 100))) as server:
        result = download(monkeypatch, server.url)
    assert f"{server.url}/mnist/: it took longer than 0.5 seconds\n" in result.stderr
    assert left_in("data") == [".lock"]
    assert socket.getdefaulttimeout() is None


def test_the_limits_are_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.datasets import utils as downloads

    bar, patience = downloads.tqdm, []

    def answer(request: Request) -> None:
        patience.append(socket.getdefaulttimeout())
        request.reply(404)

    with serving(answer) as server:
        assert download(monkeypatch, server.url).exit_code == 1
    assert patience == [10.0]
    assert socket.getdefaulttimeout() is None
    assert downloads.tqdm is bar


def test_it_sends_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvision_set, "MAX_BYTES", 1000)
    with serving(serve(small_files("mnist"))) as server:
        result = download(monkeypatch, server.url)
    assert "it sends more than 1,000 bytes" in result.stderr
    assert left_in("data") == [".lock"]


def test_no_connection_and_no_password_in_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    named = address.replace("http://", "http://ann:secret@")
    result = download(monkeypatch, f"{address} ftp://x {named}")
    assert f"{address}/mnist/: [Errno" in result.stderr
    assert "Connection refused" in result.stderr
    assert "ftp://x/mnist/: it must begin with http:// or https://" in result.stderr
    assert f"{address}/mnist/: it must begin with" in result.stderr
    assert "secret" not in result.output


def test_a_full_disk_is_no_fault_of_the_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torchvision_set._Bar, "update", full)
    with serving(serve(small_files("mnist"))) as server:
        result = download(monkeypatch, server.url)
    assert result.exit_code == 1
    assert "Cannot write to data." in result.stderr
    assert "No space left on device" in result.stderr
    assert left_in("data") == [".lock"]


def test_progress_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    files, seen = small_files("mnist"), []
    with serving(serve(files)) as server:
        monkeypatch.setenv("HINDI_BN_MNIST_URL", server.url)
        fetch("mnist", Path("data"), advance=lambda *what: seen.append(what))
    sizes = [len(data) for data in files.values()]
    assert [what for what in seen if what[1] == what[2]] == [
        ("Downloading", size, size) for size in sizes
    ]


@pytest.mark.slow
def test_ctrl_c_leaves_nothing_half_made() -> None:
    answer = second_time(half_then_nothing(b"x" * 100_000))
    with serving(answer) as server:
        process = subprocess.Popen(
            [sys.executable, "-c", "from hindi_bn.cli import main; main()",
             "download", "--name", "mnist"],
            env=os.environ | {"HINDI_BN_MNIST_URL": server.url},
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        deadline = time.monotonic() + 60
        while len(server.requests) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, printed = process.communicate(timeout=30)
    assert process.returncode == 130, printed
    assert "Interrupted" in printed
    assert left_in("data") == [".lock"]


@pytest.mark.parametrize(
    "arguments",
    [("here.zip",), ("--source", "uci"), ("--accept-different",), ("--source", "stand-in")],
)
def test_flags_of_the_digits_are_refused(arguments: tuple[str, ...]) -> None:
    result = run("download", "--name", "mnist", *arguments)
    assert result.exit_code == 2
    assert "--name mnist takes no PATH" in result.stderr


def test_missing_and_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = run("train", "--config", "mlp", "--data", "fashion-mnist")
    assert missing.exit_code == 1
    assert "Fashion-MNIST is not in data." in missing.stderr
    assert "hindi-bn download --name fashion-mnist" in missing.stderr
    fetch_small(monkeypatch)
    cache = Path("data/mnist.safetensors")
    intact = cache.read_bytes()
    for damaged in (intact[:-1] + bytes([intact[-1] ^ 1]), intact[:1000], b""):
        cache.write_bytes(damaged)
        with pytest.raises(DataError, match="is damaged"):
            load(Path("data"), "mnist")
    fetch_small(monkeypatch)  # without --force: what is there is of no use
    assert cache.read_bytes()[-1000:] == intact[-1000:]


def test_an_unknown_name_lists_the_names() -> None:
    with pytest.raises(DataError) as error:
        load(Path("data"), "kmnist")
    assert error.value.next_step == "choose one of digits, fashion-mnist, mnist, stand-in"
    with pytest.raises(SourceError):
        fetch("kmnist", Path("data"))


@pytest.mark.slow
def test_loading_imports_no_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    fetch_small(monkeypatch)
    code = (
        "import sys; from pathlib import Path; from hindi_bn.digits import load; "
        "load(Path('data'), 'mnist'); assert 'torchvision' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_images_are_28_pixels_wide() -> None:
    sizes = {name: load_study("mlp", {"data": name}) for name in ("digits", "stand-in", "mnist")}
    assert {name: study.image_size for name, study in sizes.items()} == {
        "digits": 32, "stand-in": 32, "mnist": 28,
    }  # fmt: skip
    assert load_study("mlp", {"data": "fashion-mnist"}).image_size == 28
    assert sizes["mnist"].folder(Path("out")) == Path("out/mlp-mnist")


def test_train_and_use_a_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fetch_small(monkeypatch)
    training = ("--config", "mlp", "--data", "mnist", "--epochs", "3", "--batch-size", "10")
    trained = run("train", *training, "--threads", "1", "--device", "cpu", "--json")
    assert trained.exit_code == 0, trained.stderr
    assert "Data: MNIST\n" in trained.stderr
    runs = json.loads(trained.stdout)
    assert [each["folder"] for each in runs] == [f"results/mlp-mnist/{r}" for r in ("no-bn", "bn")]
    assert {each["data"] for each in runs} == {"MNIST"}
    assert runs[1]["final"]["test_accuracy"] > 0.9  # the bars are easily seen apart
    record = json.loads(Path("results/mlp-mnist/bn/environment.json").read_text())
    assert (record["data"]["title"], record["data"]["identical"]) == ("MNIST", False)

    compared = run("compare", "results/mlp-mnist/no-bn", "results/mlp-mnist/bn", "--json")
    assert compared.exit_code == 0, compared.stderr
    document = json.loads(compared.stdout)
    assert document["data"] == "MNIST"
    sheet = run("data", "--name", "mnist", "--contact-sheet", "sheet.png", "--per-class", "3")
    assert sheet.exit_code == 0, sheet.stderr

    explained = ("explain", "--run", "results/mlp-mnist/bn", "--batch-size", "8", "--json")
    batch = json.loads(run(*explained, "--digit", "3").stdout)
    assert "(MNIST)" in batch["data"]
    Image.fromarray(np.full((40, 40), 255, np.uint8) - np.eye(40, dtype=np.uint8) * 255).save(
        tmp_path / "own.png"
    )
    for asked in (
        run("predict", "own.png", "--run", "results/mlp-mnist/bn"),
        run(*explained, "--image", "own.png"),
    ):
        assert asked.exit_code == 1
        assert "trained on the Hindi digits" in asked.stderr


@pytest.mark.slow
def test_the_articles_settings_on_it_are_never_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    fetch_small(monkeypatch)
    for _ in range(2):  # the second time finished runs are used
        result = run(
            "reproduce", "--set", "data=mnist", "--set", "epochs=1",
            "--threads", "1", "--device", "cpu", "--json",
        )  # fmt: skip
        assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["data"] == "MNIST"
    assert left_in("results") == ["article-mnist"]
    written = left_in("results/article-mnist/comparison")
    assert "summary.csv" in written
    assert "published.csv" not in written
