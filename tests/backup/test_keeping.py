"""Which nights may go, and which are missing, whatever a clock or an attacker says."""

import pytest

from provisioner.repository_server import keeping

DAY = 86400
NOW = 20_000 * DAY
K = keeping()


def nights(*days: float) -> dict[str, float]:
    """A night each so many days ago."""
    return {f"{n:04x}{int(day):04x}": NOW - day * DAY for n, day in enumerate(days)}


def test_the_newest_thirty_days_stay_whatever_the_ages_say() -> None:
    """Everything is too old by a clock a year ahead: thirty days of nights stay, all of each day."""
    there = nights(*range(365, 465)) | {"tonight": NOW, "twice": NOW - 365 * DAY + 60}
    going = K.may_go(there, [name for name in there if name != "tonight"])

    assert "twice" not in going
    assert len(there) - len(going) == 1 + 29 + 1
    assert max(there[name] for name in going) < min(there[name] for name in there if name not in going)


def test_fewer_nights_than_that_all_stay() -> None:
    """A server that was off for years keeps what it has, its only night too."""
    assert K.may_go(nights(900, 800, 0), list(nights(900, 800, 0))) == []
    assert K.may_go(nights(3000), list(nights(3000))) == []


def test_sixty_fakes_push_no_real_night_of_the_last_month_out() -> None:
    """Fakes dated on any day of the past add days that are older, or share the day of a real one, which stays."""
    real = nights(*range(30))
    fakes = {f"fake{n}": NOW - n * 10 * DAY for n in range(60)}
    assert set(K.may_go(real | fakes, [*real, *fakes])) & set(real) == set()


@pytest.mark.parametrize(
    ("ago", "said"), [(0, ""), (1, ""), (6.9, ""), (8, "8 days ago"), (365, "365 days ago"), (-0.9, ""), (-2, "in the future")]
)
def test_a_night_before_that_is_odd_against_the_clock_is_named(ago: float, said: str) -> None:
    """More than a week ago, or from the future: one of the two is wrong."""
    assert K.odd(NOW - ago * DAY, NOW) == said
    assert K.odd(None, NOW) == ""


def test_what_is_missing_is_named_unless_its_age_may_have_taken_it() -> None:
    """Gone though nobody may have forgotten it; a night older than thirty newer days may have gone by its age."""
    there = nights(*range(40))
    names = sorted(there, key=lambda name: -there[name])
    known = dict(there)
    assert K.missing(known, there) == []
    less = {name: at for name, at in there.items() if name not in (names[3], names[39])}
    assert K.missing(known, less) == [names[3]]
    assert K.missing({name[:6]: at for name, at in known.items()}, there) == []
    assert len(K.missing(known, {})) == 40
    assert K.missing(known, nights(0.5)) != []
