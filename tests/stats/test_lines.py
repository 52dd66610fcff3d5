"""Lines through points, by hand."""

from __future__ import annotations

import pytest

from hindi_bn.stats.lines import fitted_line


def test_a_line_goes_through_points_with_its_determination() -> None:
    assert fitted_line([1, 2, 4], [5, 7, 11]) == pytest.approx((2, 3, 1))
    assert fitted_line([0, 1, 2], [0, 1, 0]) == pytest.approx((0, 1 / 3, 0))
    assert fitted_line([1, 2], [1, 2]) is None
