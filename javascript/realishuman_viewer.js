/* The viewer: the picture before and after, with parts, meshes and rings over it.
   It reads the hidden components view, meshes, before and after whenever they change. */

window.realishuman = window.realishuman || {};

(function() {
    const ours = window.realishuman;
    const SVG = "http://www.w3.org/2000/svg";
    const SOURCES = ["view", "meshes", "before", "after"];
    const STEP = 1.25; // of the zoom, per key or notch of a wheel
    const SHARP = 3; // zoom from which pixels are shown as squares

    // An element with attributes (those that are functions are listeners) and children.
    function make(tag, attributes = {}, ...children) {
        const made = document.createElement(tag);
        for (const [name, value] of Object.entries(attributes)) {
            if (typeof value === "function") made.addEventListener(name, value);
            else if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
        }
        made.append(...children);
        return made;
    }

    function shape(tag, attributes) {
        const made = document.createElementNS(SVG, tag);
        for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
        return made;
    }

    const lined = (line, closed) => `M${line.join(" ")}${closed ? "Z" : line.length === 2 ? "h0" : ""}`;

    class Viewer {
        constructor(mount) {
            Object.assign(this, {
                data: null, selected: 0, mode: "boxes", picture: "before", split: 0.5, newKind: "hand",
                overlays: {mesh: true, ring: true, boxes: true}, lastPart: null,
            });
            this._build(mount);
            this.frame = new ours.Frame(this.canvas, () => this._place());
            this.list = new ours.PartList(this);
            this.editor = new ours.BoxEditor(this);
            this.brush = new ours.Brush(this);
            this.work = new ours.Work(this, this.desk);
            this.world.insertBefore(this.work.shown, this.drawing);
            ours.listenToPointers(this);
            ours.listenToKeys(this);
            const read = () => {
                cancelAnimationFrame(this.reading);
                this.reading = requestAnimationFrame(() => this._read());
            };
            const watch = new MutationObserver(read);
            for (const name of SOURCES) watch.observe(ours.byName(name), {childList: true, subtree: true});
            this._read();
        }

        // What is shown of the page's state.

        get parts() {
            return this.data ? this.data.parts : [];
        }

        get part() {
            return this.parts.find((one) => one.number === this.selected) || null;
        }

        get hasResult() {
            return Boolean(this.after.getAttribute("src"));
        }

        // Select a part, and show it large if asked to.
        select(number, large = false) {
            this.selected = number;
            if (large) this.frame.show(this.part ? this.part.crop : null);
            this.render();
            const part = this.part;
            if (part) this.say(`${part.name}, part ${this.parts.indexOf(part) + 1} of ${this.parts.length}. ${part.fate}`);
        }

        // The part so many places further on, round and round.
        go(by) {
            if (!this.parts.length) return;
            const now = this.parts.indexOf(this.part);
            const next = now < 0 ? (by > 0 ? 0 : this.parts.length - 1) : (now + by + this.parts.length) % this.parts.length;
            this.select(this.parts[next].number, true);
        }

        compare() {
            this.setPicture(this.picture === "after" ? "before" : "after");
        }

        setPicture(name) {
            if (!this.hasResult) return;
            this.picture = name;
            this.render();
            this.say(name);
        }

        setMode(name) {
            this.editor.stop();
            this.mode = name;
            if (name === "brush") this.overlays.ring = true; // it is what changes
            this.render();
        }

        turnOverlay(name) {
            this.overlays[name] = !this.overlays[name];
            this.render();
        }

        setSplit(share) {
            this.split = Math.max(0, Math.min(1, share));
            this._place();
        }

        tick(part) {
            part.ticked = !part.ticked;
            ours.tick(this.parts.indexOf(part));
            this.render();
            this.say(`${part.name} ${part.ticked ? "will be refined" : "stays as it is"}`);
        }

        keep(part) {
            if (part.kept === null) return;
            part.kept = !part.kept;
            ours.order({keep: this.parts.filter((one) => one.kept).map((one) => one.number)});
            this.render();
            this.say(`${part.name} ${part.kept ? "kept" : "discarded"}`);
        }

        zoom(factor) {
            this.frame.zoom(factor);
        }

        say(text) {
            this.live.textContent = text;
        }

        // Reading the hidden components.

        _read() {
            ours.answered();
            const [view, meshes, before, after] = SOURCES.map((name) => ours.byName(name));
            const held = view.querySelector(".rh-data");
            const data = held ? JSON.parse(held.dataset.json) : null;
            const another = (data && data.picture) !== (this.data && this.data.picture);
            const had = this.hasResult;
            const count = this.parts.length;
            this.data = data;
            this._show(this.before, before);
            this._show(this.after, after);
            this.meshes.replaceChildren(...Array.from(meshes.querySelectorAll("img"), (one) => one.cloneNode()));
            if (another) this._begin();
            if (this.hasResult && !had) this._admire();
            if (!this.hasResult) this.picture = "before";
            if (this.editor.added && this.parts.length > count) this.selected = this.parts[this.parts.length - 1].number;
            if (!this.part) this.selected = 0;
            this.editor.answered();
            this.brush.answered();
            this.root.classList.toggle("rh-empty", !data);
            this.render();
        }

        _show(image, source) {
            const held = source.querySelector("img");
            const address = held ? held.getAttribute("src") : "";
            if (address === (image.getAttribute("src") || "")) return;
            if (address) image.setAttribute("src", address);
            else image.removeAttribute("src");
        }

        _begin() {
            this.selected = 0;
            this.mode = "boxes";
            this.overlays = {mesh: true, ring: true, boxes: true};
            if (!this.data) return;
            const {width, height} = this.data;
            this.canvas.style.aspectRatio = `${width} / ${height}`;
            this.frame.setPicture(width, height);
        }

        // A first result: what was drawn on the picture would hide it.
        _admire() {
            this.picture = "swipe";
            this.mode = "look";
            this.overlays = {mesh: false, ring: false, boxes: true};
            const refined = this.parts.filter((one) => one.kept !== null);
            if (refined.length && !refined.includes(this.part)) this.selected = refined[0].number;
            if (refined.length) this.frame.show(this.part.crop);
        }

        // Drawing.

        render() {
            const {data} = this;
            this.root.dataset.mode = this.mode;
            this.root.dataset.picture = this.picture;
            this.after.hidden = !this.hasResult || this.picture === "before";
            this.swipe.hidden = this.picture !== "swipe";
            this.meshes.hidden = !this.overlays.mesh;
            for (const mesh of this.meshes.children) {
                const part = this.parts.find((one) => one.number === Number(mesh.dataset.number));
                mesh.hidden = !part || !part.ticked;
                if (!part) continue;
                const [x0, y0, x1, y1] = part.crop;
                Object.assign(mesh.style, {left: `${x0}px`, top: `${y0}px`, width: `${x1 - x0}px`, height: `${y1 - y0}px`});
            }
            this.world.style.width = `${data ? data.width : 0}px`;
            this.world.style.height = `${data ? data.height : 0}px`;
            this.drawing.setAttribute("viewBox", `0 0 ${data ? data.width : 1} ${data ? data.height : 1}`);
            this.drawing.replaceChildren(...this.parts.flatMap((one) => this._draw(one)), ...this.editor.draw(), ...this.brush.draw());
            this.labels.replaceChildren(...(this.overlays.boxes ? this.parts.map((one) => this._label(one)) : []));
            this.tools.render();
            this.list.render();
            this.work.render();
            const part = this.part;
            const state = {before: "before", after: "after", swipe: "before on the left, after on the right"}[this.picture];
            const about = part ? `; part ${part.name} selected` : "";
            this.canvas.setAttribute("aria-label", data ? `Picture with ${this.parts.length} parts, ${state}${about}` : "No picture yet");
            this._place();
        }

        _draw(part) {
            const drawn = [];
            const path = (name, lines, closed) => drawn.push(shape("path", {
                "d": lines.map((line) => lined(line, closed)).join(""), "class": `rh-${name}`, "stroke": part.colour,
            }));
            if (part.ticked && this.overlays.mesh) {
                path("outline", part.mesh, true);
                path("points", part.lines, false);
            }
            if (part.ticked && this.overlays.ring) {
                path("outer", part.outer, true);
                path("inner", part.inner, true);
            }
            if (this.overlays.boxes) {
                const [x0, y0, x1, y1] = part.box;
                const chosen = part.number === this.selected ? " rh-chosen" : "";
                drawn.push(shape("rect", {
                    "x": x0, "y": y0, "width": x1 - x0, "height": y1 - y0,
                    "class": `rh-box${chosen}${part.ticked ? "" : " rh-unticked"}`, "stroke": part.colour,
                }));
            }
            return drawn;
        }

        _label(part) {
            const label = make("span", {"class": "rh-label", "aria-hidden": "true"}, part.name);
            label.classList.toggle("rh-chosen", part.number === this.selected);
            if (part.ticked) label.style.setProperty("color", part.colour, "important");
            label.place = part.box;
            return label;
        }

        _place() {
            if (!this.frame) return;
            const {scale, left, top, room, isWhole, width} = this.frame;
            this.world.style.transform = `translate(${left}px, ${top}px) scale(${scale})`;
            this.root.classList.toggle("rh-sharp", scale >= SHARP);
            this.canvas.style.touchAction = isWhole && this.mode === "look" ? "pan-y" : "none";
            this.zoomed.textContent = `${Math.round(100 * scale)} %`;
            const border = Math.max(0, Math.min(width, (this.split * room[0] - left) / scale));
            this.after.style.clipPath = this.picture === "swipe" ? `inset(0 0 0 ${border}px)` : "";
            this.swipe.style.left = `${100 * this.split}%`;
            this.swipe.setAttribute("aria-valuenow", Math.round(100 * this.split));
            for (const label of this.labels.children) {
                const [x0, y0] = label.place;
                label.style.left = `${Math.max(0, left + scale * x0)}px`;
                label.style.top = `${Math.max(0, top + scale * y0 - 20)}px`;
            }
        }

        // Building, once.

        _build(mount) {
            this.root = mount;
            const hint = Array.from(mount.childNodes);
            this.before = make("img", {"alt": "", "draggable": "false"});
            this.after = make("img", {"alt": "", "draggable": "false", "class": "rh-after"});
            this.meshes = make("div", {"class": "rh-meshes"});
            this.drawing = shape("svg", {"class": "rh-drawing", "aria-hidden": "true"});
            this.world = make("div", {"class": "rh-world"}, this.before, this.after, this.meshes, this.drawing);
            this.labels = make("div", {"class": "rh-labels"});
            this.swipe = make("div", {
                "class": "rh-swipe", "role": "slider", "tabindex": "0", "aria-valuemin": "0", "aria-valuemax": "100",
                "aria-label": "Border between before and after, in percent",
            }, make("span", {"class": "rh-tag rh-tag-before"}, "before"), make("span", {"class": "rh-tag rh-tag-after"}, "after"));
            this.canvas = make("div", {
                "class": "rh-canvas", "tabindex": "0", "role": "application", "aria-describedby": "rh-keys",
            }, this.world, this.labels, this.swipe);
            this.live = make("p", {"class": "rh-unseen", "role": "status"});
            this.zoomed = make("span", {"class": "rh-zoom"}, "100 %");
            this.tools = new ours.Tools(this);
            this.rows = make("ol", {"class": "rh-parts", "aria-label": "Parts"});
            this.desk = make("div", {"class": "rh-desk"}, make("div", {"class": "rh-front"}, this.canvas, ...hint), this.rows);
            mount.replaceChildren(
                this.tools.root,
                this.desk,
                make("details", {"class": "rh-keys"}, make("summary", {}, "Keys"), ours.keysHelp()),
                this.live,
            );
        }
    }

    Object.assign(ours, {make, shape, STEP});

    const built = setInterval(() => {
        const mount = document.querySelector(".rh-viewer");
        if (!mount || !ours.byName || !SOURCES.every(ours.byName)) return;
        clearInterval(built);
        ours.viewer = new Viewer(mount);
    }, 200);
})();
