from __future__ import annotations

import json
import re
import sys

import pytest

from realishuman.webui import options
from realishuman.webui.choices import choices_from, values_from
from realishuman.webui.fields import FIELDS
from realishuman.webui.generation import panel, xyz
from realishuman.webui.generation.groups import IMG2IMG_ONLY
from realishuman.webui.generation.script import AXES
from realishuman.webui.tab import wiring
from realishuman.webui.tab.sending import Sending


def test_the_scripts_file_runs_as_the_hosts_run_it_and_registers_everything_once(host, loaded):
    registered = sys.modules["modules.script_callbacks"].registered

    assert "realishuman_webui.py" not in sys.modules
    assert loaded.RealisHumanScript().show(False) is host.AlwaysVisible
    names = "ui_settings before_ui image_saved script_unloaded after_component ui_tabs app_started"
    assert {name: len(calls) for name, calls in registered.items()} == {
        f"on_{name}": 1 for name in names.split()
    }


def test_hosts_find_exactly_one_script_and_one_postprocessing_class(host, loaded):
    kinds = (host.Script, host.ScriptPostprocessing)
    found = [
        name
        for name, one in vars(loaded).items()
        if isinstance(one, type) and issubclass(one, kinds)
    ]

    assert found == ["RealisHumanScript", "RealisHumanPostprocessing"]


def test_components_come_in_the_order_of_the_arguments_and_hold_the_defaults(ours):
    assert len(ours.components) == len(FIELDS)
    assert choices_from(values_from([one.value for one in ours.components])) == choices_from({})
    for one, component in zip(FIELDS, ours.components, strict=True):
        name = f"{one.name}_own" if one.is_left else one.name
        assert component.elem_id == f"script_txt2img_realishuman_{name}"
        assert component.label
        assert component.do_not_save_to_config


@pytest.fixture
def accordion(ours, host):
    """Everything in and below it, by the end of its name."""
    whole = host.Component()
    with whole:
        ours.ui(False)
    prefix = "script_txt2img_realishuman_"
    return {(one.elem_id or "").removeprefix(prefix): one for one in whole.children}


def test_every_slider_shows_a_number_that_could_be_asked_for(accordion):
    for one in FIELDS:
        if one.is_number:
            shown = accordion[one.name]
            assert shown.named["minimum"] <= shown.value <= shown.named["maximum"]
            assert one.read(shown.value) is not None
            assert len(str(shown.value)) <= 6  # no 1.0999999999999999 in the page
            assert shown.do_not_save_to_config


def test_a_number_that_is_left_to_the_pack_shows_the_one_in_effect_and_sends_none(accordion):
    for name, usual in (("margin", 2.0), ("steps", 50), ("hand_dilate", 100), ("face_dilate", 30)):
        assert accordion[name].value == usual
        assert accordion[f"{name}_own"].value == "auto"
        assert "rh-own" not in accordion[f"{name}_number"].named["elem_classes"]


def test_a_number_that_the_user_starts_with_is_shown_as_the_users(shared, host, ours):
    shared.opts.data["realishuman_start_margin"] = "2.5"
    whole = host.Component()
    with whole:
        made = ours.ui(False)
    box = next(one for one in whole.children if (one.elem_id or "").endswith("_margin_number"))

    assert made[[one.name for one in FIELDS].index("margin")].value == "2.5"
    assert "rh-own" in box.named["elem_classes"]
    assert box.children[0].value == 2.5


def test_moving_a_slider_and_going_back_are_the_pages_own_doing(accordion):
    """No request is on its way when Generate is pressed right afterwards."""
    for trigger in (accordion["margin"], accordion["margin_back"]):
        [(function, named)] = trigger.events
        assert function is None
        assert named["outputs"] == [accordion["margin_own"]]
    assert accordion["margin_back"].events[0][1]["_js"] == '() => "auto"'


def test_few_choices_are_in_sight_and_the_rest_is_folded(accordion):
    folded = {one.elem_id for one in accordion["fold"].children}
    in_sight = [one.name for one in FIELDS[1:] if accordion[one.name].elem_id not in folded]

    assert set(in_sight) == {
        "parts", "engine", "strength", "prompt", "inpaint_parts", "skip_img2img"
    }  # fmt: skip
    assert not any(accordion[name].visible for name in IMG2IMG_ONLY)
    assert accordion["checkpoint"].visible is False  # with strength and prompt


def test_what_the_checkpoint_needs_is_shown_where_it_may_repaint(ours):
    engine = ours.components[[one.name for one in FIELDS].index("engine")]
    [(tell, named)] = engine.events

    for wish, allowed, shown in (
        ("auto", False, False), ("auto", True, True), ("checkpoint", False, True),
    ):  # fmt: skip
        *_, box = tell(False, *looked(engine=wish, allow_checkpoint=allowed))
        assert box == {"visible": shown}
    assert named["outputs"][-1].elem_id == "script_txt2img_realishuman_checkpoint"


def test_components_may_be_made_again_and_again(ours):
    first = ours.ui(False)
    again = ours.ui(False)

    assert not {id(one) for one in first} & {id(one) for one in again}
    assert [key for _, key in ours.infotext_fields] != []
    assert len(ours.infotext_fields) == len(FIELDS)


def test_making_components_opens_no_pack_and_asks_no_host(loaded, monkeypatch):
    """Without the painting engine: the real one would ask for a WebUI, and there is none."""
    monkeypatch.setattr("realishuman.packs.pack.Pack.open", None)

    assert len(loaded.RealisHumanScript().ui(True)) == len(FIELDS)


def test_ticking_the_box_says_what_will_happen_with_a_link_and_offers_the_packs(ours):
    _, (look, named) = ours.components[0].events  # the first lists saved settings
    chosen = looked(parts=["hand"], hand_pack="mine")
    said, effects, _, hand, face, control = look(True, *chosen)

    assert "hand: mine, auto by auto." in said
    assert panel.MODELS_PAGE in said
    assert json.loads(effects)["hand_dilate"] == [100, ""]
    assert hand["choices"] == face["choices"] == ["auto", "mine.safetensors"]
    assert control["choices"] == ["none", "sd15_depth"]
    assert len(named["outputs"]) == 6
    assert look(False, *chosen)[:2] == ["", {}]


def test_a_sentence_that_names_the_models_page_is_the_way_there():
    named = panel.outlook_html("The Models page says how.", [])
    other = panel.outlook_html("", ["<b>"])

    for text in (named, other):
        assert text.count(panel.MODELS_PAGE) == text.count("Models page") == 1
    assert "See the" not in named
    assert "&lt;b&gt;" in other
    assert ("rh-warned" in named, "rh-warned" in other) == (False, True)
    assert panel.outlook_html("Hands are repaired.", []).count("Models page") == 0
    assert panel.outlook_html("", []) == ""


def test_what_will_happen_is_said_outside_of_the_accordion_that_stays_closed(ours, host):
    *_, (_, named) = ours.components[0].events
    assert named["outputs"][0] not in ours.components[0].children
    assert ours.components[1] in ours.components[0].children


@pytest.mark.parametrize("name", panel.LOOKED)
def test_other_parts_engines_or_packs_say_anew_what_will_happen_while_the_box_is_ticked(ours, name):
    component = ours.components[[one.name for one in FIELDS].index(name)]
    [(say, named)] = component.events

    chosen = looked(engine="pack", face_pack="mine", strength=0.3)
    said, *_ = say(True, *chosen)
    assert "hand face: auto, mine by pack." in said
    assert "Strength 0.3." in said
    assert say(False, *chosen)[0] == ""
    assert len(named["inputs"]) == 1 + len(panel.LOOKED)


def test_a_box_that_is_ticked_from_the_start_says_it_from_the_start(ours, shared):
    shared.opts.data["realishuman_start_enabled"] = True
    shared.opts.data["realishuman_start_hand_pack"] = "mine"
    *_, (_, named) = ours.ui(False)[0].events

    assert "hand face: mine, auto by auto." in named["outputs"][0].value


def test_start_values_are_the_users_and_a_spoilt_one_falls_back(ours, shared):
    shared.opts.data["realishuman_start_steps"] = 12
    shared.opts.data["realishuman_start_confidence"] = "high"
    values = choices_from(values_from([one.value for one in ours.ui(False)]))

    assert values.settings.steps == 12
    assert values.settings.confidence == 0.5


def test_the_settings_page_has_a_start_value_for_every_field(host, shared):
    options.register()
    options.register()

    labels = shared.opts.labels
    assert set(labels) == {
        *options.OPTIONS, *(options.start_key(one) for one in FIELDS),
    }  # fmt: skip
    assert all(info.section == ("realishuman", "RealisHuman") for info in labels.values())
    assert labels["realishuman_models_dir"].restrict_api
    for one in FIELDS:
        start = shared.opts.data[options.start_key(one)]
        assert one.read(one.from_component(start)) == one.default


def looked(**values):
    """What the components of panel.LOOKED hold."""
    at_start = {one.name: one.show(one.default) for one in FIELDS}
    return [{**at_start, **values}[name] for name in panel.LOOKED]


class Axis:
    def __init__(self, label, type, apply, confirm=None, choices=None, prepare=None):
        self.label, self.type, self.apply = label, type, apply
        self.confirm, self.choices, self.prepare = confirm, choices, prepare


@pytest.fixture
def grid(host, painting):
    scripts = sys.modules["modules.scripts"]
    kind = type("Script", (), {"__module__": "xyz_grid.py"})
    module = host.module(
        "xyz",
        AxisOption=Axis,
        axis_options=[],
        re_range=re.compile(r"(\d+)-(\d+)"),
        re_range_count_float=re.compile(r"([\d.]+)-([\d.]+)\[(\d+)\]"),
    )
    scripts.scripts_data.append(host.module("data", script_class=kind, module=module))
    return module


def test_a_grid_gets_an_axis_for_every_field_once(grid):
    xyz.register()
    xyz.register()

    assert [axis.label for axis in grid.axis_options] == [
        f"[RealisHuman] {one.label}" for one in FIELDS
    ]


def test_an_axis_sets_a_value_on_its_own_copy_of_p(grid, host):
    xyz.register()
    axes = {axis.label: axis for axis in grid.axis_options}
    p, other = host.P(None, []), host.P(None, [])
    setattr(p, AXES, {"steps": 3})
    vars(other)[AXES] = getattr(p, AXES)  # as copy(p) shares it
    axes["[RealisHuman] Guidance"].apply(other, 2.5, [2.5])
    axes["[RealisHuman] Hand pack"].apply(other, "mine.safetensors", [])

    assert getattr(p, AXES) == {"steps": 3}
    assert getattr(other, AXES) == {
        "steps": 3, "guidance": 2.5, "hand_pack": "mine.safetensors",
    }  # fmt: skip


def test_a_wrong_value_on_an_axis_is_refused_before_the_grid_starts(grid, host):
    xyz.register()
    steps = next(axis for axis in grid.axis_options if axis.label.endswith("] Steps"))

    steps.confirm(None, [1, 20])
    with pytest.raises(host.HTTPException, match="steps must be a whole number from 1 to 999") as e:
        steps.confirm(None, [20, 2000])

    assert e.value.status_code == 422
    assert (e.value.detail["field"], e.value.detail["allowed"]) == ("steps", "1 to 999, or null")


def test_text_that_is_no_number_is_refused_before_the_host_reads_it(grid, host):
    xyz.register()
    axes = {axis.label: axis for axis in grid.axis_options}
    steps, guidance = (axes[f"[RealisHuman] {name}"] for name in ("Steps", "Guidance"))

    assert steps.prepare(" 5, 10-20 ,\n30,") == ["5", "10-20", "30"]
    assert guidance.prepare("1.5, 1-3[5]") == ["1.5", "1-3[5]"]
    for axis, text in ((steps, "5, many"), (steps, "5-"), (guidance, "1-3[x]"), (steps, "2.5")):
        with pytest.raises(host.HTTPException) as e:
            axis.prepare(text)
        assert e.value.detail["message"]


def test_a_pack_that_is_not_there_is_refused_on_an_axis_too(grid, host):
    xyz.register()
    axis = next(axis for axis in grid.axis_options if axis.label.endswith("] Hand pack"))

    axis.confirm(None, ["auto", "mine.safetensors"])
    with pytest.raises(host.HTTPException, match="hand_pack must be one of auto, mine"):
        axis.confirm(None, ["other.safetensors"])


def test_axes_without_numbers_offer_their_choices_as_text(grid):
    xyz.register()
    choices = {axis.label: axis.choices() for axis in grid.axis_options if axis.choices}

    assert choices["[RealisHuman] Hand pack"] == ["auto", "mine.safetensors"]
    assert choices["[RealisHuman] Preset"] == ["auto", "released", "paper"]
    assert choices["[RealisHuman] Colour match"] == ["auto", "True", "False"]
    for one in FIELDS:
        for choice in choices.get(f"[RealisHuman] {one.label}", []):
            one.read(choice)


def test_settings_say_what_a_number_means_that_is_none(host, shared):
    options.register()

    for one in FIELDS:
        label = shared.opts.labels[options.start_key(one)].label
        start = shared.opts.data[options.start_key(one)]
        assert ("(auto, or " in label) is one.is_left
        assert (start == "auto") is (one.default in (None, "auto"))


def test_the_margin_that_stood_for_none_in_earlier_versions_is_none(ours, shared):
    shared.opts.data["realishuman_start_margin"] = 1.1
    shared.opts.data["realishuman_start_dilate"] = -1
    settings = choices_from(values_from([one.value for one in ours.ui(False)])).settings

    assert (settings.margin, settings.dilate) == (None, None)


@pytest.mark.parametrize(
    ("numbered", "name"), [(True, "realishuman"), (False, r"[\d-]{15}-realishuman")]
)
def test_a_saved_file_has_a_tidy_name_of_its_own(host, shared, monkeypatch, numbered, name):
    from realishuman.webui.tab.tab_host import TabHost

    named = []

    def save_image(*_arguments, suffix, **_named):
        named.append(suffix)
        return "there.png", None

    images = host.module("modules.images", save_image=save_image)
    monkeypatch.setitem(sys.modules, "modules.images", images)
    monkeypatch.setattr(sys.modules["modules"], "images", images, raising=False)
    for option, value in (
        ("outdir_save", ""), ("samples_format", "png"), ("save_images_add_number", numbered),
    ):  # fmt: skip
        setattr(shared.opts, option, value)

    assert "there.png" in TabHost().save("a picture", "")
    assert re.fullmatch(name, named[0])


def test_the_folder_in_which_the_host_keeps_shown_pictures_is_there(
    host, shared, monkeypatch, tmp_path
):
    """Forge Neo names it and does not make it."""
    shared.opts.temp_dir = str(tmp_path / "data" / "tmp")
    monkeypatch.setattr(wiring, "log", None)  # nothing to say
    monkeypatch.setattr(sys.modules["modules"], "infotext_utils", None, raising=False)

    with pytest.raises(ImportError):  # of what else the page needs; the stand-in has no queue
        wiring.tabs(Sending())

    assert (tmp_path / "data" / "tmp").is_dir()
