"""Text that came from outside, made fit for a terminal."""


def clean(text: str) -> str:
    """Text out of a file or from a peer, which may hold anything, without characters that a terminal acts upon."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() or letter in "\n\t" else "?" for letter in text)
