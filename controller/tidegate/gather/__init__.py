"""Facts about images: cached with a time to live, looked up once for all requests that wait, in batches, shared fairly.

Judges nothing. Talks to AWS only through the ports of ``evidence.ports``, in threads of its own.
"""
