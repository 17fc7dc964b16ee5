/* Buttons that need something are off until it is there. */

(function() {
    const SOURCES = ["txt2img", "img2img", "extras"];
    const isThere = (value) => value !== null && value !== undefined && String(value).trim() !== "";

    // What `count` buttons become while these values are held: updates, as gradio takes them.
    window.realishuman_ready = function(values, count, gradio) {
        const interactive = values.every(isThere);
        const update = {__type__: "update", interactive};
        if (gradio === 3) update.mode = interactive ? "dynamic" : "static";
        return Array.from({length: count}, () => update);
    };

    // The host's galleries: there is nothing to send from an empty one.
    function lookAtGalleries() {
        for (const source of SOURCES) {
            const button = document.getElementById(`${source}_send_to_realishuman`);
            const gallery = document.getElementById(`${source}_gallery`);
            if (button && gallery) button.disabled = !gallery.querySelector("img");
        }
    }

    if (typeof onAfterUiUpdate === "function") onAfterUiUpdate(lookAtGalleries);
})();
