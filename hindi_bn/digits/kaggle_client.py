"""Run Kaggle's client in a process of its own: `python -m hindi_bn.digits.kaggle_client …`.

Its last line of output tells why it failed; exit code 0 means that the zip is in the folder.
"""

from __future__ import annotations

import sys


def main(dataset: str, folder: str, connect_timeout: float) -> None:
    """Download a data set's zip into a folder.

    Parameters
    ----------
    dataset
        As `owner/name`.
    folder
        A fresh folder.
    connect_timeout
        Seconds to reach the server; the client has no limit of its own.
    """
    import kaggle
    import requests

    api = kaggle.api
    api._load_config()
    endpoint = api.build_kaggle_client().http_client()._endpoint
    try:
        requests.head(endpoint, timeout=connect_timeout)
    except requests.Timeout:
        sys.exit(f"{endpoint} did not answer within {connect_timeout:g} seconds")
    except requests.RequestException as error:
        sys.exit(f"{endpoint} cannot be reached: {error}")
    try:
        api.authenticate()
    except SystemExit:
        sys.exit("the credentials are not accepted (401)")
    except Exception as error:
        sys.exit(f"the credentials were not accepted: {error}")
    try:
        api.dataset_download_files(dataset, path=folder, quiet=True)
    except Exception as error:
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
