"""Published facts, their comparison with ours, and the summary of a run."""

from __future__ import annotations

import pandas as pd
import pytest
from made_histories import history, published_history

from hindi_bn.article.compare import against_published, agreement, summary
from hindi_bn.article.facts import ARTICLE, FINDINGS, published_head
from hindi_bn.errors import RunError
from hindi_bn.stats.metrics import check_histories


def verdict(run: str, quantity: str, epoch: int, change: float) -> str:
    ours = published_history(run)
    ours.loc[epoch, quantity] += change
    rows = against_published({run: ours})
    chosen = rows[(rows["quantity"] == quantity) & (rows["epoch"] == epoch)]
    assert len(chosen) == 1
    assert (rows.drop(chosen.index)["verdict"] == "agrees").all()
    return str(chosen["verdict"].iloc[0])


def test_the_published_head_is_what_the_notebook_prints() -> None:
    head = published_head()
    assert list(head["run"]) == ["no-bn"] * 5 + ["bn"] * 5
    assert list(head["epoch"]) == [0, 1, 2, 3, 4] * 2
    fourth = head[(head["run"] == "no-bn") & (head["epoch"] == 3)].iloc[0]
    assert (fourth["train_loss"], fourth["test_accuracy"]) == (0.235627, 0.869667)
    last = head.iloc[-1]
    assert (last["wx"], last["wy"], last["train_accuracy"]) == (-0.069078, 0.046369, 0.980294)


def test_the_article_s_facts() -> None:
    assert ARTICLE.last_epoch == 29
    assert (ARTICLE.train_images, ARTICLE.test_images) == (17000, 3000)
    assert dict(ARTICLE.final_test_accuracy) == {"no-bn": 0.924, "bn": 0.9913333}
    assert dict(ARTICLE.total_seconds) == {"no-bn": 450, "bn": 494}
    assert [finding.figure for finding in FINDINGS] == [6, 7, 8]
    assert "Kashaboina" in ARTICLE.citation
    assert "hindi_hw_digits" in ARTICLE.citation


def test_a_changed_head_does_not_change_the_next_one() -> None:
    first = published_head()
    first["train_loss"] = 0.0
    assert published_head()["train_loss"].min() > 0


def test_equal_numbers_agree() -> None:
    rows = against_published({run: published_history(run) for run in ("no-bn", "bn")})
    assert list(rows.columns) == [
        "run", "epoch", "quantity", "published", "ours", "difference", "tolerance", "verdict",
    ]  # fmt: skip
    assert len(rows) == 24  # two runs, two epochs, six quantities
    assert (rows["verdict"] == "agrees").all()
    assert (rows["difference"] == 0).all()


@pytest.mark.parametrize(
    ("run", "quantity", "largest"),
    [
        ("no-bn", "train_loss", 1e-5),
        ("no-bn", "test_loss", 1e-5),
        ("no-bn", "wx", 2e-6),
        ("no-bn", "wy", 2e-6),
        ("no-bn", "train_accuracy", 0.0),
        ("no-bn", "test_accuracy", 0.0),
        ("bn", "train_loss", 1e-4),
        ("bn", "test_loss", 1e-4),
        ("bn", "wx", 2e-4),
        ("bn", "wy", 2e-4),
        ("bn", "train_accuracy", 3 / 17000),
        ("bn", "test_accuracy", 1 / 3000),
    ],
)
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_number_agrees_up_to_its_tolerance_and_half_a_printed_digit(
    run: str, quantity: str, largest: float, sign: int
) -> None:
    assert verdict(run, quantity, 1, sign * (largest + 4.9e-7)) == "agrees"
    assert verdict(run, quantity, 1, sign * (largest + 5.2e-7)) == "differs"


def test_a_number_that_is_none_differs() -> None:
    assert verdict("bn", "test_loss", 0, float("nan")) == "differs"


def test_one_more_image_right_differs_without_batch_norm() -> None:
    assert verdict("no-bn", "test_accuracy", 0, 1 / 3000) == "differs"
    assert verdict("no-bn", "train_accuracy", 0, 1 / 17000) == "differs"


@pytest.mark.parametrize(
    ("ours", "expected"),
    [(0.924, "agrees"), (0.926, "agrees"), (0.9263333, "differs"), (0.9216, "differs")],
)
def test_the_final_accuracy_is_compared_at_the_last_epoch(ours: float, expected: str) -> None:
    accuracy = [0.5] * 29 + [ours]
    rows = against_published({"no-bn": history([1.0] * 30, accuracy)})
    final = rows[rows["epoch"] == 29]
    assert list(final["quantity"]) == ["test_accuracy"]
    assert float(final["published"].iloc[0]) == 0.924
    assert float(final["tolerance"].iloc[0]) == 0.002
    assert str(final["verdict"].iloc[0]) == expected
    assert len(rows) == 5 * 6 + 1


def test_runs_that_the_article_does_not_have_give_no_rows() -> None:
    rows = against_published({"group": history([1.0, 0.5])})
    assert rows.empty
    assert "verdict" in rows.columns
    assert agreement(rows).empty


def test_agreement_counts_a_row_a_run_and_quantity() -> None:
    ours = published_history("bn")
    ours.loc[1, "wx"] += 0.25
    rows = agreement(against_published({"bn": ours}))
    wx = rows[rows["quantity"] == "wx"].iloc[0]
    assert (wx["run"], wx["numbers"], wx["agree"]) == ("bn", 2, 1)
    assert wx["largest_difference"] == pytest.approx(0.25)
    assert len(rows) == 6


def test_summary_by_hand() -> None:
    long = history([0.9, 0.5, 0.4, 0.3, 0.2, 0.1], [0.1, 0.8, 0.9, 0.9, 0.7, 0.7])
    short = history([2.0, 1.0], [0.3, 0.5])
    table = summary({"bn": long, "one": short})
    assert list(table["run"]) == ["bn", "one"]
    first, second = table.to_dict("records")
    assert first == {
        "run": "bn", "epochs": 6, "final_test_accuracy": 0.7, "best_test_accuracy": 0.9,
        "best_epoch": 2, "last_five_mean_test_accuracy": pytest.approx(0.8),
        "final_train_loss": 0.1, "seconds": 24.0,
    }  # fmt: skip
    assert second["last_five_mean_test_accuracy"] == pytest.approx(0.4)
    assert second["best_epoch"] == 1


@pytest.mark.parametrize(
    ("histories", "words"),
    [
        ({}, "no run"),
        ({"bn": history([1.0]).drop(columns="test_loss")}, "no column test_loss"),
        ({"bn": history([])}, "no finished epoch"),
        ({"bn": history([2.0, 1.0]).iloc[1:]}, "do not count up from 0"),
    ],
)
def test_histories_that_cannot_be_analysed_are_refused(
    histories: dict[str, pd.DataFrame], words: str
) -> None:
    for function in (check_histories, summary, against_published):
        with pytest.raises(RunError, match=words) as caught:
            function(histories)
        assert "train" in caught.value.next_step
