"""Sizes and times as people read them."""


def size_text(size: float) -> str:
    """Return a number of bytes in powers of 1000 with three digits.

    Example:
        >>> size_text(1234567)
        '1.23 MB'
    """
    for unit in ("B", "KB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.3g} TB" if size < 999.5 else f"{size:,.0f} TB"


def time_text(seconds: float) -> str:
    """Return a duration in words; under ten seconds with one decimal.

    Example:
        >>> time_text(200)
        '3 min 20 s'
    """
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def counted(count: int, one: str, many: str = "") -> str:
    """Return a number of things in words; ``many`` is the plural where that is not ``one`` + "s".

    Example:
        >>> counted(1, "part"), counted(2, "part")
        ('1 part', '2 parts')
    """
    return f"{count} {one if count == 1 else many or one + 's'}"
