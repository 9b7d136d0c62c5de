"""What the background role counts since its start, for its metrics."""

from dataclasses import dataclass, field

from tidegate.telemetry.counters import Counter


@dataclass(frozen=True, slots=True)
class Counts:
    """Counters; the composition root registers them."""

    judged: Counter = field(
        default_factory=lambda: Counter("tidegate_background_judgements", "Running images judged.", ())
    )
    collected: Counter = field(
        default_factory=lambda: Counter(
            "tidegate_background_collections",
            'Collections of evidence about a running image; result "failed" if AWS or a registry did not answer.',
            ("result",),
        )
    )
    writes: Counter = field(
        default_factory=lambda: Counter(
            "tidegate_image_verdict_writes", "Writes of ImageVerdict objects by result.", ("result",)
        )
    )
    turned: Counter = field(
        default_factory=lambda: Counter(
            "tidegate_running_images_turned_bad",
            "Running images that policies let through before and do not any more, by reason.",
            ("reason",),
        )
    )
    events: Counter = field(
        default_factory=lambda: Counter("tidegate_events", "Kubernetes Events about workloads by result.", ("result",))
    )

    postures: Counter = field(
        default_factory=lambda: Counter(
            "tidegate_repository_posture_writes", "Writes of RepositoryPosture objects by result.", ("result",)
        )
    )

    def all(self) -> tuple[Counter, ...]:
        """Return every counter."""
        return self.judged, self.collected, self.writes, self.turned, self.events, self.postures
