"""Names of columns as keys of a geff, which become folders on any disk."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

LONGEST = 100
"""Characters of a key; many disks take no more than 255 bytes, and Windows 260 for a whole path."""


def property_keys(names: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """Give every name a key of letters, digits and `_-.%` that no other has, nor `taken`.

    Most names are their own key. Other characters become %XX, as in the address of a web page:
    `p_G1/S` is `p_G1%2FS`. Case does not tell keys apart, since some disks do not either.
    """
    used = {key.casefold() for key in taken}
    keys: dict[str, str] = {}
    for name in names:
        if name in keys:
            continue
        plain = key = _plain(name)
        number = 2
        while key.casefold() in used:
            key, number = f"{plain}_{number}", number + 1
        used.add(key.casefold())
        keys[name] = key
    return keys


def changed(keys: Mapping[str, str]) -> dict[str, str]:
    """The name of each key that is not its name itself."""
    return {key: name for name, key in keys.items() if key != name}


def property_names(keys: Mapping[str, str]) -> dict[str, Any]:
    """What a geff's metadata says of properties whose keys are not their names.

    The type of their values is filled in by `geff` when it writes them.
    """
    from geff_spec import PropMetadata

    return {
        key: PropMetadata(identifier=key, dtype="str", name=name)
        for key, name in changed(keys).items()
    }


def _plain(name: str) -> str:
    key = quote(name, safe="", errors="surrogatepass")[:LONGEST] or "%"
    if key[0] == ".":
        key = "%2E" + key[1:]
    return key.removesuffix(".") + "%2E" if key[-1] == "." else key
