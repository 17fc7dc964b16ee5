"""What a run will do with these choices, said before it does it; no network is opened."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from realishuman.diffusion.prompted import Checkpoint
from realishuman.errors import PackError
from realishuman.judge.network import find_judge
from realishuman.kinds import KINDS, plural
from realishuman.packs.own_numbers import own_numbers
from realishuman.packs.pack import Pack
from realishuman.packs.store import DEMO, RANDOM, Installed
from realishuman.paint.checkpoint import GUIDANCE, STEPS
from realishuman.pipeline.engines import engine_of, why_left_alone
from realishuman.settings import AUTO, CHECKPOINT, PACK, Settings
from realishuman.webui.choices import Choices
from realishuman.webui.host.chosen import explain_lacking, keep_packed, list_remarks
from realishuman.webui.in_effect import Used

_WARNING = {  # weights -> what to know before they repaint a kind of part
    DEMO: "The demo pack repaints {}: small networks that show the method on rendered ones and "
    "spoil real ones.",
    RANDOM: "A pack of RANDOM weights repaints {}: it paints noise.",
}


@dataclass(frozen=True)
class Outlook:
    """What a run will do.

    sentence  in short; empty where nothing can be repainted at all.
    warnings  what its user may not expect, a sentence each.
    used      the numbers it will use where none are set.
    """

    sentence: str
    warnings: tuple[str, ...]
    used: Used


@dataclass(frozen=True)
class _Fate:
    """What becomes of a kind of part.

    engine  what repaints it; empty where nothing does.
    pack    in use for it.
    error   why a run will fail.
    """

    kind: str
    engine: str = ""
    pack: Pack | None = None
    error: str = ""


def look_ahead(
    there: Installed,
    checkpoint_of: Callable[[], Checkpoint],
    choices: Choices,
    pace: Mapping[str, float],
) -> Outlook:
    """Say what a run with these choices will do.

    checkpoint_of  gives the loaded model, if that is to be asked.
    pace           seconds that a part took lately, by engine.
    """
    settings, packs = choices.settings, choices.packs
    may = settings.allow_checkpoint or settings.engine == CHECKPOINT
    checkpoint = checkpoint_of() if may else None
    why_not = checkpoint.why_not() if checkpoint else ""
    can = checkpoint is not None and not why_not
    fates = [_fate_of(kind, there, choices, can) for kind in settings.parts]
    lacking = explain_lacking(there, packs, settings.parts)
    warnings = [*list_remarks(there, packs, settings.parts)]
    for fate in fates:
        if fate.error:
            warnings.append(f"Pictures are left as they are: {fate.error}")
        elif not fate.engine and not _lacks_pack(fate, settings, lacking):
            warnings.append(why_left_alone(fate.kind, settings.engine, lacking, why_not))
        elif fate.engine == CHECKPOINT and checkpoint is not None:
            warnings.append(_warn_of(checkpoint))
        elif fate.pack is not None and fate.pack.header.weights in _WARNING:
            warnings.append(_WARNING[fate.pack.header.weights].format(plural(fate.kind)))
    name = checkpoint.name if checkpoint else ""
    fails = any(fate.error for fate in fates)
    sentence = "" if fails else _say(fates, settings, lacking, name, pace)
    return Outlook(sentence, tuple(dict.fromkeys(warnings)), _used(fates, settings))


def _fate_of(kind: str, there: Installed, choices: Choices, has_checkpoint: bool) -> _Fate:
    wish = choices.settings.engine
    try:
        wanted = kind in keep_packed([kind], wish)
        pack = there.pick(kind, choices.packs.get(kind, AUTO)) if wanted else None
    except PackError as error:
        return _Fate(kind, error=str(error))
    engine = engine_of(kind, wish, pack is not None, has_checkpoint)
    return _Fate(kind, engine, pack if engine == PACK else None)


def _lacks_pack(fate: _Fate, settings: Settings, lacking: Mapping[str, str]) -> bool:
    """Whether a kind of part is left alone only because a pack is missing."""
    return settings.engine in (AUTO, PACK) and fate.kind in lacking


def _warn_of(checkpoint: Checkpoint) -> str:
    img2img = checkpoint.img2img()
    said = f"How well {checkpoint.name} repaints is not measured yet."
    return f"{said} {img2img.note}" if img2img else said


def _say(
    fates: Sequence[_Fate],
    settings: Settings,
    lacking: Mapping[str, str],
    checkpoint: str,
    pace: Mapping[str, float],
) -> str:
    """One sentence on all kinds of part, and one on the gate where it is asked."""
    kinds: dict[str, list[str]] = {}
    for fate in fates:
        kinds.setdefault(_verb(fate, settings, lacking, checkpoint, pace), []).append(fate.kind)
    said = "; ".join(f"{_and(map(plural, some))} are {verb}" for verb, some in kinds.items())
    gated = [fate.kind for fate in fates if _is_gated(fate, settings)]
    text = f"{said[:1].upper()}{said[1:]}."
    if gated:
        text += f" {_and(map(plural, gated)).capitalize()} that look right stay as they are."
    return text


def _verb(
    fate: _Fate,
    settings: Settings,
    lacking: Mapping[str, str],
    checkpoint: str,
    pace: Mapping[str, float],
) -> str:
    each = f", about {max(pace[fate.engine], 1):.0f} s each" if fate.engine in pace else ""
    if fate.pack is not None:
        return f"repainted with the pack {fate.pack.path.stem}{each}"
    if fate.engine == CHECKPOINT:
        return f"repainted with {checkpoint} at strength {settings.strength:g}{each}"
    if fate.engine:
        return f"repaired with the picture's own skin{each}"
    missing = _lacks_pack(fate, settings, lacking)
    return "left alone" + (" (no trained pack; see the Models page)" if missing else "")


def _is_gated(fate: _Fate, settings: Settings) -> bool:
    """Whether parts of this kind are asked about before they are painted."""
    weights = fate.pack.header.weights if fate.pack else ""
    judged = find_judge(fate.kind, weights == DEMO) is not None and weights != RANDOM
    return bool(fate.engine) and settings.ways.gate and judged


def _used(fates: Sequence[_Fate], settings: Settings) -> Used:
    packs = {fate.kind: fate.pack.header for fate in fates if fate.pack}
    own = {kind: own_numbers(kind, settings.preset, packs.get(kind)) for kind in KINDS}
    painted = [fate.kind for fate in fates if fate.engine == CHECKPOINT]
    for kind in painted:
        own[kind] = replace(own[kind], steps=STEPS, guidance=GUIDANCE)
    picture = "the picture's own, else "
    words = {"steps": f"{picture}{STEPS}", "guidance": f"{picture}{GUIDANCE:g}"}
    return Used(own, settings.parts, words if painted else {})


def _and(names: Iterable[str]) -> str:
    return " and ".join(names)
