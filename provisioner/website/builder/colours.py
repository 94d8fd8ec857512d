"""The colours a site can have: each made so that all text on it has a contrast of at least 4.5 to 1, by day and by night."""

# name: for text and buttons on white; the strong ground (white text on it); a tint; then the same three by night.
COLOURS = {
    "blue": ("#1f5fa8", "#163f70", "#e9f1fa", "#8fc1f7", "#12304f", "#16222f"),
    "green": ("#23703f", "#174a2b", "#e8f4ec", "#8fd3a6", "#143a24", "#15241b"),
    "red": ("#b0303a", "#77202a", "#fbecec", "#f5a6a6", "#4d1a20", "#2b1a1c"),
    "orange": ("#a6510b", "#713a0d", "#fcf0e4", "#f3b27c", "#4a2a0f", "#2a2017"),
    "violet": ("#6b44a8", "#452c70", "#f2edfa", "#c3a9f0", "#322150", "#211b2d"),
    "teal": ("#0c6e74", "#0a484d", "#e4f3f4", "#7fd0d4", "#0d3a3e", "#132526"),
}
NAMES = ("accent", "strong", "tint", "night-accent", "night-strong", "night-tint")


def style(css: str, colour: str) -> str:
    """The theme's style with one colour's values in it."""
    for name, value in zip(NAMES, COLOURS[colour], strict=True):
        css = css.replace(f"${{{name}}}", value)
    return css


def sign(title: str) -> str:
    """The first letter of a title, the site's sign."""
    return next((letter for letter in title if letter.isalnum()), "•").upper()


def icon(title: str, colour: str) -> str:
    """The site's sign: the first letter of its title on its strong colour, as SVG."""
    from html import escape

    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">'
        f'<rect width="64" height="64" rx="14" fill="{COLOURS[colour][1]}"/>'
        '<text x="32" y="45" font-family="Georgia,serif" font-size="38" font-weight="700" text-anchor="middle" fill="#fff">'
        f"{escape(sign(title))}</text></svg>\n"
    )
