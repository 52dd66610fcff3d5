"""Where the digits come from: a file for each source.

Each has an `ORDER`, its place among those that are tried when none is asked for, and a function
`download(folder, advance, kept)` that puts an archive into a folder and returns its path; what it
leaves in the folder `kept` stays for the next call when it fails. A source whose `ORDER` is None
has none: it is something that the user has, and names by its path.
"""
