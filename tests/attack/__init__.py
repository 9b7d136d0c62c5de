"""Attacks on a running tidegate, each with the bound that must hold."""
