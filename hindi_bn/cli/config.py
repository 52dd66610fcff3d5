"""`hindi-bn config`: study files listed, shown as they resolve, begun, checked; their schema."""

from pathlib import Path
from typing import Annotated, Any

import typer

import hindi_bn
from hindi_bn.cli import options
from hindi_bn.cli.app import group_of, note, print_json
from hindi_bn.cli.tables import show, table_of
from hindi_bn.errors import HindiBnError, StudyError

config_app = group_of(
    "config", "Study files: list, show as they resolve, begin one, check them, their JSON Schema."
)


@config_app.command("list")
def list_(json_: options.Json = False) -> None:
    """List the studies that `--config` knows by name."""
    found = hindi_bn.list_studies()
    if json_:
        print_json(found)
        return
    rows = [row | {"runs": ", ".join(row["runs"]), "epochs": _span(row["epochs"])} for row in found]
    columns = {
        "name": ("study", ""), "description": ("", ""), "runs": ("runs", ""),
        "epochs": ("epochs", ""), "data": ("data", ""),
    }  # fmt: skip
    show([table_of(rows, "Studies", columns)])


@config_app.command("show")
def show_(
    config: Annotated[
        str, typer.Argument(metavar="[NAME|FILE]", help="Study to show.")
    ] = "article",
    set_: options.Set = None,
    json_: options.Json = False,
) -> None:
    """Print a study as it resolves: each run with all its keys, defaults and --set included."""
    from hindi_bn.study.files import as_yaml

    document = hindi_bn.load_study(config, options.overrides(set_)).model_dump(mode="json")
    print_json(document) if json_ else typer.echo(as_yaml(document), nl=False)


@config_app.command()
def new(
    file: Annotated[Path, typer.Argument(
        metavar="FILE", help="File to write, as mine.yaml; its name is the study's.",
    )],
    json_: options.Json = False,
    quiet: options.Quiet = False,
) -> None:  # fmt: skip
    """Write a commented study with every key and its default, and the JSON Schema beside it.

    An editor that knows YAML schemas (such as VS Code with the YAML extension) completes and checks
    the file: its first line names the schema.
    """
    study, schema = hindi_bn.new_study(file)
    if json_:
        print_json({"study": str(study), "schema": str(schema)})
        return
    typer.echo(study)
    note(f"Schema: {schema}. Next: hindi-bn config check {study}", quiet=quiet)


@config_app.command()
def check(
    configs: Annotated[list[str], typer.Argument(metavar="NAME|FILE...", help="Studies to check.")],
    json_: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Check studies without training: keys, values, networks, norms, and what they record."""
    wrong = []
    rows: list[dict[str, Any]] = []
    for config in configs:
        try:
            study = hindi_bn.check_study(config)
        except HindiBnError as error:
            wrong.append(config)
            rows.append(
                {"config": config, "ok": False, "what": error.what, "why": error.why}
                | {"next": error.next_step}
            )
            note(str(error), quiet=json_)
        else:
            runs = [run.name for run in study.runs]
            rows.append({"config": config, "ok": True, "study": study.name, "runs": runs})
            if not (json_ or quiet):
                typer.echo(f"{config}: study {study.name!r} can be trained: {', '.join(runs)}")
    if json_:
        print_json(rows)
    if wrong:
        raise StudyError(
            f"{len(wrong)} of {len(configs)} cannot be trained: {', '.join(wrong)}.",
            "What is wrong with each is above." if not json_ else "The document says what.",
            "change what is named and check again",
        )


@config_app.command()
def schema() -> None:
    """Print the JSON Schema of study files, for editors and other programs."""
    print_json(hindi_bn.study_schema())


def _span(values: list[int]) -> str:
    return str(values[0]) if min(values) == max(values) else f"{min(values)} to {max(values)}"
