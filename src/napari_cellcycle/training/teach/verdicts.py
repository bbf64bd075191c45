"""How far to go from the old weights to the new ones, and whether that is better, in words."""

from dataclasses import dataclass

from napari_cellcycle.training.teach.plan import FAR_OFF
from napari_cellcycle.training.teach.result import Contrast, Outcome, Verdict
from napari_cellcycle.training.teach.tallies import Tally, contrast, error_of_gain

FORGIVEN = 0.01
"""A loss on simulated movies below this is none, however certain it is.

More is forgiven where still more was won (see `_forgot`), beyond chance, on what was kept aside.
"""
PROBABLE = 0.9
"""Chance above which a model is called probably better."""
_HARDLY = 0.001
"""Gain below which the words say that it is hardly any, and give more digits."""
_SIMULATED_MOVIES = "simulated movies that stay the same"


@dataclass(frozen=True)
class Tried:
    """Weights a `share` of the way from old (0) to new (1), and how well they do."""

    share: float
    held_out: Tally | None
    remembered: Tally | None


def chosen(old: Tried, tried: list[Tried], seed: int = 0) -> Tried:
    """The step to propose: the shortest that is as good as the best of those that did not forget.

    As good is what does not fall behind by more than half a standard error of the difference. If
    all forgot, the one that forgot least; without anything kept aside, the longest that did not.
    """
    fine = [each for each in tried if not _forgot(*_contrasts(old, each, "", seed))]
    if not fine:
        return max(tried, key=lambda each: _value(each.remembered))
    best = max(fine, key=lambda each: (_value(each.held_out), each.share))
    if best.held_out is None:
        return best
    error = error_of_gain(old.held_out, best.held_out, seed) if old.held_out else 0.0
    good = [each for each in fine if _value(each.held_out) >= _value(best.held_out) - error / 2]
    return min(good, key=lambda each: each.share)


def judged(old: Tried, new: Tried, held: str, seed: int = 0) -> Verdict:
    """Whether a step from the old weights is better; `held` names what was kept aside."""
    held_out, remembered = _contrasts(old, new, held, seed)
    outcome = _outcome(held_out, remembered)
    return Verdict(
        outcome=outcome,
        words=_in_words(outcome, held_out, remembered),
        recommended=outcome in ("better", "probably better"),
        share=new.share,
        held_out=held_out,
        remembered=remembered,
    )


def _outcome(held_out: Contrast | None, remembered: Contrast | None) -> Outcome:
    if _forgot(held_out, remembered):
        return "worse"
    if held_out is None:
        return "unknown"
    low, high = held_out.gain_interval
    if high < 0:
        return "worse"
    if not held_out.firm:
        return "no difference"
    if low > 0:
        return "better"
    return "probably better" if held_out.chance >= PROBABLE else "no difference"


def _fell(remembered: Contrast | None) -> bool:
    """Whether the model does worse than before on simulated movies, beyond chance."""
    if remembered is None:
        return False
    return remembered.gain_interval[1] < 0 and remembered.gain < -FORGIVEN


def _forgot(held_out: Contrast | None, remembered: Contrast | None) -> bool:
    """Whether more was lost on simulated movies than what was surely won elsewhere makes up for.

    That is all of it for a base that was far off what it is taught, else half of it.
    """
    if remembered is None or not _fell(remembered):
        return False
    won = held_out.gain_interval[0] if held_out is not None else 0.0
    is_far_off = held_out is not None and held_out.before < FAR_OFF
    return -remembered.gain > (won if is_far_off else won / 2)


def _contrasts(
    old: Tried, new: Tried, held: str, seed: int
) -> tuple[Contrast | None, Contrast | None]:
    """What was won on what was `held` aside, and on simulated movies; None where neither is."""
    held_out = remembered = None
    if old.held_out is not None and new.held_out is not None:
        held_out = contrast(old.held_out, new.held_out, held, seed)
    if old.remembered is not None and new.remembered is not None:
        remembered = contrast(old.remembered, new.remembered, _SIMULATED_MOVIES, seed)
    return held_out, remembered


def _value(tally: Tally | None) -> float:
    return 0.0 if tally is None else tally.value


def _in_words(outcome: Outcome, held_out: Contrast | None, remembered: Contrast | None) -> str:
    parts = []
    if remembered is not None and _forgot(held_out, remembered):
        parts.append(f"Worse: it forgot what it knew. {_told(remembered)}")
    if held_out is None:
        parts.append(
            "Nobody knows whether it is better, as nothing could be kept aside to score it on: "
            "correct cells in other frames and lineages, too."
        )
    elif held_out.gain_interval[1] < 0:
        parts.insert(0, f"Worse. {_told(held_out)}")
    elif outcome in ("better", "probably better"):
        sure = "Better" if outcome == "better" else f"Probably better ({held_out.chance:.0%})"
        hardly = ", but hardly" if abs(held_out.gain) < _HARDLY else ""
        parts.append(f"{sure}{hardly}. {_told(held_out)}")
        if remembered is not None and _fell(remembered):
            parts.append(f"For movies like these; elsewhere it may do worse. {_told(remembered)}")
    else:
        said = "" if parts else "No difference beyond chance. "
        parts += [f"{said}{_told(held_out)}", _why_chance(held_out)]
    return " ".join(filter(None, parts))


def _why_chance(held_out: Contrast) -> str:
    """Why a gain may be chance, where more corrections would tell."""
    if held_out.gain_interval == (-1.0, 1.0):
        count = held_out.groups
        return f"That is too little to tell chance from change ({count} of them): correct more."
    if held_out.chance >= PROBABLE and not held_out.firm:
        return "Without one of them it would be none: correct more."
    return ""


def _told(one: Contrast) -> str:
    """A contrast in a sentence."""
    low, high = one.gain_interval
    digits = 5 if 0 < abs(one.gain) < _HARDLY else 3
    span = f", by {low:+.{digits}f} to {high:+.{digits}f}"
    span = "" if (low, high) in ((-1.0, 1.0), (0.0, 0.0)) else span
    moved = "went up" if one.gain > 0 else "went down" if one.gain < 0 else "stayed"
    name = one.name[0].upper() + one.name[1:]
    if not one.gain:
        return f"{name} {moved} at {one.before:.3f}{span}, on {one.on}."
    before, after = (f"{value:.{digits}f}" for value in (one.before, one.after))
    return f"{name} {moved} from {before} to {after}{span}, on {one.on}."
