"""An archive that the user has: .zip, .tar, .tar.gz or .tgz."""

ORDER = None
