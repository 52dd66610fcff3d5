"""`hindi-bn landscape gradient`."""

import hindi_bn
from hindi_bn.cli import options
from hindi_bn.cli.app import print_json
from hindi_bn.cli.landscape.group import Runs, To, landscape
from hindi_bn.cli.tables import show, table_of
from hindi_bn.study.words import rows_in_words


@landscape.command()
def gradient(
    folders: Runs,
    to: To = None,
    format_: options.Format = None,
    dpi: options.Dpi = 150,
    json_: options.Json = False,
) -> None:
    """Show loss, gradient and smoothness along the gradient as networks train, over seeds.

    Of runs with a recording `along-gradient`. Runs that differ in the seed alone are an arm, and so
    are those of one LABEL.
    """
    found = hindi_bn.landscape_gradient(options.runs(folders))
    written, document = found.write(to, options.formats(format_), dpi), found.document
    if json_:
        print_json({**document, "files": [str(path) for path in written]})
        return
    whole = [row for row in document["values"] if not row["quantity"].endswith("_epoch")]
    columns = {
        "label": ("median over the run", ""), "arm": ("arm", ""), "n": ("n", "d"),
        "mean": ("mean", ".4g"), "low": ("from", ".4g"), "high": ("to", ".4g"),
    }  # fmt: skip
    title = "Along the gradient: means over seeds, 95 % t-intervals from n = 4 on"
    show([table_of(rows_in_words(whole), title, columns)])
    options.tell_files(written, json_=False)
