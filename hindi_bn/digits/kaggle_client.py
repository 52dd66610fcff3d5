"""Run Kaggle's client in a process of its own: `python -m hindi_bn.digits.kaggle_client …`.

The last line of its output says why it failed; exit code 0 means that the zip is in the folder.
"""

from __future__ import annotations

import sys

from hindi_bn.digits.network import reason

REFUSED = "the credentials are not accepted, or have expired"


def main(dataset: str, folder: str, connect_timeout: float) -> None:
    """Download the zip of a data set (`owner/name`) into a fresh folder.

    The timeout is for the server's answer, in seconds; the client has no limit of its own.
    """
    import requests

    _reach(connect_timeout)
    try:
        import kaggle

        kaggle.api.authenticate()
        kaggle.api.dataset_download_files(dataset, path=folder, quiet=True)
    except SystemExit:
        sys.exit(REFUSED)
    except requests.HTTPError as error:
        code = 0 if error.response is None else error.response.status_code
        sys.exit(f"{REFUSED} ({code})" if code in {401, 403} else f"HTTPError: {error}")
    except Exception as error:
        sys.exit(f"{type(error).__name__}: {reason(error)}")


def _reach(timeout: float) -> None:
    """Check that the server answers, whatever it says; the client may log in while imported."""
    import requests
    from kagglesdk.kaggle_env import get_endpoint, get_env

    endpoint = get_endpoint(get_env())
    try:
        requests.head(endpoint, timeout=timeout)
    except requests.Timeout:
        sys.exit(f"{endpoint} did not answer within {timeout:g} seconds")
    except requests.RequestException as error:
        sys.exit(f"{endpoint} cannot be reached ({reason(error)})")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
