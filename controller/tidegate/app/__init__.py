"""The composition root: the only package that constructs. ``engine`` is shared by controller and command line."""
