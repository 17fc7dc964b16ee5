/* The RealisHuman tab: drawing and moving boxes, the before/after slider, progress, switching tabs.
   One set of listeners on the document, so that nothing breaks when gradio renders anew. */

(function() {
    const NAME = "realishuman";
    const EDGE = 9; // pixels on the screen within which an edge of a box is taken hold of
    const SMALL = 5; // pixels; a shorter drag is a click
    const WAIT = 150; // ms after the last movement of a slider

    const app = () => (typeof gradioApp === "function" ? gradioApp() : document);
    const byName = (name) => app().querySelector(`#${NAME}_${name}`);

    // Switching tabs, by the buttons' text because their order differs from host to host.

    function press(root, text) {
        const all = root ? Array.from(root.querySelectorAll("button")) : [];
        const button = all.find((one) => one.textContent.trim() === text);
        if (button) button.click();
    }

    window.switch_to_realishuman = function() {
        press(app().querySelector("#tabs"), "RealisHuman");
        press(byName("tabs"), "Picture");
        return Array.from(arguments);
    };

    window.switch_to_realishuman_models = function() {
        press(app().querySelector("#tabs"), "RealisHuman");
        press(byName("tabs"), "Models");
        const refresh = byName("refresh");
        if (refresh) refresh.click();
        return Array.from(arguments);
    };

    // A run with the host's progress bar. `all` are the event's inputs, maybe followed by outputs.

    window.realishuman_submit = function(all, count, outcome) {
        const id = randomId();
        const tab = byName("tabs");
        const place = byName(outcome);
        tab.classList.add("rh-busy");
        requestProgress(id, place, place, () => tab.classList.remove("rh-busy"));
        const inputs = all.slice(0, count);
        inputs[0] = id;
        return inputs;
    };

    // The before/after slider: a range input, so that mouse, touch and keys work by themselves.

    document.addEventListener("input", (event) => {
        const compare = event.target.closest && event.target.closest(".rh-compare");
        if (compare) compare.style.setProperty("--rh-split", `${event.target.value}%`);
    });

    // Sliders of the ring redraw it once they rest.

    let resting = 0;
    document.addEventListener("input", (event) => {
        const ring = event.target.closest && event.target.closest(`#${NAME}_tabs`);
        const slider = event.target.closest && event.target.closest("[id$=_dilate], [id$=_erode]");
        if (!ring || !slider) return;
        clearTimeout(resting);
        resting = setTimeout(() => byName("redraw").click(), WAIT);
    });

    // While something is downloaded, its progress is asked for.

    let downloading = false;
    setInterval(() => {
        const state = byName("download_state");
        const before = downloading;
        downloading = Boolean(state && state.querySelector(".rh-running"));
        const button = byName(downloading ? "download_tick" : "download_ended");
        if (button && (downloading || before)) button.click();
    }, 1000);

    // Boxes on the preview, in pixels of the picture.

    const boxesOf = (stage) => JSON.parse(stage.dataset.boxes || "[]");

    function scaleOf(stage) {
        const shown = stage.querySelector("img").getBoundingClientRect();
        return {shown, x: Number(stage.dataset.width) / shown.width, y: Number(stage.dataset.height) / shown.height};
    }

    function grip(stage, event) {
        // Which box is under the pointer, and which of its edges [left, top, right, bottom] move.
        const scale = scaleOf(stage);
        const x = (event.clientX - scale.shown.left) * scale.x;
        const y = (event.clientY - scale.shown.top) * scale.y;
        const near = [EDGE * scale.x, EDGE * scale.y];
        const hits = boxesOf(stage)
            .map((box, index) => ({index, box: box.slice(2)}))
            .filter(({box}) => x > box[0] - near[0] && x < box[2] + near[0] && y > box[1] - near[1] && y < box[3] + near[1])
            .sort((a, b) => (a.box[2] - a.box[0]) * (a.box[3] - a.box[1]) - (b.box[2] - b.box[0]) * (b.box[3] - b.box[1]));
        if (!hits.length) return {x, y, index: -1, box: [x, y, x, y], moves: [false, false, true, true]};
        const {index, box} = hits[0];
        const moves = [
            Math.abs(x - box[0]) < near[0], Math.abs(y - box[1]) < near[1],
            Math.abs(x - box[2]) < near[0], Math.abs(y - box[3]) < near[1],
        ];
        return {x, y, index, box, moves: moves.some(Boolean) ? moves : [true, true, true, true]};
    }

    function cursorOf({index, moves}) {
        if (index < 0) return "crosshair";
        if (moves.every(Boolean)) return "move";
        if ((moves[0] && moves[1]) || (moves[2] && moves[3])) return "nwse-resize";
        if ((moves[0] && moves[3]) || (moves[2] && moves[1])) return "nesw-resize";
        return moves[0] || moves[2] ? "ew-resize" : "ns-resize";
    }

    function draw(stage, box) {
        let rubber = stage.querySelector(".rh-rubber");
        if (!rubber) {
            rubber = document.createElement("div");
            rubber.className = "rh-rubber";
            stage.appendChild(rubber);
        }
        const share = (value, whole) => `${100 * value / whole}%`;
        const {width, height} = stage.dataset;
        rubber.style.left = share(box[0], width);
        rubber.style.top = share(box[1], height);
        rubber.style.width = share(box[2] - box[0], width);
        rubber.style.height = share(box[3] - box[1], height);
    }

    function send(stage, index, box, moved) {
        const area = byName("boxes").querySelector("textarea");
        const lines = boxesOf(stage).map((one, number) => {
            const name = [one[1], one[0]].filter(Boolean).join(" ");
            return `${number + 1}: ${name} ${one.slice(2).join(",")}`;
        });
        const whole = box.map(Math.round).join(",");
        if (index < 0) {
            const chosen = byName("drawn").querySelector("input:checked");
            lines.push(`${lines.length + 1}: ${chosen ? chosen.value : "hand"} ${whole}`);
        } else {
            const one = boxesOf(stage)[index];
            // whoever drags a whole box away may mean another hand: its side is looked for anew
            const name = [moved ? "" : one[1], one[0]].filter(Boolean).join(" ");
            lines[index] = `${index + 1}: ${name} ${whole}`;
        }
        area.value = lines.join("\n");
        updateInput(area);
        setTimeout(() => byName("apply").click(), 50); // gradio takes a moment to notice the text
    }

    function tick(index) {
        const boxes = byName("ticks").querySelectorAll("input[type=checkbox]");
        if (boxes[index]) boxes[index].click();
    }

    let held = null;

    document.addEventListener("pointerdown", (event) => {
        const stage = event.target.closest && event.target.closest(".rh-stage");
        if (!stage || event.button !== 0) return;
        event.preventDefault();
        held = {stage, startX: event.clientX, startY: event.clientY, ...grip(stage, event)};
    });

    document.addEventListener("pointermove", (event) => {
        if (!held) {
            const stage = event.target.closest && event.target.closest(".rh-stage");
            if (stage) stage.style.cursor = cursorOf(grip(stage, event));
            return;
        }
        held.now = moved(event);
        draw(held.stage, held.now);
    });

    function moved(event) {
        const scale = scaleOf(held.stage);
        const by = [(event.clientX - held.startX) * scale.x, (event.clientY - held.startY) * scale.y];
        const box = held.box.map((value, side) => value + (held.moves[side] ? by[side % 2] : 0));
        return [Math.min(box[0], box[2]), Math.min(box[1], box[3]), Math.max(box[0], box[2]), Math.max(box[1], box[3])];
    }

    function drop(event, keep) {
        if (!held) return;
        const {stage, index, moves, startX, startY, now} = held;
        held = null;
        const rubber = stage.querySelector(".rh-rubber");
        const far = Math.hypot(event.clientX - startX, event.clientY - startY) >= SMALL;
        if (keep && far && now) {
            send(stage, index, now, moves.every(Boolean));
            return; // the rubber stays until the answer replaces the stage
        }
        if (rubber) rubber.remove();
        if (keep && !far && index >= 0) tick(index);
    }

    document.addEventListener("pointerup", (event) => drop(event, true));
    document.addEventListener("pointercancel", (event) => drop(event, false));

    // The same by keyboard: each box is a button on the preview, and one adds a box.

    const REST = 700; // ms without a key after which a box that was moved is sent
    let steered = null; // {stage, index, box, whole}, while keys move a box
    let steering = 0;

    function goOnAt(index) {
        // The answer will be a new stage, and the focus is lost with the old one.
        const place = byName("stage");
        const stampOf = () => (place.querySelector(".rh-stage") || {dataset: {}}).dataset.stamp;
        const before = stampOf();
        const watch = new MutationObserver(() => {
            if (stampOf() === before) return;
            watch.disconnect();
            if (document.activeElement !== document.body) return; // somebody has gone elsewhere
            const handles = place.querySelectorAll(".rh-handle");
            const last = handles.length - 1;
            const again = handles[index < 0 ? last : Math.min(index, last)] || place.querySelector(".rh-add");
            if (again) again.focus();
        });
        watch.observe(place, {childList: true, subtree: true});
    }

    function settle() {
        clearTimeout(steering);
        const {stage, index, box, whole} = steered;
        steered = null;
        goOnAt(index);
        send(stage, index, box, whole);
    }

    function unsteer(stage) {
        clearTimeout(steering);
        steered = null;
        const rubber = stage.querySelector(".rh-rubber");
        if (rubber) rubber.remove();
    }

    function steer(stage, index, key, resizing) {
        const width = Number(stage.dataset.width);
        const height = Number(stage.dataset.height);
        if (!steered || steered.stage !== stage || steered.index !== index) {
            const middle = [0.375 * width, 0.375 * height, 0.625 * width, 0.625 * height];
            steered = {stage, index, box: index < 0 ? middle : boxesOf(stage)[index].slice(2), whole: false};
        }
        const way = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[key] || [0, 0];
        const by = Math.max(width, height) / 100;
        const box = steered.box.map((value, side) => value + way[side % 2] * by * (resizing && side < 2 ? 0 : 1));
        if (box[2] - box[0] >= by && box[3] - box[1] >= by) steered.box = box;
        steered.whole = steered.whole || !resizing;
        draw(stage, steered.box);
        clearTimeout(steering);
        if (index >= 0) steering = setTimeout(settle, REST); // a new box waits for Enter
    }

    function remove(index) {
        goOnAt(index);
        const area = byName("boxes").querySelector("textarea");
        area.value = area.value.split("\n").filter((line) => line.trim()).filter((_, number) => number !== index).join("\n");
        updateInput(area);
        setTimeout(() => byName("apply").click(), 50);
    }

    document.addEventListener("keydown", (event) => {
        if (event.key === "Escape") drop(event, false);
        const one = event.target.closest && event.target.closest(".rh-handle, .rh-add");
        if (!one) return;
        const stage = one.closest(".rh-stage");
        const index = one.dataset.index === undefined ? -1 : Number(one.dataset.index);
        if (event.key.startsWith("Arrow")) {
            steer(stage, index, event.key, event.shiftKey);
        } else if (event.key === "Enter" || event.key === " ") {
            if (steered) settle();
            else if (index < 0) steer(stage, index, "", false);
            else {
                goOnAt(index);
                tick(index);
            }
        } else if (event.key === "Delete" && index >= 0) {
            remove(index);
        } else if (event.key === "Escape") {
            unsteer(stage);
        } else {
            return;
        }
        event.preventDefault();
        event.stopPropagation();
    }, true);
})();
