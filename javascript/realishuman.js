/* The RealisHuman tab and its host: switching tabs, progress, and what is written to components.
   One set of listeners on the document, so that nothing breaks when gradio renders anew. */

window.realishuman = window.realishuman || {};

(function() {
    const NAME = "realishuman";
    const WAIT = 150; // ms after the last movement of a slider

    const app = () => (typeof gradioApp === "function" ? gradioApp() : document);
    const byName = (name) => app().querySelector(`#${NAME}_${name}`);

    // Switching tabs: the host's by its text, as their order differs; ours by their order, as
    // their texts may be translated.

    function press(root, text) {
        const all = root ? Array.from(root.querySelectorAll("button")) : [];
        const button = all.find((one) => one.textContent.trim() === text);
        if (button) button.click();
    }

    function turnTo(place) {
        const nav = byName("tabs").querySelector(".tab-nav");
        const buttons = nav ? Array.from(nav.querySelectorAll("button")) : [];
        if (buttons.length) buttons.at(place).click();
    }

    window.switch_to_realishuman = function() {
        press(app().querySelector("#tabs"), "RealisHuman");
        turnTo(0);
        return Array.from(arguments);
    };

    window.switch_to_realishuman_models = function() {
        press(app().querySelector("#tabs"), "RealisHuman");
        turnTo(-1);
        const refresh = byName("refresh");
        if (refresh) refresh.click();
        return Array.from(arguments);
    };

    // A run with the host's progress bar. `all` are the event's inputs, maybe followed by outputs.

    window.realishuman_submit = function(all, count, outcome) {
        const id = randomId();
        const tab = byName("tabs");
        const {work} = outcome === "outcome" ? window.realishuman.viewer : {};
        const place = work ? work.place : byName(outcome);
        const end = () => {
            tab.classList.remove("rh-busy");
            if (work) work.end();
        };
        tab.classList.add("rh-busy");
        requestProgress(id, place, work ? work.previews : place, end, work && ((answer) => work.tell(answer.textinfo || "")));
        const inputs = all.slice(0, count);
        inputs[0] = id;
        return inputs;
    };

    // Sliders of the ring redraw it once they rest.

    let resting = 0;
    function redrawAfter(event) {
        const tab = event.target.closest && event.target.closest(`#${NAME}_tabs`);
        if (!tab || !event.target.closest("[id*=_dilate], [id*=_erode]")) return;
        if (event.type === "click" && !event.target.closest(".rh-back")) return;
        clearTimeout(resting);
        resting = setTimeout(() => byName("redraw").click(), WAIT);
    }
    document.addEventListener("input", redrawAfter);
    document.addEventListener("click", redrawAfter);

    // While something is downloaded, its progress is asked for.

    let downloading = false;
    setInterval(() => {
        const state = byName("download_state");
        const before = downloading;
        downloading = Boolean(state && state.querySelector(".rh-running"));
        const button = byName(downloading ? "download_tick" : "download_ended");
        if (button && (downloading || before)) button.click();
    }, 1000);

    // What the viewer writes. A component takes a moment to notice, and gradio 4 drops what is asked
    // for before the last answer has come: so one after the other.

    const NOTICED = 50; // ms
    const PATIENCE = 4000; // ms without an answer, after an error for instance
    const waiting = [];
    let asked = 0;

    function ask(component, text, button) {
        waiting.push({component, text, button});
        if (!asked) askNext();
    }

    function askNext() {
        clearTimeout(asked);
        asked = 0;
        const next = waiting.shift();
        if (!next) return;
        const area = byName(next.component).querySelector("textarea, input");
        area.value = next.text;
        updateInput(area);
        setTimeout(() => byName(next.button).click(), NOTICED);
        asked = setTimeout(askNext, PATIENCE);
    }

    function tick(index) {
        const boxes = byName("ticks").querySelectorAll("input[type=checkbox]");
        if (boxes[index]) boxes[index].click();
    }

    // Whether parts are looked for by themselves is remembered in this browser.

    const SEARCH = `${NAME}_search`;
    const searchBox = () => (byName("search") || document).querySelector("input[type=checkbox]");

    function rememberSearch() {
        const box = byName("search") && searchBox();
        if (!box) return false;
        if (box.checked !== (localStorage.getItem(SEARCH) !== "no")) box.click();
        box.addEventListener("change", () => localStorage.setItem(SEARCH, box.checked ? "yes" : "no"));
        return true;
    }

    const searching = setInterval(() => {
        if (rememberSearch()) clearInterval(searching);
    }, 300);

    Object.assign(window.realishuman, {
        byName,
        answered: askNext,
        order: (order) => ask("order", JSON.stringify(order), "obey"),
        boxes: (lines) => ask("boxes", lines.join("\n"), "apply"),
        tick,
    });
})();
