/* What the viewer shows while parts are refined: their stage in the list, previews in their place. */

window.realishuman = window.realishuman || {};

(function() {
    const ours = window.realishuman;
    const NAME = /(\d+) (?:left |right )?[a-z]+/g;

    ours.Work = class {
        // place: before which the host puts its bar; previews: where it puts its live previews
        constructor(viewer, place) {
            Object.assign(this, {viewer, place, numbers: [], stage: ""});
            this.previews = ours.make("div", {"class": "rh-hidden"});
            this.shown = ours.make("div", {"class": "rh-previews"});
            new MutationObserver(() => this._preview()).observe(this.previews, {childList: true, subtree: true});
        }

        // What the host says: "RealisHuman: 1 right hand, 2 face: part 1 to 2 of 3, stage one 3/20, ..."
        tell(text) {
            const [, names, stage] = text.match(/^RealisHuman: ([^:]*): (.*)$/) || [];
            if (!names) return;
            const numbers = Array.from(names.matchAll(NAME), (found) => Number(found[1]));
            if (numbers.join() !== this.numbers.join()) this.shown.replaceChildren();
            Object.assign(this, {numbers, stage});
            this.render();
        }

        render() {
            for (const row of this.viewer.rows.children) {
                const working = this.numbers.includes(Number(row.dataset.number));
                row.classList.toggle("rh-working", working);
                if (working) row.querySelector(".rh-fate").textContent = this.stage;
            }
        }

        end() {
            Object.assign(this, {numbers: [], stage: ""});
            this.shown.replaceChildren();
            this.previews.replaceChildren();
            this.viewer.render();
        }

        // A preview shows the crops of all parts that are painted together, side by side.
        _preview() {
            const images = this.previews.querySelectorAll("img");
            if (!images.length || !this.numbers.length) return;
            const count = this.numbers.length;
            const address = images[images.length - 1].src;
            const parts = this.numbers.map((number) => this.viewer.parts.find((one) => one.number === number));
            this.shown.replaceChildren(...parts.flatMap((part, at) => {
                if (!part) return [];
                const [x0, y0, x1, y1] = part.crop;
                const made = ours.make("div");
                Object.assign(made.style, {
                    left: `${x0}px`, top: `${y0}px`, width: `${x1 - x0}px`, height: `${y1 - y0}px`,
                    backgroundImage: `url("${address}")`, backgroundSize: `${100 * count}% 100%`,
                    backgroundPosition: `${count > 1 ? 100 * at / (count - 1) : 0}% 0`,
                });
                return [made];
            }));
        }
    };
})();
