"""Colours and attributes of cells. They are written to the auditor's terminal in such a way that no text is invisible there."""

from __future__ import annotations

from typing import NamedTuple

from l7gw.recording.terminal.parser import Params

RESET = "\x1b[0m"
DEFAULT = -1
RGB = 1 << 24  # marks a colour of eight bits each of red, green and blue; without this bit it is a palette number from 0 to 255
LEAST_CONTRAST = 48  # of 255, between the brightest channels of text and background; text with less can hardly be read
EXTREMES = (0, 7, 15, 16, 231)  # black and white of the palette, which may be invisible on the auditor's own background


class Style(NamedTuple):
    fg: int = DEFAULT
    bg: int = DEFAULT
    bold: bool = False
    underline: bool = False
    reverse: bool = False
    conceal: bool = False

    @property
    def shows_blanks(self) -> bool:
        return self.bg != DEFAULT or self.reverse or self.underline

    def sequence(self) -> str:
        """The SGR sequence of a cell; "" for plain text. No other sequences are written for cells. Text that was concealed, or has
        the colour of its background, is written in reverse."""
        codes = [code for code, on in (("1", self.bold), ("4", self.underline)) if on]
        if self.conceal or self._unreadable():
            return f"\x1b[{';'.join([*codes, '7'])}m"
        if self.reverse:
            codes.append("7")
        if self.bg != DEFAULT or not _extreme(self.fg):
            codes += _colour(self.fg, 30)
        if self.fg != DEFAULT or not _extreme(self.bg):
            codes += _colour(self.bg, 40)
        return f"\x1b[{';'.join(codes)}m" if codes else ""

    def _unreadable(self) -> bool:
        if DEFAULT in (self.fg, self.bg):
            return False
        return max(abs(a - b) for a, b in zip(_rgb(self.fg), _rgb(self.bg))) < LEAST_CONTRAST


PLAIN = Style()


def restyled(style: Style, params: Params) -> Style:
    """A style after an SGR sequence (ECMA-48 section 8.3.117, xterm's colours)."""
    changes: dict[str, int | bool] = {}
    at = 0
    while at < len(params):
        code, *parts = params[at]
        at += 1
        if code == 0:
            style, changes = PLAIN, {}
        elif code in _ATTRIBUTES and not (code == 4 and parts == [0]):
            changes.update([_ATTRIBUTES[code]])
        elif code == 4:
            changes["underline"] = False
        elif code in (38, 48):
            if not parts:
                parts = [one[0] for one in params[at : at + 4]]
                at += {5: 2, 2: 4}.get(parts[0] if parts else 0, 0)
            colour = _extended(parts)
            if colour is not None:
                changes["fg" if code == 38 else "bg"] = colour
        elif (place := _PLACES.get(code)) is not None:
            changes[place[0]] = place[1]
    return style._replace(**changes) if changes else style  # type: ignore[arg-type]


_ATTRIBUTES: dict[int, tuple[str, bool]] = {
    1: ("bold", True), 4: ("underline", True), 7: ("reverse", True), 8: ("conceal", True), 21: ("underline", True),
    22: ("bold", False), 24: ("underline", False), 27: ("reverse", False), 28: ("conceal", False),
}  # fmt: skip
_PLACES: dict[int, tuple[str, int]] = {39: ("fg", DEFAULT), 49: ("bg", DEFAULT)}
for _name, _base, _first in (("fg", 30, 0), ("bg", 40, 0), ("fg", 90, 8), ("bg", 100, 8)):
    _PLACES |= {_base + number: (_name, _first + number) for number in range(8)}


def _extended(parts: list[int]) -> int | None:
    """The colour of `5;N`, `2;R;G;B` or, with colons, `2:SPACE:R:G:B`; None where it is none of them."""
    if parts[:1] == [5] and len(parts) > 1 and parts[1] < 256:
        return parts[1]
    if parts[:1] == [2] and len(parts) > 3:
        red, green, blue = parts[2:5] if len(parts) > 4 else parts[1:4]
        if max(red, green, blue) < 256:
            return RGB | red << 16 | green << 8 | blue
    return None


def _colour(colour: int, base: int) -> list[str]:
    if colour == DEFAULT:
        return []
    if colour & RGB:
        return [f"{base + 8};2;{';'.join(map(str, _rgb(colour)))}"]
    if colour < 16:
        return [str(base + colour if colour < 8 else base + 52 + colour)]
    return [f"{base + 8};5;{colour}"]


def _extreme(colour: int) -> bool:
    """Whether a colour is nearly black or white."""
    return colour != DEFAULT and (
        colour in EXTREMES or max(_rgb(colour)) < LEAST_CONTRAST or min(_rgb(colour)) > 255 - LEAST_CONTRAST
    )


_STEPS = (0, 95, 135, 175, 215, 255)  # brightness of the palette's colour cube


def _rgb(colour: int) -> tuple[int, int, int]:
    """Red, green and blue of a colour, about as a terminal shows it. Users choose the first sixteen of the palette themselves."""
    if colour & RGB:
        return colour >> 16 & 255, colour >> 8 & 255, colour & 255
    if colour < 16:
        level = 255 if colour >= 8 else 205
        if colour == 8:
            return 127, 127, 127
        return tuple(level if colour & bit else 0 for bit in (1, 2, 4))  # type: ignore[return-value]
    if colour < 232:
        number = colour - 16
        return _STEPS[number // 36], _STEPS[number // 6 % 6], _STEPS[number % 6]
    return (8 + 10 * (colour - 232),) * 3
