"""`training class` and `training help`: some trainees on one machine, and a page for whoever teaches them."""

from typing import TYPE_CHECKING

import click

from provisioner.cli.common import Console, echo, many, shown, verb
from provisioner.cli.endpoint import endpoint_options
from provisioner.cli.training_parts import chosen_trainee, course_argument, read_course, trainee_option
from provisioner.language.terminal import spoken

if TYPE_CHECKING:
    from provisioner.endpoint import Endpoint

LONGEST = 500


@verb("class")
@course_argument
@click.option("--trainees", metavar="N", type=click.IntRange(1), default=None, help="How many; they are called by number.")
@click.option("--name", "names", metavar="NAME", multiple=True, help="What one of them is called; once for each.")
@click.option("--end", is_flag=True, help="Take away every trainee's office of COURSE, ungraded.")
@endpoint_options(9811)
def class_(console: Console, course: str, trainees: int | None, names: tuple[str, ...], end: bool, where: "Endpoint") -> int:
    """Give each trainee an office of their own at the beginning of COURSE, and serve a page: who is where, who asks for help.

    On that page offices are reset and faults are planted. Who is in the course already stays; Ctrl-C ends the page alone. Exits
    4 at once when nobody has an office.
    """
    from provisioner import endpoint
    from provisioner.training import classroom, page

    root, found = read_course(console, course)
    if end:
        gone = classroom.end(course, say=console.say)
        console.result({"course": course, "gone": gone}, lambda: echo(many(len(gone), "office is gone", "offices are gone")))
        return 0
    wanted = classroom.names(trainees or 0, names) if trainees or names else []
    problems = classroom.begin(root, found, wanted, spoken(), say=console.say)
    there = [one.trainee.name for one in classroom.look(found)]
    if not there:
        console.result({"course": course, "trainees": [], "problems": problems}, lambda: echo("nobody is in this course"))
        return 4
    data = {"course": course, "trainees": there, "problems": problems, "page": where.url}
    console.result(data, lambda: echo(f"the class page: {shown(where.url)}"))
    endpoint.serve(page.application(found, where, problems), where)
    return 0


@verb("help")
@course_argument
@click.option("--about", metavar="TEXT", default="", help="What it is about, for the trainer's page.")
@click.option("--answered", is_flag=True, help="Help was given.")
@trainee_option
def help_(console: Console, course: str, about: str, answered: bool, trainee: str) -> None:
    """Ask the trainer for help with COURSE: it shows on the class page until it was given."""
    from provisioner import training as workflow
    from provisioner.laptop.text import visible

    who, _ = chosen_trainee(course, trainee)
    workflow.ask(who, "" if answered else visible(about)[:LONGEST] or "…")
    data = {"course": course, "trainee": who.name, "asks": not answered}
    console.result(
        data, lambda: echo("you no longer ask for help" if answered else "the trainer's page says that you ask for help")
    )


@verb("pictures", writes=True)
@course_argument
@trainee_option
def pictures(console: Console, course: str, trainee: str) -> None:
    """Take the pictures of COURSE's pages anew, at the desktop of a trainee's office: the same visit as verify's."""
    from provisioner.errors import BadInput
    from provisioner.training import refuse_gone, visit

    root, found = read_course(console, course)
    if not found.visit:
        raise BadInput(f"the course {course} shows no screen", hint="visit: in its course.yml")
    who, begun = chosen_trainee(course, trainee)
    refuse_gone(who, begun)
    made = [str(path) for path in visit.photograph(who.target, root, found)]
    console.result({"course": course, "files": made}, lambda: echo("\n".join(made)))
