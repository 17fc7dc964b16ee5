/* Mouse, fingers and keys on the viewer. */

window.realishuman = window.realishuman || {};

(function() {
    const ours = window.realishuman;
    const NOTCH = 0.0015; // of the zoom's logarithm, per pixel that a wheel scrolls
    const SMALL = 5; // pixels; a shorter drag is a click
    const KEYS = [
        ["Arrows", "the next or previous part, large"],
        ["Space", "before or after"],
        ["Enter", "tick the part to be refined, or not"],
        ["K", "keep or discard its repair"],
        ["+, −, 0", "larger, smaller, the whole picture"],
        ["M, R", "mesh, ring on and off"],
        ["N, E, Delete", "a new box, move the part's box, remove the part"],
        ["Ctrl+Z, Ctrl+Shift+Z", "undo, redo"],
    ];

    ours.keysHelp = () => ours.make("dl", {"id": "rh-keys"}, ...KEYS.flatMap(([keys, text]) => [
        ours.make("dt", {}, keys), ours.make("dd", {}, text),
    ]));

    // Each drag is an object {move(event), end(event, kept)}.

    function panning(viewer, first) {
        let last = first;
        return {
            move: (event) => {
                viewer.frame.pan(event.clientX - last.clientX, event.clientY - last.clientY);
                last = event;
            },
            end: (event, kept) => {
                const far = Math.hypot(event.clientX - first.clientX, event.clientY - first.clientY) >= SMALL;
                const {part} = viewer.editor.grip(first);
                if (kept && !far && first.button === 0) viewer.select(part ? part.number : 0);
            },
        };
    }

    function swiping(viewer) {
        const move = (event) => viewer.setSplit(viewer.frame.onCanvas(event)[0] / viewer.frame.room[0]);
        return {move, end: () => undefined};
    }

    function begin(viewer, event) {
        if (event.target.closest(".rh-swipe")) return swiping(viewer);
        if (event.button === 1 || event.ctrlKey || viewer.mode === "look") return panning(viewer, event);
        return viewer.mode === "brush" ? viewer.brush.drag(event) : viewer.editor.drag(event);
    }

    ours.listenToPointers = function(viewer) {
        const {canvas, frame} = viewer;
        const pointers = new Map();
        let drag = null;

        canvas.addEventListener("pointerdown", (event) => {
            if (!viewer.data || event.button > 1) return;
            canvas.setPointerCapture(event.pointerId);
            pointers.set(event.pointerId, event);
            if (drag) drag.end(event, false); // a second finger zooms
            drag = pointers.size === 1 ? begin(viewer, event) : null;
            if (event.button === 1) event.preventDefault();
        });

        canvas.addEventListener("pointermove", (event) => {
            if (pointers.size === 2 && pointers.has(event.pointerId)) {
                pinch(pointers, event, frame);
            } else if (drag) {
                drag.move(event);
            } else if (viewer.mode === "brush") {
                canvas.style.cursor = "crosshair";
                viewer.brush.hover(event);
            } else if (viewer.data) {
                canvas.style.cursor = viewer.mode === "look" ? "" : viewer.editor.cursor(viewer.editor.grip(event));
            }
        });

        function lift(event, kept) {
            pointers.delete(event.pointerId);
            if (drag) drag.end(event, kept);
            drag = null;
        }
        canvas.addEventListener("pointerup", (event) => lift(event, true));
        canvas.addEventListener("pointerleave", () => viewer.mode === "brush" && viewer.brush.hover(null));
        canvas.addEventListener("pointercancel", (event) => lift(event, false));

        canvas.addEventListener("wheel", (event) => {
            if (!viewer.data || (event.deltaY > 0 && frame.isWhole)) return; // then the page scrolls
            event.preventDefault();
            const lines = event.deltaMode === 1 ? 30 : 1;
            frame.zoom(Math.exp(-event.deltaY * lines * NOTCH), ...frame.onCanvas(event));
        }, {passive: false});
    };

    function pinch(pointers, event, frame) {
        const other = Array.from(pointers.values()).find((one) => one.pointerId !== event.pointerId);
        const before = pointers.get(event.pointerId);
        const [still, old, now] = [other, before, event].map((one) => frame.onCanvas(one));
        const apart = (one) => Math.max(Math.hypot(one[0] - still[0], one[1] - still[1]), 1);
        frame.zoom(apart(now) / apart(old), (now[0] + still[0]) / 2, (now[1] + still[1]) / 2);
        frame.pan((now[0] - old[0]) / 2, (now[1] - old[1]) / 2);
        pointers.set(event.pointerId, event);
    }

    // Keys. Where the focus is on the picture or a part's name, every key counts; on other controls
    // of the viewer only those that they do not need themselves.

    const swipeKeys = {ArrowLeft: -0.02, ArrowRight: 0.02, ArrowDown: -0.02, ArrowUp: 0.02, Home: -1, End: 1};

    function step(viewer, by, target) {
        const row = target.closest(".rh-part");
        if (row) viewer.selected = Number(row.dataset.number);
        viewer.go(by);
        if (!row) return;
        const name = viewer.rows.querySelector(".rh-part.rh-chosen .rh-name");
        if (name) name.focus();
    }

    function act(viewer, event) {
        const {part, editor} = viewer;
        const {key, target} = event;
        const withPart = (action) => part && action(part);
        const command = event.ctrlKey || event.metaKey;
        if (command && key.toLowerCase() === "z") return () => ours.order(event.shiftKey ? {redo: true} : {undo: true});
        if (command && key.toLowerCase() === "y") return () => ours.order({redo: true});
        if (command || event.altKey) return null;
        const actions = {
            "ArrowRight": () => step(viewer, 1, target), "ArrowDown": () => step(viewer, 1, target),
            "ArrowLeft": () => step(viewer, -1, target), "ArrowUp": () => step(viewer, -1, target),
            " ": () => viewer.compare(),
            "k": () => withPart((one) => viewer.keep(one)),
            "m": () => viewer.turnOverlay("mesh"), "r": () => viewer.turnOverlay("ring"),
            "+": () => viewer.zoom(ours.STEP), "=": () => viewer.zoom(ours.STEP), "-": () => viewer.zoom(1 / ours.STEP),
            "0": () => viewer.select(0, true),
            "n": () => editor.steer(null), "e": () => withPart((one) => editor.steer(one)),
            "Delete": () => withPart((one) => editor.remove(one)),
        };
        if (target === viewer.canvas) actions.Enter = () => withPart((one) => viewer.tick(one));
        return actions[key.length === 1 ? key.toLowerCase() : key] || null;
    }

    ours.listenToKeys = function(viewer) {
        viewer.root.addEventListener("keydown", (event) => {
            if (!viewer.data) return;
            const {target, key} = event;
            let done = null;
            if (target === viewer.swipe && key in swipeKeys) {
                done = () => viewer.setSplit(viewer.split + swipeKeys[key]);
            } else if (target === viewer.canvas && viewer.editor.key(event)) {
                done = () => undefined;
            } else if (target === viewer.canvas || target.classList.contains("rh-name")) {
                done = act(viewer, event);
            }
            if (!done) return;
            done();
            event.preventDefault();
            event.stopPropagation(); // the host has keys of its own
        });
    };
})();
