"""The composition root, which builds all parts. The controller and the command line share ``engine``."""
