"""Who needs which fact: one look-up for all who wait, batches, caches with a time to live, and honest staleness.

Judges nothing. Talks to AWS only through the ports of ``evidence.ports``, in threads of its own.
"""
