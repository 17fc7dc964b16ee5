"""Which crops show the same part of the same person, as frames of a video do.

Pictures below one folder count as pictures of one person. Where one of them shows two parts of the
same side, it cannot be told whose they are, and both are left out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

from realishuman.advice import command
from realishuman.errors import SettingsError
from realishuman.train.collect import read_manifest
from realishuman.train.config import TrainConfig
from realishuman.train.data import Groups, count_trained
from realishuman.train.shards import Crops


def groups_of(crops: Crops, config: TrainConfig) -> Groups:
    """The groups among the crops that are trained on.

    Raises SettingsError if there is none.
    """
    together: dict[tuple[str, str | None], list[int]] = defaultdict(list)
    count = count_trained(crops, config)
    for line in read_manifest(Path(config.data.folder)):
        sides = Counter(crop["side"] for crop in line["crops"])
        for crop in line["crops"]:
            index = crops.index_of(crop["shard"], crop["place"])
            if sides[crop["side"]] == 1 and index < count:
                together[str(Path(line["file"]).parent), crop["side"]].append(index)
    found = {
        index: tuple(other for other in group if other != index)
        for group in together.values()
        for index in group
        if len(group) > 1
    }
    if not found:
        raise SettingsError(
            f"stage_one.groups asks for several pictures of one person, and the crops in "
            f"{config.data.folder} have none: give `{command('train', 'prepare')}` a folder with "
            "one folder for each person or video, or set groups = false."
        )
    return found
