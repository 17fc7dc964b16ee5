/* The viewer's row of buttons. */

window.realishuman = window.realishuman || {};

(function() {
    const ours = window.realishuman;
    const MODES = {look: ["Look", "Drag moves the picture"], boxes: ["Boxes", "Drag draws, moves or resizes a box"], brush: ["Brush", "Drag adds to what may change of a part, or takes from it"]};
    const PICTURES = {before: "Before", swipe: "Swipe", after: "After"};
    const OVERLAYS = {mesh: "Mesh", ring: "Ring", boxes: "Boxes"};

    ours.Tools = class {
        constructor(viewer) {
            const {make} = ours;
            const group = (label, ...children) => make("div", {"class": "rh-group", "role": "group", "aria-label": label}, ...children);
            const button = (text, title, click) => make("button", {"type": "button", title, click}, text);
            const several = (all, click) => Object.entries(all).map(([name, text]) => {
                const [shown, title] = [text].flat();
                const made = button(shown, title || shown, () => click(name));
                made.dataset.name = name;
                return made;
            });
            this.viewer = viewer;
            this.modes = group("What dragging does", ...several(MODES, (name) => viewer.setMode(name)));
            this.pictures = group("Picture", ...several(PICTURES, (name) => viewer.setPicture(name)));
            this.overlays = group("Over the picture", ...several(OVERLAYS, (name) => viewer.turnOverlay(name)));
            this.kinds = make("select", {"aria-label": "What a new box contains", "change": () => (viewer.newKind = this.kinds.value)});
            this.undo = button("↶", "Undo (Ctrl+Z)", () => ours.order({undo: true}));
            this.redo = button("↷", "Redo (Ctrl+Shift+Z)", () => ours.order({redo: true}));
            this.undo.setAttribute("aria-label", "Undo");
            this.redo.setAttribute("aria-label", "Redo");
            const zooms = group(
                "Size",
                this._named(button("−", "Smaller (-)", () => viewer.zoom(1 / ours.STEP)), "Smaller"),
                viewer.zoomed,
                this._named(button("+", "Larger (+)", () => viewer.zoom(ours.STEP)), "Larger"),
                button("Whole picture", "Whole picture (0)", () => viewer.select(0, true)),
            );
            this.adding = group("New box", make("span", {"aria-hidden": "true"}, "new:"), this.kinds);
            this.size = make("input", {"type": "range", "min": "1", "max": "30", "value": "5", "aria-label": "Size of the brush, in percent of the part's square", "input": () => (viewer.brush.size = Number(this.size.value) / 100)});
            this.strokes = group("Brush", ...several({adds: "Add", takes: "Take away"}, (name) => {
                viewer.brush.adds = name === "adds";
                viewer.render();
            }), this.size, this.clear = button("Clear", "Take all strokes off the chosen part", () => viewer.brush.clear(viewer.part)));
            this.root = make("div", {"class": "rh-tools"}, this.modes, this.adding, this.strokes, this.pictures, this.overlays, zooms, group("History", this.undo, this.redo));
        }

        _named(button, name) {
            button.setAttribute("aria-label", name);
            return button;
        }

        render() {
            const {viewer} = this;
            const {data} = viewer;
            const press = (group, pressed) => {
                for (const one of group.querySelectorAll("button")) one.setAttribute("aria-pressed", String(pressed(one.dataset.name)));
            };
            press(this.modes, (name) => viewer.mode === name);
            press(this.pictures, (name) => viewer.picture === name);
            press(this.overlays, (name) => viewer.overlays[name]);
            this.pictures.hidden = !viewer.hasResult;
            this.adding.hidden = viewer.mode !== "boxes";
            this.strokes.hidden = viewer.mode !== "brush";
            if (viewer.brush) press(this.strokes, (name) => (name === undefined ? null : (name === "adds") === viewer.brush.adds));
            this.clear.removeAttribute("aria-pressed");
            this.clear.disabled = !viewer.part || !viewer.part.brushed;
            this.undo.disabled = !data || !data.undo;
            this.redo.disabled = !data || !data.redo;
            const kinds = data ? data.kinds : [];
            if (this.kinds.options.length !== kinds.length) {
                this.kinds.replaceChildren(...kinds.map((kind) => new Option(kind, kind)));
                this.kinds.value = viewer.newKind;
            }
        }
    };
})();
