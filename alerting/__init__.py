"""What happens after a breach: incidents, what they set off, and the proof that it arrived.

This package reacts. It knows nothing of Kafka, of detectors, or of the daemon that runs it: what it needs of them (a journal to
write to, a command log, a lease) is handed in as a small protocol or a callable. The way of a reaction is: the policy opens an
`incidents.Incident`, writes `intents.Intent` values into the outbox in the same write batch, and `dispatch.Dispatcher` carries
them out on its own threads.
"""

from __future__ import annotations
