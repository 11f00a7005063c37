"""Where what a call says is copied from. Training points an attention head there (model.py): the rest of a name or a value
follows by itself, its first piece is what a small model has to find."""
from __future__ import annotations


def bounded(text: str, word: str, start: int, end: int, last: bool) -> int:
    """Place of `word` between start and end where no letter or digit touches it; -1 if there is none."""
    at = text.rfind(word, start, end) if last else text.find(word, start, end)
    while at >= 0:
        before, after = text[at - 1:at], text[at + len(word):at + len(word) + 1]
        if not (before.isalnum() and word[0].isalnum()) and not (after.isalnum() and word[-1].isalnum()):
            return at
        at = text.rfind(word, start, at + len(word) - 1) if last else text.find(word, at + 1, end)
    return -1


def entry(text: str, head: int, name: str) -> tuple[int, int, int]:
    """Where the tool's name, its parameters and the next tool begin in the list of tools; three times -1 if it is not there."""
    at = text.find(f"<function>\n<name>{name}</name>", 0, head)
    if at < 0:
        return -1, -1, -1
    return at + len("<function>\n<name>"), text.index("<parameters>", at), text.index("</function>", at)


def first_word(value: str) -> str:
    n = next((i for i, c in enumerate(value) if not c.isalnum() and c != "."), len(value))
    return value[:n].rstrip(".")


def sources(text: str, head: int) -> tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]:
    """(Place of a copy, first and last place that tell what to copy) in characters, of names and of values. `head`: length of
    the system turn. Which tool is wanted, its name and description tell; a parameter and a value stand where they stand."""
    names, values = [], []
    at = head
    while (at := text.find("<function=", at)) >= 0:
        at += len("<function=")
        end = text.index("</function>", at)
        name = text[at:text.index(">", at)]
        said = text.rfind("<|im_start|>user", head, at)
        begin, described, over = entry(text, head, name)
        if begin >= 0:
            names.append((at, begin, described - 1))
            turn = text.rfind("<|im_start|>assistant", head, at)
            thought = bounded(text, name, turn, text.find("</think>", turn, at), False)
            if thought >= 0:
                names.append((thought, begin, described - 1))
            while 0 <= (p := text.find("<parameter=", at, end)):
                p += len("<parameter=")
                at = text.index(">", p)
                known = text.find(f"<name>{text[p:at]}</name>", described, over)
                if known >= 0:
                    names.append((p, known + len("<name>"), known + len("<name>")))
                value = text[at + 1:text.index("</parameter>", at)]
                for part in (value, first_word(value)):
                    if part and (source := bounded(text, part, said, p, True)) >= 0:
                        values.append((at + 1, source, source))
                        break
        at = end
    return names, values
