"""HTTP to hosts that somebody else named: guarded by name, by address, by bytes and by seconds.

Low in the house: it knows neither registries nor certificates. Who may be asked at all is for its callers; that nothing
but what they name is reached is for this package. No proxy of the environment is used, no redirect followed by itself.
"""
