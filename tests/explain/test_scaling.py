"""Feature scaling worked through: pencil numbers, torch's own descent, numpy on the patches."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler
from tiny import tiny_digits
from torch.autograd.functional import hessian
from typer.testing import CliRunner, Result

import hindi_bn.digits
from hindi_bn.cli import app
from hindi_bn.explain.document import Explanation
from hindi_bn.explain.scaling import explain_scaling_by_hand

X = torch.tensor([[1.0, 200], [2, 100], [3, 400], [4, 300]], dtype=torch.float64)
Y = torch.tensor([6.0, 9, 16, 19], dtype=torch.float64)


@pytest.fixture(scope="module")
def explanation() -> Explanation:
    torch.set_num_threads(1)
    return explain_scaling_by_hand(tiny_digits())


def numbers(explanation: Explanation, name: str, place: int = 0) -> np.ndarray:
    found = [v.numbers for step in explanation.steps for v in step.values if v.name == name]
    return found[place]


def standardised() -> torch.Tensor:
    return torch.from_numpy(StandardScaler().fit_transform(X.numpy()))


def scaled() -> dict[str, torch.Tensor]:
    return {"as they are": X, "one range": X / X.std(0, correction=0),
            "standardised": standardised()}  # fmt: skip


def loss(weights: torch.Tensor, features: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return ((features @ weights - target) ** 2).mean() / 2


def target_of(name: str) -> torch.Tensor:
    return Y - Y.mean() if name == "standardised" else Y


def test_every_check_agrees_with_its_closed_form(explanation: Explanation) -> None:
    assert explanation.agrees
    assert sum(len(step.checks) for step in explanation.steps) == 14
    assert len(explain_scaling_by_hand().steps) == 5


def test_condition_numbers_and_rates_by_pencil(explanation: Explanation) -> None:
    # Standardised: eigenvalues 1 +- 0.6. One range: 6 +- 5.6. As they are: trace 75007.5, the
    # determinant 7.5 * 75000 - 700^2 = 72500.
    assert numbers(explanation, "condition κ")[1:] == pytest.approx([29, 4])
    assert numbers(explanation, "condition κ")[0] == pytest.approx(75007.5**2 / 72500 - 2, rel=1e-4)
    assert numbers(explanation, "largest rate 2/λ₂")[1:] == pytest.approx([2 / 11.6, 1.25])
    # Standardised the distance shrinks by 3/5 a step: 0.6^9 = 0.0101, 0.6^10 = 0.0060
    assert numbers(explanation, "steps to 1 %")[2] == 10
    # One range: by 28/30 a step
    assert numbers(explanation, "steps to 1 %")[1] == math.ceil(math.log(100) / math.log(30 / 28))


@pytest.mark.parametrize("name", ["as they are", "one range", "standardised"])
def test_the_surface_is_that_of_torch_s_loss(name: str, explanation: Explanation) -> None:
    features, target = scaled()[name], target_of(name)
    second = hessian(lambda w: loss(w, features, target), torch.zeros(2, dtype=torch.float64))
    np.testing.assert_allclose(numbers(explanation, f"H, {name}"), second, rtol=1e-12)
    w1, w2 = (explanation.arrays[f"{name} {axis}"] for axis in ("w1", "w2"))
    drawn = explanation.arrays[f"{name} loss"]
    for row, column in ((0, 0), (7, 100), (160, 3)):
        there = torch.tensor([w1[column], w2[row]], dtype=torch.float64)
        assert drawn[row, column] == pytest.approx(float(loss(there, features, target)), rel=1e-9)


@pytest.mark.parametrize("name", ["as they are", "one range", "standardised"])
def test_the_path_is_that_of_torch_s_descent(name: str, explanation: Explanation) -> None:
    features, target = scaled()[name], target_of(name)
    values = np.linalg.eigvalsh((features.T @ features / 4).numpy())
    weights = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([weights], lr=2 / (values[0] + values[1]))
    path = []
    for _ in range(41):
        path.append(weights.detach().clone())
        optimizer.zero_grad()
        loss(weights, features, target).backward()
        optimizer.step()
    np.testing.assert_allclose(explanation.arrays[f"{name} path"], torch.stack(path), rtol=1e-8)


def distance_after(steps: int, rate: float) -> float:
    """Distance of torch's weights from the best ones, features as they are, from afar."""
    best = torch.linalg.lstsq(X, Y[:, None]).solution[:, 0]
    weights = (best + 1).requires_grad_()
    optimizer = torch.optim.SGD([weights], lr=rate)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(weights, X, Y).backward()
        optimizer.step()
    return float((weights.detach() - best).norm())


def test_beyond_the_largest_rate_torch_s_descent_leaves(explanation: Explanation) -> None:
    largest = float(numbers(explanation, "largest rate 2/λ₂")[0])
    assert distance_after(700, 0.99 * largest) < 1.4
    assert distance_after(700, 1.01 * largest) > 1e5


def test_the_digits_condition_is_that_of_their_patches(explanation: Explanation) -> None:
    images = tiny_digits().train_images.numpy().astype(float) / 255
    shifts = {"unit": (0, 1), "half": (0.5, 0.5), "standard": (images.mean(), images.std())}
    for place, (shift, divisor) in enumerate(shifts.values()):
        patches = np.lib.stride_tricks.sliding_window_view(
            (images - shift) / divisor, (3, 3), (1, 2)
        )
        design = np.column_stack([patches.reshape(-1, 9), np.ones(patches.size // 9)])
        spread = np.linalg.svd(design, compute_uv=False)
        condition = numbers(explanation, "condition κ", 1)[place]
        assert condition == pytest.approx((spread[0] / spread[-1]) ** 2, rel=1e-4)
        largest = numbers(explanation, "largest rate")[place]
        assert largest == pytest.approx(2 * len(design) / spread[0] ** 2, rel=1e-5)


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["explain", *arguments])
    assert result.exit_code == code, result.output
    return result


@pytest.mark.usefixtures("unrendered")
def test_the_command_prints_what_was_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(hindi_bn.digits, "load", lambda *_, **__: tiny_digits())
    text = run("scaling", "--data", "digits", "--figure", "a.png").stdout
    assert "14 of 14 checks agree with closed forms." in text
    assert "condition κ    77599.7249     29.0000         4.0000" in text
    assert "largest rate 2/λ₂            2.67e-05       0.172           1.25" in text
    assert Path("a.png").is_file()


def test_json_holds_every_number() -> None:
    document = json.loads(run("scaling", "--json").stdout)
    assert document["agrees_with_closed_forms"] is True
    assert document["steps"][2]["values"][2]["numbers"][1:] == pytest.approx([29, 4])


@pytest.mark.parametrize(
    "arguments",
    [("scaling", "--digit", "3"), ("scaling", "--batch-size", "3"), ("--data", "digits"),
     ("shape",), ("scaling", "--data", "nothing")],
)  # fmt: skip
def test_what_does_not_go_together_is_a_usage_error(arguments: tuple[str, ...]) -> None:
    assert run(*arguments, code=2).stderr.startswith("Usage: ")


def test_a_figure_of_no_known_format_is_refused() -> None:
    assert "png, svg, pdf" in run("scaling", "--figure", "a.gif", code=1).stderr
