"""Trust stores: named sets of certificates by type."""
