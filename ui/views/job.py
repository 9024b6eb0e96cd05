"""What a job line says of a job at one moment. Pure."""

from merging.jobs import Snapshot
from merging.units import time_text
from ui.views.models import JobView


def job_view(
    job: Snapshot | None, done: str = "Done", left: tuple[float, float] | None = None
) -> JobView:
    """Return what a job line says of a job of any kind.

    Args:
        job: At one moment, or None.
        done: Word for its end.
        left: Shares of the work between which the time left is told; None to leave it out.
    """
    if job is None:
        return JobView("idle", "")
    if job.status == "queued":
        return JobView("queued", f"Waiting, place {job.position}", 0.0, job.position)
    if job.status == "running":
        text = f"{job.message[:1].upper()}{job.message[1:]} · {job.elapsed:.0f} s"
        if left is not None and left[0] < job.fraction < left[1]:
            text += f", about {time_text(job.elapsed / job.fraction - job.elapsed)} left"
        return JobView("running", text, job.fraction)
    if job.status == "done":
        return JobView("done", f"{done} in {job.elapsed:.1f} s", 1.0)
    return JobView(job.status, job.message, job.fraction)
