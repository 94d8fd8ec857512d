"""History as small pictures: one line of an SVG, readable without colours, and told in words to who does not see it."""

from collections.abc import Sequence

WIDTH, HEIGHT, EDGE = 240, 48, 3
SHOWN = 200  # points; more are no longer seen at this size


def curve(points: Sequence[tuple[float, float]], *, low: float | None = None, high: float | None = None) -> str:
    """The `points` attribute of an SVG polyline of `WIDTH` x `HEIGHT`, from (s since 1970, value), the oldest first.

    `low` and `high` are the values at the lower and upper edge; else the smallest and largest there are.
    """
    if len(points) > SHOWN:
        step = len(points) / SHOWN
        points = [points[int(at * step)] for at in range(SHOWN - 1)] + [points[-1]]
    values = [value for _, value in points]
    bottom = min(values, default=0.0) if low is None else low
    top = max(values, default=1.0) if high is None else high
    began, ended = (points[0][0], points[-1][0]) if points else (0.0, 1.0)

    def placed(at: float, value: float) -> str:
        across = EDGE + (WIDTH - 2 * EDGE) * ((at - began) / (ended - began) if ended > began else 0.5)
        up = (min(max(value, bottom), top) - bottom) / (top - bottom) if top > bottom else 0.5
        return f"{across:.1f},{HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * up:.1f}"

    return " ".join(placed(at, value) for at, value in points)
