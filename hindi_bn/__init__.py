"""Reproduce, question and extend the Hindi-digit batch-normalisation study.

The functions below are what a notebook needs and what the commands call (see docs/api.md). Each is
imported when it is first used, so that `import hindi_bn` loads neither torch nor pandas.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hindi_bn.api.benchmark import measure_speed
    from hindi_bn.api.claims import (
        claims_multiverse,
        draw_claims,
        estimate_claims,
        judge_claims_again,
        plan_claims_power,
        read_claims,
        register_claims,
        run_claims,
    )
    from hindi_bn.api.comparison import compare, plot_descent, reproduce
    from hindi_bn.api.diagnosis import check_numerics, diagnose
    from hindi_bn.api.digits import describe_digits, download, draw_contact_sheet, load_digits
    from hindi_bn.api.evidence import (
        add_evidence,
        audit_evidence,
        list_evidence,
        verify_evidence,
    )
    from hindi_bn.api.explanation import explain_batch_norm, explain_scaling
    from hindi_bn.api.exporting import export
    from hindi_bn.api.landscape.curvature import landscape_curvature
    from hindi_bn.api.landscape.depth import landscape_depth
    from hindi_bn.api.landscape.gradient import landscape_gradient
    from hindi_bn.api.landscape.surface import (
        landscape_line,
        landscape_surface,
        landscape_twin,
    )
    from hindi_bn.api.listing import (
        describe_run,
        list_runs,
        remove_runs,
        size_of_run,
        verify_runs,
    )
    from hindi_bn.api.measures import measure
    from hindi_bn.api.networks import describe_network, describe_networks, draw_network
    from hindi_bn.api.page import build_page
    from hindi_bn.api.prediction import predict, save_seen, score
    from hindi_bn.api.runs import plot, read_run, read_runs, train
    from hindi_bn.api.study import (
        check_study,
        choose_runs,
        list_studies,
        load_study,
        new_study,
        study_schema,
    )
    from hindi_bn.api.sweeps import estimate_sweep, sweep

__version__ = "0.1.0"

_HOMES = {
    "benchmark": ("measure_speed",),
    "claims": (
        "claims_multiverse", "draw_claims", "estimate_claims", "judge_claims_again",
        "plan_claims_power", "read_claims", "register_claims", "run_claims",
    ),
    "comparison": ("compare", "plot_descent", "reproduce"),
    "diagnosis": ("check_numerics", "diagnose"),
    "digits": ("describe_digits", "download", "draw_contact_sheet", "load_digits"),
    "evidence": ("add_evidence", "audit_evidence", "list_evidence", "verify_evidence"),
    "explanation": ("explain_batch_norm", "explain_scaling"),
    "exporting": ("export",),
    "landscape.curvature": ("landscape_curvature",),
    "landscape.depth": ("landscape_depth",),
    "landscape.gradient": ("landscape_gradient",),
    "landscape.surface": ("landscape_line", "landscape_surface", "landscape_twin"),
    "listing": ("describe_run", "list_runs", "remove_runs", "size_of_run", "verify_runs"),
    "measures": ("measure",),
    "networks": ("describe_network", "describe_networks", "draw_network"),
    "page": ("build_page",),
    "prediction": ("predict", "save_seen", "score"),
    "runs": ("plot", "read_run", "read_runs", "train"),
    "study": (
        "check_study", "choose_runs", "list_studies", "load_study", "new_study", "study_schema",
    ),
    "sweeps": ("estimate_sweep", "sweep"),
}  # fmt: skip

__all__ = [
    "add_evidence", "audit_evidence", "build_page", "check_numerics", "check_study", "choose_runs",
    "claims_multiverse", "compare", "describe_digits", "describe_network", "describe_networks",
    "describe_run", "diagnose", "download", "draw_claims", "draw_contact_sheet", "draw_network",
    "estimate_claims", "estimate_sweep", "explain_batch_norm", "explain_scaling", "export",
    "judge_claims_again", "landscape_curvature", "landscape_depth", "landscape_gradient",
    "landscape_line", "landscape_surface", "landscape_twin", "list_evidence", "list_runs",
    "list_studies", "load_digits", "load_study", "measure", "measure_speed", "new_study",
    "plan_claims_power", "plot", "plot_descent", "predict", "read_claims", "read_run",
    "read_runs", "register_claims", "remove_runs", "reproduce", "run_claims", "save_seen",
    "score", "size_of_run", "study_schema", "sweep", "train", "verify_evidence", "verify_runs",
]  # fmt: skip

if not TYPE_CHECKING:  # for mypy only the names above are there

    def __getattr__(name: str) -> Any:
        for home, names in _HOMES.items():
            if name in names:
                return getattr(import_module(f"hindi_bn.api.{home}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
