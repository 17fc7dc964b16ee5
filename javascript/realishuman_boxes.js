/* Boxes: drawn, moved and resized by mouse, finger or keys; sent to the WebUI as lines of text. */

window.realishuman = window.realishuman || {};

(function() {
    const ours = window.realishuman;
    const EDGE = 8; // pixels on the screen within which an edge of a box is taken hold of
    const SMALL = 5; // pixels on the screen; a shorter drag is a click
    const ALL = [true, true, true, true]; // edges that move: left, top, right, bottom

    const named = (part) => [part.side, part.kind].filter(Boolean).join(" ");
    const inOrder = ([x0, y0, x1, y1]) => [Math.min(x0, x1), Math.min(y0, y1), Math.max(x0, x1), Math.max(y0, y1)];
    const line = (number, name, box) => `${number}: ${name} ${box.map(Math.round).join(",")}`;

    ours.BoxEditor = class {
        // held: {part or null, box, moves}, while a box is changed; rubber: what is drawn of it
        constructor(viewer) {
            Object.assign(this, {viewer, held: null, rubber: null, steered: null, added: false});
        }

        // Which box is under an event, and which of its edges would move. The chosen part's comes first.
        grip(event) {
            const {frame, parts, selected} = this.viewer;
            const [x, y] = frame.at(event);
            const near = EDGE / frame.scale;
            const size = ({box}) => (box[2] - box[0]) * (box[3] - box[1]);
            const hits = parts
                .filter(({box}) => x > box[0] - near && x < box[2] + near && y > box[1] - near && y < box[3] + near)
                .sort((a, b) => (b.number === selected) - (a.number === selected) || size(a) - size(b));
            if (!hits.length) return {part: null, box: [x, y, x, y], moves: [false, false, true, true]};
            const {box} = hits[0];
            const moves = [x, y, x, y].map((value, side) => Math.abs(value - box[side]) < near);
            return {part: hits[0], box, moves: moves.some(Boolean) ? moves : ALL};
        }

        cursor({part, moves}) {
            if (!part) return "crosshair";
            if (moves.every(Boolean)) return "move";
            if ((moves[0] && moves[1]) || (moves[2] && moves[3])) return "nwse-resize";
            if ((moves[0] && moves[3]) || (moves[2] && moves[1])) return "nesw-resize";
            return moves[0] || moves[2] ? "ew-resize" : "ns-resize";
        }

        // A drag from its first event on: {move, end}, as pointers.js takes it.
        drag(first) {
            const {viewer} = this;
            const held = this.grip(first);
            const start = viewer.frame.at(first);
            return {
                move: (event) => {
                    const now = viewer.frame.at(event);
                    const by = [now[0] - start[0], now[1] - start[1]];
                    this.rubber = inOrder(held.box.map((value, side) => value + (held.moves[side] ? by[side % 2] : 0)));
                    viewer.render();
                },
                end: (event, kept) => {
                    const far = Math.hypot(event.clientX - first.clientX, event.clientY - first.clientY) >= SMALL;
                    const box = this.rubber;
                    if (kept && far && box) {
                        this.send(held.part, box, held.moves.every(Boolean));
                        return; // the rubber stays until the answer comes
                    }
                    this.rubber = null;
                    viewer.render();
                    if (kept && !far) viewer.select(held.part ? held.part.number : 0);
                },
            };
        }

        // By keys: the chosen part's box, or a new one in the middle of what is seen.
        steer(part) {
            const {frame, canvas} = this.viewer;
            const [wide, high] = frame.room;
            const middle = [0.35 * wide - frame.left, 0.35 * high - frame.top, 0.65 * wide - frame.left, 0.65 * high - frame.top];
            this.steered = {part, whole: true};
            this.rubber = part ? part.box.slice() : middle.map((value) => value / frame.scale);
            canvas.focus();
            this.viewer.say("Arrows move the box, with Shift they resize it; Enter takes it, Escape leaves it as it was.");
            this.viewer.render();
        }

        // One key while a box is steered; whether it was for us.
        key(event) {
            if (!this.steered) return false;
            const way = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
            if (way) {
                const by = Math.max(6 / this.viewer.frame.scale, 1);
                const box = this.rubber.map((value, side) => value + way[side % 2] * by * (event.shiftKey && side < 2 ? 0 : 1));
                if (box[2] - box[0] >= by && box[3] - box[1] >= by) this.rubber = box;
                this.steered.whole = this.steered.whole && !event.shiftKey;
                this.viewer.render();
            } else if (event.key === "Enter") {
                const {part, whole} = this.steered;
                this.steered = null;
                this.send(part, this.rubber, whole);
            } else if (event.key === "Escape") {
                this.stop();
                this.viewer.render();
            } else {
                return false;
            }
            return true;
        }

        stop() {
            Object.assign(this, {steered: null, rubber: null, added: false});
        }

        answered() {
            if (!this.steered) this.stop();
        }

        send(part, box, moved) {
            const {viewer} = this;
            const lines = viewer.parts.map((one) => line(one.number, named(one), one.box));
            // whoever moves a whole box away may mean another hand: its side is looked for anew
            if (part) lines[viewer.parts.indexOf(part)] = line(part.number, moved ? part.kind : named(part), box);
            else lines.push(line(lines.length + 1, viewer.newKind, box));
            this.added = !part;
            ours.boxes(lines);
        }

        rename(part, name) {
            const lines = this.viewer.parts.map((one) => line(one.number, one === part ? name : named(one), one.box));
            ours.boxes(lines);
        }

        remove(part) {
            ours.boxes(this.viewer.parts.filter((one) => one !== part).map((one) => line(one.number, named(one), one.box)));
        }

        draw() {
            if (!this.rubber) return [];
            const [x0, y0, x1, y1] = this.rubber;
            const place = {"x": x0, "y": y0, "width": x1 - x0, "height": y1 - y0};
            return [ours.shape("rect", {...place, "class": "rh-rubber-under"}), ours.shape("rect", {...place, "class": "rh-rubber"})];
        }
    };
})();
