"""How numbers of claims are written."""

import math


def number(value: float) -> str:
    """Write a number with three significant digits; a dash for none."""
    if not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:.{min(digits, 4)}f}"
    return "0" if float(text) == 0 else text


def p_text(p: float) -> str:
    """Write a p-value."""
    if not math.isfinite(p):
        return "–"
    return "< 0.0001" if p < 0.0001 else f"{p:.2g}"  # noqa: PLR2004


def p_equation(p: float) -> str:
    """Write a p-value with its name: p = 0.012."""
    text = p_text(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"
