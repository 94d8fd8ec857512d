"""What the server that a website lies on answers, read by shape."""

from provisioner.hosts import answers


class Kept(answers.Answer):
    """A release that the server keeps, and when it went live, in seconds since 1970."""

    release: answers.Short
    at: float


class Reply(answers.Answer):
    """What `website_release.py` answers; each question fills its part."""

    refused: answers.Short = ""
    about: answers.Line = ""
    served: answers.Short = ""
    index: answers.Short = ""
    kept: tuple[Kept, ...] = ()
    missing: tuple[answers.Short, ...] = ()
    new: bool = False
    linked: int = 0
    received: int = 0
    former: answers.Short = ""
    gone: tuple[answers.Short, ...] = ()


class CertificateReply(answers.Answer):
    """What `office-website certificate` says of one site; `renewed`: the authority gave another one just now."""

    self_signed: bool
    renewed: bool = False
    ends: answers.Short
    problem: answers.Line
