"""How the artifacts that refer to an image are found, whatever registry keeps it: the calls that ``aws`` and ``registry`` share."""
