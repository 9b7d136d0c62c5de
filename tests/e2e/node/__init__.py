"""The tests on a node; a package, so that the node lives as long as these tests run."""
