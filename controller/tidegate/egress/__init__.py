"""HTTP to hosts that policies, certificates or redirects name, with limits on names, addresses, bytes and seconds.

It knows neither registries nor certificates. Callers decide which hosts are allowed; this package connects to no
others. It uses no proxy of the environment and follows no redirect.
"""
