"""What the sources on the network share: time limits, and errors in few words."""

CONNECT_TIMEOUT = 10.0  # seconds to connect before giving up

OTHERS = (
    "an archive or folder you have: hindi-bn download PATH; "
    "the stand-in: hindi-bn download --source stand-in"
)
"""Sources that need no network."""


def reason(error: Exception) -> str:
    """Return the innermost cause of an error of `requests`, without the addresses around it."""
    inner = [getattr(error, "reason", None), *reversed(error.args)]
    for cause in inner:
        if isinstance(cause, Exception):
            return reason(cause)
    return (str(error) or type(error).__name__).rpartition("): ")[2]
