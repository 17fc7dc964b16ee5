/* The brush: strokes that add to what may change of the chosen part, or take from it. */

window.realishuman = window.realishuman || {};

(function() {
    const ours = window.realishuman;
    const APART = 2; // pixels on the screen between two points of a stroke

    ours.Brush = class {
        // adds: whether it adds; size: of the brush, as a share of the part's square
        constructor(viewer) {
            Object.assign(this, {viewer, adds: true, size: 0.05, way: null, at: null, part: null});
        }

        get radius() {
            const {part} = this.viewer;
            return part ? this.size * (part.crop[2] - part.crop[0]) / 2 : 0;
        }

        drag(first) {
            const {viewer} = this;
            if (!viewer.part) viewer.select((this._near(first) || {number: 0}).number);
            this.part = viewer.part;
            if (!this.part) viewer.say("Choose a part first.");
            this.way = this.part ? [viewer.frame.at(first)] : null;
            viewer.render();
            return {
                move: (event) => this._move(event),
                end: (_event, kept) => {
                    const round = (value) => Math.round(value * 10) / 10;
                    if (kept && this.way) ours.order({brush: [this.part.number, this.adds, round(this.radius), this.way.flat().map(round)]});
                    if (!kept) this.way = null;
                    viewer.render();
                },
            };
        }

        // Where the brush is while nothing is drawn.
        hover(event) {
            this.at = event ? this.viewer.frame.at(event) : null;
            this.viewer.render();
        }

        answered() {
            this.way = null;
        }

        clear(part) {
            ours.order({brush: [part.number]});
        }

        draw() {
            if (this.viewer.mode !== "brush") return [];
            const kind = this.adds ? "rh-adds" : "rh-takes";
            const drawn = [];
            if (this.way) {
                const line = this.way.map((point) => point.join(" ")).join("L");
                drawn.push(ours.shape("path", {"d": `M${line}${this.way.length === 1 ? "h0" : ""}`, "class": `rh-stroke ${kind}`, "stroke-width": 2 * this.radius}));
            }
            if (this.at && this.viewer.part) {
                drawn.push(ours.shape("circle", {"cx": this.at[0], "cy": this.at[1], "r": this.radius, "class": `rh-tip ${kind}`}));
            }
            return drawn;
        }

        _move(event) {
            const now = this.viewer.frame.at(event);
            this.at = now;
            const last = this.way && this.way[this.way.length - 1];
            if (last && Math.hypot(now[0] - last[0], now[1] - last[1]) * this.viewer.frame.scale >= APART) this.way.push(now);
            this.viewer.render();
        }

        _near(event) {
            const [x, y] = this.viewer.frame.at(event);
            return this.viewer.parts.find(({crop}) => x > crop[0] && x < crop[2] && y > crop[1] && y < crop[3]);
        }
    };
})();
