"""Adds up the entries of delivery notes."""

from parser import parse_note


def by_shelf(text):
    """Returns how many pieces stand on each shelf.

    What was sent back is taken from the amount. A shelf that is empty in the end is left out of the report.
    """
    shelves = {}
    for article, amount, shelf in parse_note(text):
        shelves[shelf] = shelves.get(shelf, 0) + amount
    return {shelf: n for shelf, n in shelves.items() if n != 0}


def page(text, width=40):
    """Returns the report as text, one shelf in each line, with dots between name and number."""
    lines = []
    for shelf, n in sorted(by_shelf(text).items()):
        number = str(n)
        lines.append(shelf + "." * (width - len(shelf) - len(number)) + number)
    return "\n".join(lines)
