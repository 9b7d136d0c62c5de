"""Mutation testing of the modules that decide: small faults are put in, and the tests have to notice each."""
