/* The viewer's list of parts: what they are, what was or will be done with them, and choices. */

window.realishuman = window.realishuman || {};

(function() {
    const ours = window.realishuman;
    const THUMB = 112; // pixels of a thumbnail's side, shown at half of it

    ours.PartList = class {
        constructor(viewer) {
            this.viewer = viewer;
            const redraw = () => this._drawThumbs();
            for (const image of [viewer.before, viewer.after]) image.addEventListener("load", redraw);
        }

        render() {
            const {viewer} = this;
            const focused = viewer.rows.contains(document.activeElement) ? document.activeElement.dataset.at : "";
            viewer.rows.replaceChildren(...viewer.parts.map((part) => this._row(part)));
            this._drawThumbs();
            const again = focused && viewer.rows.querySelector(`[data-at="${focused}"]`);
            if (again) again.focus({preventScroll: true});
        }

        _row(part) {
            const {make} = ours;
            const {viewer} = this;
            const chosen = part.number === viewer.selected;
            const name = make("button", {
                "type": "button", "class": "rh-name", "data-at": `name-${part.number}`, "aria-current": chosen && "true",
                "click": () => viewer.select(part.number, true),
            }, part.name);
            const choices = [this._box("tick", part, "Refine", part.ticked, () => viewer.tick(part))];
            if (part.kept !== null) choices.push(this._box("keep", part, "Keep the repair", part.kept, () => viewer.keep(part)));
            const more = part.tries.length ? [this._tries(part)] : [];
            if (chosen) more.push(this._more(part));
            return make(
                "li", {"class": chosen ? "rh-part rh-chosen" : "rh-part", "data-number": part.number},
                make("canvas", {"class": "rh-thumb", "width": THUMB, "height": THUMB, "aria-hidden": "true", "click": () => viewer.select(part.number, true)}),
                make("div", {"class": "rh-about"}, name, make("div", {"class": "rh-choices"}, ...choices), make("p", {"class": "rh-fate", "title": part.about}, part.fate), ...more),
            );
        }

        _box(what, part, text, checked, change) {
            const {make} = ours;
            const box = make("input", {"type": "checkbox", "data-at": `${what}-${part.number}`, "aria-label": `${text}: ${part.name}`, change});
            box.checked = checked;
            return make("label", {}, box, text);
        }

        // All that was painted of the part, side by side; a click takes one.
        _tries(part) {
            const {make} = ours;
            return make("div", {"class": "rh-tries", "role": "group", "aria-label": `Tries at part ${part.name}`}, ...part.tries.map((one, at) => make("button", {
                "type": "button", "data-at": `try-${part.number}-${at}`, "aria-pressed": String(one.chosen),
                "title": one.reason ? `The original was kept: ${one.reason}` : one.name,
                "click": () => ours.order({pick: [part.number, at]}),
            }, make("img", {"src": one.thumb, "alt": ""}), make("span", {}, one.name))));
        }

        _more(part) {
            const {make} = ours;
            const {editor, data} = this.viewer;
            const kinds = make("select", {
                "data-at": `kind-${part.number}`, "aria-label": `What part ${part.number} is`,
                "change": (event) => editor.rename(part, event.target.value),
            }, ...data.kinds.map((kind) => new Option(kind, kind)));
            kinds.value = [part.side, part.kind].filter(Boolean).join(" ");
            const button = (at, text, click) => make("button", {"type": "button", "data-at": `${at}-${part.number}`, click}, text);
            return make(
                "div", {"class": "rh-more"}, kinds,
                button("edit", "Move box", () => editor.steer(part)),
                button("remove", "Remove", () => editor.remove(part)),
            );
        }

        _drawThumbs() {
            const {viewer} = this;
            for (const row of viewer.rows.children) {
                const part = viewer.parts.find((one) => one.number === Number(row.dataset.number));
                const image = part && part.kept ? viewer.after : viewer.before;
                if (!part || !image.naturalWidth) continue;
                const scale = image.naturalWidth / viewer.data.width;
                const [x0, y0, x1, y1] = part.crop.map((value) => value * scale);
                const paper = row.querySelector("canvas").getContext("2d");
                paper.clearRect(0, 0, THUMB, THUMB);
                paper.drawImage(image, x0, y0, x1 - x0, y1 - y0, 0, 0, THUMB, THUMB);
            }
        }
    };
})();
